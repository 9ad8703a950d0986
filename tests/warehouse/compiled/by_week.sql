-- $limit, $offset, $organization
SELECT "booking_date_week", count(*) AS "events"
FROM (
SELECT CAST(date_trunc('week', "base"."booking_date") AS DATE) AS "booking_date_week"
FROM (
  SELECT "booking_date" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization
) AS "base"
)
GROUP BY "booking_date_week"
ORDER BY "booking_date_week" ASC NULLS LAST
LIMIT $limit OFFSET $offset
