-- $limit, $offset, $organization, $p2
SELECT "booking_date_month", "account.name", "currency", "_level", "total", "total_share", "vendors", "average"
FROM (
SELECT "booking_date_month", "account.name", "currency", "_level", "total", CAST(CAST(sign(CAST("total" * 10000 AS HUGEINT) * 1000000) * sign(CAST("_whole_total" * 10000 AS HUGEINT)) * ((2 * abs(CAST("total" * 10000 AS HUGEINT) * 1000000) + abs(CAST("_whole_total" * 10000 AS HUGEINT))) // nullif(2 * abs(CAST("_whole_total" * 10000 AS HUGEINT)), 0)) AS DECIMAL(38,0)) * CAST('0.000001' AS DECIMAL(7,6)) AS DECIMAL(38,6)) AS "total_share", "vendors", "average"
FROM (
SELECT "booking_date_month", "account.name", "currency", "_level", "total", "vendors", "average", max("total") FILTER (WHERE "_level" = 0) OVER (PARTITION BY "currency") AS "_whole_total"
FROM (
SELECT "booking_date_month", "account.name", "currency", CASE WHEN GROUPING("booking_date_month") = 0 THEN 2 ELSE 0 END AS "_level", sum("_amount") AS "total", count(DISTINCT "_vendor") AS "vendors", CAST(CAST(sign(CAST(sum("_amount") * 10000 AS HUGEINT)) * sign(CAST(count(*) AS HUGEINT)) * ((2 * abs(CAST(sum("_amount") * 10000 AS HUGEINT)) + abs(CAST(count(*) AS HUGEINT))) // nullif(2 * abs(CAST(count(*) AS HUGEINT)), 0)) AS DECIMAL(38,0)) * CAST('0.0001' AS DECIMAL(5,4)) AS DECIMAL(38,4)) AS "average"
FROM (
SELECT CAST(date_trunc('month', "base"."booking_date") AS DATE) AS "booking_date_month", "account"."name" AS "account.name", "base"."currency" AS "currency", "base"."amount" AS "_amount", "base"."vendor" AS "_vendor"
FROM (
  SELECT "booking_date", "account_id", "currency", "amount", "vendor" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization
) AS "base"
LEFT JOIN (
  SELECT "account_id", "name" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization
) AS "account" ON "account"."account_id" = "base"."account_id"
)
GROUP BY GROUPING SETS (("booking_date_month", "account.name", "currency"), ("currency"))
)
)
)
WHERE ("_level" < 2 OR "total" > CAST($p2 AS DECIMAL(38,12)))
ORDER BY "_level", "booking_date_month" ASC NULLS LAST, "account.name" ASC NULLS LAST, "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
