-- $limit, $offset, $organization
SELECT "balance_date_month", "currency", sum("_balance") FILTER (WHERE "__last_1") AS "balance"
FROM (
SELECT CAST(date_trunc('month', "base"."balance_date") AS DATE) AS "balance_date_month", "base"."currency" AS "currency", "base"."balance" AS "_balance", "base"."balance_date" = max("base"."balance_date") OVER (PARTITION BY CAST(date_trunc('month', "base"."balance_date") AS DATE), "base"."currency", "base"."account_id") AS "__last_1"
FROM (
  SELECT "balance_date", "currency", "balance", "account_id" FROM "marts"."fct_daily_balance_history" WHERE "organization_id" = $organization
) AS "base"
)
GROUP BY "balance_date_month", "currency"
ORDER BY "balance_date_month" ASC NULLS LAST, "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
