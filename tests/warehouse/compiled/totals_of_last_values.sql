-- $limit, $offset, $organization
SELECT "balance_date_month", "account_id", "currency", CASE WHEN GROUPING("account_id") = 0 THEN 2 WHEN GROUPING("balance_date_month") = 0 THEN 1 ELSE 0 END AS "_level", CASE WHEN GROUPING("account_id") = 0 THEN sum("_balance") FILTER (WHERE "__last_2") WHEN GROUPING("balance_date_month") = 0 THEN sum("_balance") FILTER (WHERE "__last_1") ELSE sum("_balance") FILTER (WHERE "__last_0") END AS "balance"
FROM (
SELECT CAST(date_trunc('month', "base"."balance_date") AS DATE) AS "balance_date_month", "base"."account_id" AS "account_id", "base"."currency" AS "currency", "base"."balance" AS "_balance", "base"."balance_date" = max("base"."balance_date") OVER (PARTITION BY CAST(date_trunc('month', "base"."balance_date") AS DATE), "base"."account_id", "base"."currency", "base"."account_id") AS "__last_2", "base"."balance_date" = max("base"."balance_date") OVER (PARTITION BY CAST(date_trunc('month', "base"."balance_date") AS DATE), "base"."currency", "base"."account_id") AS "__last_1", "base"."balance_date" = max("base"."balance_date") OVER (PARTITION BY "base"."currency", "base"."account_id") AS "__last_0"
FROM (
  SELECT "balance_date", "account_id", "currency", "balance" FROM "marts"."fct_daily_balance_history" WHERE "organization_id" = $organization
) AS "base"
)
GROUP BY GROUPING SETS (("balance_date_month", "account_id", "currency"), ("balance_date_month", "currency"), ("currency"))
ORDER BY "_level", "balance_date_month" ASC NULLS LAST, "account_id" ASC NULLS LAST, "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
