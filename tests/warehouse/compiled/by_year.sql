-- $limit, $offset, $organization
SELECT "booking_date_year", count(*) AS "events"
FROM (
SELECT CAST(date_trunc('year', "base"."booking_date") AS DATE) AS "booking_date_year"
FROM (
  SELECT "booking_date" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization
) AS "base"
)
GROUP BY "booking_date_year"
ORDER BY "booking_date_year" ASC NULLS LAST
LIMIT $limit OFFSET $offset
