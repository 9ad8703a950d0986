-- $limit, $me, $offset, $organization, $p1, $p2
SELECT "base"."amount" AS "amount"
FROM (
  SELECT "account_id", "vendor", "amount", rowid AS "_rowid" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "owner_id" = $me
) AS "base"
LEFT JOIN (
  SELECT "account_id", "name" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization AND "owner_id" = $me
) AS "account" ON "account"."account_id" = "base"."account_id"
WHERE ("account"."name" = $p1 OR "base"."vendor" = $p2)
ORDER BY "base"."_rowid"
LIMIT $limit OFFSET $offset
