-- $limit, $me, $offset, $organization
SELECT "base"."amount" AS "amount", "budget"."name" AS "budget.name"
FROM (
SELECT * FROM (
  SELECT "amount", "budget_id", rowid AS "_rowid" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "owner_id" = $me
) AS "base"
LIMIT $limit OFFSET $offset
) AS "base"
LEFT JOIN (
  SELECT "budget_id", "name" FROM "marts"."dim_budgets" WHERE "organization_id" = $organization AND "owner_id" = $me
) AS "budget" ON "budget"."budget_id" = "base"."budget_id"
ORDER BY "base"."_rowid"
