-- $earlier_from, $earlier_until, $from, $limit, $offset, $organization, $periods, $until
SELECT "vendor", "booking_date_month", "currency", "_level", "total", "total_previous", ("total" - "total_previous") AS "total_delta", CAST(CAST(sign(CAST(("total" - "total_previous") * 10000 AS HUGEINT) * 1000000) * sign(CAST(abs("total_previous") * 10000 AS HUGEINT)) * ((2 * abs(CAST(("total" - "total_previous") * 10000 AS HUGEINT) * 1000000) + abs(CAST(abs("total_previous") * 10000 AS HUGEINT))) // nullif(2 * abs(CAST(abs("total_previous") * 10000 AS HUGEINT)), 0)) AS DECIMAL(38,0)) * CAST('0.000001' AS DECIMAL(7,6)) AS DECIMAL(38,6)) AS "total_change", CAST(CAST(sign(CAST("total" * 10000 AS HUGEINT) * 1000000) * sign(CAST("_whole_total" * 10000 AS HUGEINT)) * ((2 * abs(CAST("total" * 10000 AS HUGEINT) * 1000000) + abs(CAST("_whole_total" * 10000 AS HUGEINT))) // nullif(2 * abs(CAST("_whole_total" * 10000 AS HUGEINT)), 0)) AS DECIMAL(38,0)) * CAST('0.000001' AS DECIMAL(7,6)) AS DECIMAL(38,6)) AS "total_share"
FROM (
SELECT "vendor", "booking_date_month", "currency", "_level", CASE WHEN "_rows" > 0 THEN "total" ELSE last_value(CASE WHEN "_rows" > 0 THEN "total" END IGNORE NULLS) OVER (PARTITION BY "vendor", "currency", "_level" ORDER BY "booking_date_month") END AS "total", CASE WHEN "_rows_previous" > 0 THEN "total_previous" ELSE last_value(CASE WHEN "_rows_previous" > 0 THEN "total_previous" END IGNORE NULLS) OVER (PARTITION BY "vendor", "currency", "_level" ORDER BY "booking_date_month") END AS "total_previous", max("total") FILTER (WHERE "_level" = 0) OVER (PARTITION BY "currency") AS "_whole_total"
FROM (
WITH "groups" AS (
SELECT "vendor", "booking_date_month", "currency", CASE WHEN GROUPING("booking_date_month") = 0 THEN 2 WHEN GROUPING("vendor") = 0 THEN 1 ELSE 0 END AS "_level", sum("_amount") FILTER (WHERE NOT "__earlier") AS "total", count(*) FILTER (WHERE NOT "__earlier") AS "_rows", sum("_amount") FILTER (WHERE "__earlier") AS "total_previous", count(*) FILTER (WHERE "__earlier") AS "_rows_previous"
FROM (
SELECT "base"."vendor" AS "vendor", CAST(date_trunc('month', "base"."booking_date") AS DATE) AS "booking_date_month", "base"."currency" AS "currency", "base"."amount" AS "_amount", "base"."_earlier" AS "__earlier"
FROM (
  SELECT "vendor", "booking_date", "currency", "amount", false AS "_earlier" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "booking_date" BETWEEN $from AND $until
UNION ALL
  SELECT "vendor", CAST(least(greatest("booking_date" + to_months(12), $from), $until) AS DATE) AS "booking_date", "currency", "amount", true AS "_earlier" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "booking_date" BETWEEN $earlier_from AND $earlier_until
) AS "base"
)
GROUP BY GROUPING SETS (("vendor", "booking_date_month", "currency"), ("vendor", "currency"), ("currency"))
)
SELECT s."vendor", s."currency", s."_level", p."period" AS "booking_date_month", g."total", g."_rows", g."total_previous", g."_rows_previous"
FROM (SELECT DISTINCT "vendor", "currency", "_level" FROM "groups" WHERE NOT "_level" <= 1) AS s
CROSS JOIN (SELECT unnest(CAST($periods AS DATE[])) AS "period") AS p
LEFT JOIN "groups" AS g ON g."booking_date_month" = p."period" AND g."vendor" IS NOT DISTINCT FROM s."vendor" AND g."currency" IS NOT DISTINCT FROM s."currency" AND g."_level" IS NOT DISTINCT FROM s."_level"
UNION ALL
SELECT "vendor", "currency", "_level", "booking_date_month", "total", "_rows", "total_previous", "_rows_previous" FROM "groups" WHERE "_level" <= 1
)
)
ORDER BY "_level", "vendor" ASC NULLS LAST, "booking_date_month" ASC NULLS LAST, "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
