-- $from, $limit, $offset, $organization, $periods, $until
SELECT "vendor", "booking_date_month", "currency", CASE WHEN "_rows" > 0 THEN "total" ELSE 0 END AS "total", CASE WHEN "_rows" > 0 THEN "average" ELSE NULL END AS "average"
FROM (
WITH "groups" AS (
SELECT "vendor", "booking_date_month", "currency", sum("_amount") AS "total", CAST(CAST(sign(CAST(sum("_amount") * 10000 AS HUGEINT)) * sign(CAST(count(*) AS HUGEINT)) * ((2 * abs(CAST(sum("_amount") * 10000 AS HUGEINT)) + abs(CAST(count(*) AS HUGEINT))) // nullif(2 * abs(CAST(count(*) AS HUGEINT)), 0)) AS DECIMAL(38,0)) * CAST('0.0001' AS DECIMAL(5,4)) AS DECIMAL(38,4)) AS "average", count(*) AS "_rows"
FROM (
SELECT "base"."vendor" AS "vendor", CAST(date_trunc('month', "base"."booking_date") AS DATE) AS "booking_date_month", "base"."currency" AS "currency", "base"."amount" AS "_amount"
FROM (
  SELECT "vendor", "booking_date", "currency", "amount" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "booking_date" BETWEEN $from AND $until
) AS "base"
)
GROUP BY "vendor", "booking_date_month", "currency"
)
SELECT s."vendor", s."currency", p."period" AS "booking_date_month", g."total", g."average", g."_rows"
FROM (SELECT DISTINCT "vendor", "currency" FROM "groups") AS s
CROSS JOIN (SELECT unnest(CAST($periods AS DATE[])) AS "period") AS p
LEFT JOIN "groups" AS g ON g."booking_date_month" = p."period" AND g."vendor" IS NOT DISTINCT FROM s."vendor" AND g."currency" IS NOT DISTINCT FROM s."currency"
)
ORDER BY "vendor" ASC NULLS LAST, "booking_date_month" ASC NULLS LAST, "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
