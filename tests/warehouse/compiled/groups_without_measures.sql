-- $limit, $me, $offset, $organization
SELECT "vendor"
FROM (
SELECT "base"."vendor" AS "vendor"
FROM (
  SELECT "vendor" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "owner_id" = $me
) AS "base"
)
GROUP BY "vendor"
ORDER BY "vendor" ASC NULLS LAST
LIMIT $limit OFFSET $offset
