-- $limit, $offset, $organization, $p1
SELECT "booking_date_month", "budget.name", "currency", sum("_sum_amount") AS "total", CAST(CAST(sign(CAST(sum("_sum_amount") * 10000 AS HUGEINT)) * sign(CAST(CAST(coalesce(sum("_count"), 0) AS BIGINT) AS HUGEINT)) * ((2 * abs(CAST(sum("_sum_amount") * 10000 AS HUGEINT)) + abs(CAST(CAST(coalesce(sum("_count"), 0) AS BIGINT) AS HUGEINT))) // nullif(2 * abs(CAST(CAST(coalesce(sum("_count"), 0) AS BIGINT) AS HUGEINT)), 0)) AS DECIMAL(38,0)) * CAST('0.0001' AS DECIMAL(5,4)) AS DECIMAL(38,4)) AS "average", max("_max_amount") AS "largest"
FROM (
SELECT "base"."booking_date_month" AS "booking_date_month", "budget"."name" AS "budget.name", "base"."currency" AS "currency", "base"."_sum_amount" AS "_sum_amount", "base"."_count" AS "_count", "base"."_max_amount" AS "_max_amount"
FROM (
SELECT CAST(date_trunc('month', "base"."booking_date") AS DATE) AS "booking_date_month", "base"."currency" AS "currency", "base"."account_id" AS "account_id", "base"."budget_id" AS "budget_id", sum("base"."amount") AS "_sum_amount", count(*) AS "_count", max("base"."amount") AS "_max_amount"
FROM (
  SELECT "account_id", "booking_date", "budget_id", "currency", "amount" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization
) AS "base"
GROUP BY "booking_date_month", "currency", "account_id", "budget_id"
) AS "base"
LEFT JOIN (
  SELECT "account_id", "name" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization
) AS "account" ON "account"."account_id" = "base"."account_id"
LEFT JOIN (
  SELECT "budget_id", "name" FROM "marts"."dim_budgets" WHERE "organization_id" = $organization
) AS "budget" ON "budget"."budget_id" = "base"."budget_id"
WHERE contains(lower("account"."name"), lower($p1))
)
GROUP BY "booking_date_month", "budget.name", "currency"
ORDER BY "booking_date_month" ASC NULLS LAST, "budget.name" ASC NULLS LAST, "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
