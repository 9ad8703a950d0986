-- $limit, $me, $offset, $organization, $shared_accounts
SELECT "base"."organization_id" AS "organization_id", "base"."account_id" AS "account_id", "base"."owner_id" AS "owner_id", "base"."name" AS "name"
FROM (
  SELECT "organization_id", "account_id", "owner_id", "name", rowid AS "_rowid" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization AND "owner_id" = $me
UNION ALL
  SELECT "organization_id", "account_id", "owner_id", "name", rowid AS "_rowid" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization AND "account_id" = ANY($shared_accounts) AND "owner_id" IS DISTINCT FROM $me
) AS "base"
ORDER BY "base"."_rowid"
LIMIT $limit OFFSET $offset
