-- $limit, $offset, $organization, $time_zone
SELECT "created_at_month", count(*) AS "events"
FROM (
SELECT CAST(date_trunc('month', ("base"."created_at" AT TIME ZONE $time_zone)) AS DATE) AS "created_at_month"
FROM (
  SELECT "created_at" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization
) AS "base"
)
GROUP BY "created_at_month"
ORDER BY "created_at_month" ASC NULLS LAST
LIMIT $limit OFFSET $offset
