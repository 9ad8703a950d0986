-- $earlier_from, $earlier_until, $from, $limit, $offset, $organization, $until
SELECT "balance_date_month", "currency", "balance", "balance_previous", ("balance" - "balance_previous") AS "balance_delta", CAST(CAST(sign(CAST(("balance" - "balance_previous") * 10000 AS HUGEINT) * 1000000) * sign(CAST(abs("balance_previous") * 10000 AS HUGEINT)) * ((2 * abs(CAST(("balance" - "balance_previous") * 10000 AS HUGEINT) * 1000000) + abs(CAST(abs("balance_previous") * 10000 AS HUGEINT))) // nullif(2 * abs(CAST(abs("balance_previous") * 10000 AS HUGEINT)), 0)) AS DECIMAL(38,0)) * CAST('0.000001' AS DECIMAL(7,6)) AS DECIMAL(38,6)) AS "balance_change"
FROM (
SELECT "balance_date_month", "currency", CASE WHEN "_rows" > 0 THEN "balance" ELSE 0 END AS "balance", CASE WHEN "_rows_previous" > 0 THEN "balance_previous" ELSE 0 END AS "balance_previous"
FROM (
SELECT "balance_date_month", "currency", sum("_balance") FILTER (WHERE NOT "__earlier" AND "__last_1") AS "balance", count(*) FILTER (WHERE NOT "__earlier") AS "_rows", sum("_balance") FILTER (WHERE "__earlier" AND "__last_1") AS "balance_previous", count(*) FILTER (WHERE "__earlier") AS "_rows_previous"
FROM (
SELECT CAST(date_trunc('month', "base"."balance_date") AS DATE) AS "balance_date_month", "base"."currency" AS "currency", "base"."balance" AS "_balance", "base"."_day" = max("base"."_day") OVER (PARTITION BY CAST(date_trunc('month', "base"."balance_date") AS DATE), "base"."currency", "base"."account_id", "base"."_earlier") AS "__last_1", "base"."_earlier" AS "__earlier"
FROM (
  SELECT "balance_date", "currency", "balance", "account_id", "balance_date" AS "_day", false AS "_earlier" FROM "marts"."fct_daily_balance_history" WHERE "organization_id" = $organization AND "balance_date" BETWEEN $from AND $until
UNION ALL
  SELECT CAST(least(greatest("balance_date" + to_months(3), $from), $until) AS DATE) AS "balance_date", "currency", "balance", "account_id", "balance_date" AS "_day", true AS "_earlier" FROM "marts"."fct_daily_balance_history" WHERE "organization_id" = $organization AND "balance_date" BETWEEN $earlier_from AND $earlier_until
) AS "base"
)
GROUP BY "balance_date_month", "currency"
)
)
ORDER BY "balance_date_month" ASC NULLS LAST, "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
