-- $limit, $me, $offset, $organization, $p1, $shared_accounts, $shared_budgets
SELECT "base"."amount" AS "amount", "account"."name" AS "account.name", "budget"."path" AS "budget.path"
FROM (
  SELECT "account_id", "amount", "budget_id", rowid AS "_rowid" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "owner_id" = $me
UNION ALL
  SELECT "account_id", "amount", "budget_id", rowid AS "_rowid" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "account_id" = ANY($shared_accounts) AND "owner_id" IS DISTINCT FROM $me AND "owner_id" IN (SELECT "owner_id" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization AND "account_id" = ANY($shared_accounts))
) AS "base"
LEFT JOIN (
  SELECT "account_id", "name" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization AND "owner_id" = $me
UNION ALL
  SELECT "account_id", "name" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization AND "account_id" = ANY($shared_accounts) AND "owner_id" IS DISTINCT FROM $me
) AS "account" ON "account"."account_id" = "base"."account_id"
LEFT JOIN (
  SELECT "budget_id", CAST(NULL AS VARCHAR) AS "path" FROM "marts"."dim_budgets" WHERE "organization_id" = $organization AND "owner_id" = $me
UNION ALL
  SELECT "budget_id", CAST(NULL AS VARCHAR) AS "path" FROM "marts"."dim_budgets" WHERE "organization_id" = $organization AND "budget_id" = ANY($shared_budgets) AND "owner_id" IS DISTINCT FROM $me
) AS "budget" ON "budget"."budget_id" = "base"."budget_id"
WHERE contains(lower("account"."name"), lower($p1))
ORDER BY "base"."amount" DESC NULLS LAST, "account"."name" ASC NULLS LAST, "base"."_rowid"
LIMIT $limit OFFSET $offset
