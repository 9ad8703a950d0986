-- $limit, $offset, $organization
SELECT "booking_date_quarter", count(*) AS "events"
FROM (
SELECT CAST(date_trunc('quarter', "base"."booking_date") AS DATE) AS "booking_date_quarter"
FROM (
  SELECT "booking_date" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization
) AS "base"
)
GROUP BY "booking_date_quarter"
ORDER BY "booking_date_quarter" ASC NULLS LAST
LIMIT $limit OFFSET $offset
