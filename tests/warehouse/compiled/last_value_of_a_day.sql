-- $limit, $offset, $organization
SELECT "balance_date", "currency", sum("_balance") AS "balance"
FROM (
SELECT "base"."balance_date" AS "balance_date", "base"."currency" AS "currency", "base"."balance" AS "_balance"
FROM (
  SELECT "balance_date", "currency", "balance", "account_id" FROM "marts"."fct_daily_balance_history" WHERE "organization_id" = $organization
) AS "base"
)
GROUP BY "balance_date", "currency"
ORDER BY "balance_date" ASC NULLS LAST, "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
