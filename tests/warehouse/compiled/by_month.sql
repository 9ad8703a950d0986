-- $limit, $offset, $organization
SELECT "booking_date_month", count(*) AS "events"
FROM (
SELECT CAST(date_trunc('month', "base"."booking_date") AS DATE) AS "booking_date_month"
FROM (
  SELECT "booking_date" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization
) AS "base"
)
GROUP BY "booking_date_month"
ORDER BY "booking_date_month" ASC NULLS LAST
LIMIT $limit OFFSET $offset
