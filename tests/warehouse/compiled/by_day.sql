-- $limit, $offset, $organization
SELECT "booking_date_day", count(*) AS "events"
FROM (
SELECT CAST(date_trunc('day', "base"."booking_date") AS DATE) AS "booking_date_day"
FROM (
  SELECT "booking_date" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization
) AS "base"
)
GROUP BY "booking_date_day"
ORDER BY "booking_date_day" ASC NULLS LAST
LIMIT $limit OFFSET $offset
