-- $limit, $offset, $organization
SELECT "month_year", "currency", CAST(CAST(sign(CAST(sum("_net") * 10000 AS HUGEINT) * 1000000) * sign(CAST(sum("_income") * 10000 AS HUGEINT)) * ((2 * abs(CAST(sum("_net") * 10000 AS HUGEINT) * 1000000) + abs(CAST(sum("_income") * 10000 AS HUGEINT))) // nullif(2 * abs(CAST(sum("_income") * 10000 AS HUGEINT)), 0)) AS DECIMAL(38,0)) * CAST('0.000001' AS DECIMAL(7,6)) AS DECIMAL(38,6)) AS "savings_rate"
FROM (
SELECT CAST(date_trunc('year', "base"."month") AS DATE) AS "month_year", "base"."currency" AS "currency", "base"."net" AS "_net", "base"."income" AS "_income"
FROM (
  SELECT "month", "currency", "net", "income" FROM "marts"."fct_monthly_trends" WHERE "organization_id" = $organization
) AS "base"
)
GROUP BY "month_year", "currency"
ORDER BY "month_year" ASC NULLS LAST, "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
