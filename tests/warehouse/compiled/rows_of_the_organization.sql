-- $limit, $offset, $organization
SELECT "base"."organization_id" AS "organization_id", "base"."account_id" AS "account_id", "base"."owner_id" AS "owner_id", "base"."name" AS "name"
FROM (
  SELECT "organization_id", "account_id", "owner_id", "name" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization
) AS "base"
LIMIT $limit OFFSET $offset
