-- $limit, $me, $offset, $organization, $shared_accounts
SELECT "account.name", "currency", sum("_amount") AS "total"
FROM (
SELECT "account"."name" AS "account.name", "base"."currency" AS "currency", "base"."amount" AS "_amount"
FROM (
  SELECT "account_id", "currency", "amount" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "owner_id" = $me
UNION ALL
  SELECT "account_id", "currency", "amount" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "account_id" = ANY($shared_accounts) AND "owner_id" IS DISTINCT FROM $me AND "owner_id" IN (SELECT "owner_id" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization AND "account_id" = ANY($shared_accounts))
) AS "base"
LEFT JOIN (
  SELECT "account_id", "name" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization AND "owner_id" = $me
UNION ALL
  SELECT "account_id", "name" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization AND "account_id" = ANY($shared_accounts) AND "owner_id" IS DISTINCT FROM $me
) AS "account" ON "account"."account_id" = "base"."account_id"
)
GROUP BY "account.name", "currency"
ORDER BY "account.name" ASC NULLS LAST, "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
