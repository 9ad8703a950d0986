-- $limit, $offset, $organization
SELECT "balance_date", "currency", sum("_balance") FILTER (WHERE "_last") AS "balance"
FROM (
SELECT "base"."balance_date" AS "balance_date", "base"."currency" AS "currency", "base"."balance" AS "_balance", true AS "_last"
FROM (
  SELECT "balance_date", "currency", "balance" FROM "marts"."fct_daily_balance_history" WHERE "organization_id" = $organization
) AS "base"
)
GROUP BY "balance_date", "currency"
ORDER BY "balance_date" ASC NULLS LAST, "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
