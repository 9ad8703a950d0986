-- $limit, $me, $offset, $organization, $shared_accounts, $shared_budgets
SELECT "base"."amount" AS "amount", "budget"."name" AS "budget.name"
FROM (
SELECT * FROM (
  SELECT "amount", "budget_id", rowid AS "_rowid" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "owner_id" = $me
UNION ALL
  SELECT "amount", "budget_id", rowid AS "_rowid" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "account_id" = ANY($shared_accounts) AND "owner_id" IS DISTINCT FROM $me AND "owner_id" IN (SELECT "owner_id" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization AND "account_id" = ANY($shared_accounts))
) AS "base"
ORDER BY "base"."amount" DESC NULLS LAST, "base"."_rowid"
LIMIT $limit OFFSET $offset
) AS "base"
LEFT JOIN (
  SELECT "budget_id", "name" FROM "marts"."dim_budgets" WHERE "organization_id" = $organization AND "owner_id" = $me
UNION ALL
  SELECT "budget_id", "name" FROM "marts"."dim_budgets" WHERE "organization_id" = $organization AND "budget_id" = ANY($shared_budgets) AND "owner_id" IS DISTINCT FROM $me
) AS "budget" ON "budget"."budget_id" = "base"."budget_id"
ORDER BY "base"."amount" DESC NULLS LAST, "base"."_rowid"
