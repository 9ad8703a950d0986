-- $earlier_from, $earlier_until, $from, $limit, $offset, $organization, $until
SELECT "account.name", "currency", "total", "total_previous", ("total" - "total_previous") AS "total_delta", CAST(CAST(sign(CAST(("total" - "total_previous") * 10000 AS HUGEINT) * 1000000) * sign(CAST(abs("total_previous") * 10000 AS HUGEINT)) * ((2 * abs(CAST(("total" - "total_previous") * 10000 AS HUGEINT) * 1000000) + abs(CAST(abs("total_previous") * 10000 AS HUGEINT))) // nullif(2 * abs(CAST(abs("total_previous") * 10000 AS HUGEINT)), 0)) AS DECIMAL(38,0)) * CAST('0.000001' AS DECIMAL(7,6)) AS DECIMAL(38,6)) AS "total_change"
FROM (
SELECT "account.name", "currency", CASE WHEN "_rows" > 0 THEN "total" ELSE 0 END AS "total", CASE WHEN "_rows_previous" > 0 THEN "total_previous" ELSE 0 END AS "total_previous"
FROM (
SELECT "account.name", "currency", sum("_sum_amount") FILTER (WHERE NOT "__earlier") AS "total", CAST(coalesce(sum("_count") FILTER (WHERE NOT "__earlier"), 0) AS BIGINT) AS "_rows", sum("_sum_amount") FILTER (WHERE "__earlier") AS "total_previous", CAST(coalesce(sum("_count") FILTER (WHERE "__earlier"), 0) AS BIGINT) AS "_rows_previous"
FROM (
SELECT "account"."name" AS "account.name", "base"."currency" AS "currency", "base"."_earlier" AS "__earlier", "base"."_sum_amount" AS "_sum_amount", "base"."_count" AS "_count"
FROM (
SELECT "base"."currency" AS "currency", "base"."account_id" AS "account_id", "base"."_earlier" AS "_earlier", sum("base"."amount") AS "_sum_amount", count(*) AS "_count"
FROM (
  SELECT "account_id", "currency", "amount", false AS "_earlier" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "booking_date" BETWEEN $from AND $until
UNION ALL
  SELECT "account_id", "currency", "amount", true AS "_earlier" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "booking_date" BETWEEN $earlier_from AND $earlier_until
) AS "base"
GROUP BY "currency", "account_id", "_earlier"
) AS "base"
LEFT JOIN (
  SELECT "account_id", "name" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization
) AS "account" ON "account"."account_id" = "base"."account_id"
)
GROUP BY "account.name", "currency"
)
)
ORDER BY "account.name" ASC NULLS LAST, "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
