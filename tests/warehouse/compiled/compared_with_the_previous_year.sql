-- $earlier_from, $earlier_until, $from, $limit, $offset, $organization, $until
SELECT "currency", "average", "average_previous", ("average" - "average_previous") AS "average_delta", CAST(CAST(sign(CAST(("average" - "average_previous") * 10000 AS HUGEINT) * 1000000) * sign(CAST(abs("average_previous") * 10000 AS HUGEINT)) * ((2 * abs(CAST(("average" - "average_previous") * 10000 AS HUGEINT) * 1000000) + abs(CAST(abs("average_previous") * 10000 AS HUGEINT))) // nullif(2 * abs(CAST(abs("average_previous") * 10000 AS HUGEINT)), 0)) AS DECIMAL(38,0)) * CAST('0.000001' AS DECIMAL(7,6)) AS DECIMAL(38,6)) AS "average_change"
FROM (
SELECT "currency", CASE WHEN "_rows" > 0 THEN "average" ELSE NULL END AS "average", CASE WHEN "_rows_previous" > 0 THEN "average_previous" ELSE NULL END AS "average_previous"
FROM (
SELECT "currency", CAST(CAST(sign(CAST(sum("_amount") FILTER (WHERE NOT "__earlier") * 10000 AS HUGEINT)) * sign(CAST(count(*) FILTER (WHERE NOT "__earlier") AS HUGEINT)) * ((2 * abs(CAST(sum("_amount") FILTER (WHERE NOT "__earlier") * 10000 AS HUGEINT)) + abs(CAST(count(*) FILTER (WHERE NOT "__earlier") AS HUGEINT))) // nullif(2 * abs(CAST(count(*) FILTER (WHERE NOT "__earlier") AS HUGEINT)), 0)) AS DECIMAL(38,0)) * CAST('0.0001' AS DECIMAL(5,4)) AS DECIMAL(38,4)) AS "average", count(*) FILTER (WHERE NOT "__earlier") AS "_rows", CAST(CAST(sign(CAST(sum("_amount") FILTER (WHERE "__earlier") * 10000 AS HUGEINT)) * sign(CAST(count(*) FILTER (WHERE "__earlier") AS HUGEINT)) * ((2 * abs(CAST(sum("_amount") FILTER (WHERE "__earlier") * 10000 AS HUGEINT)) + abs(CAST(count(*) FILTER (WHERE "__earlier") AS HUGEINT))) // nullif(2 * abs(CAST(count(*) FILTER (WHERE "__earlier") AS HUGEINT)), 0)) AS DECIMAL(38,0)) * CAST('0.0001' AS DECIMAL(5,4)) AS DECIMAL(38,4)) AS "average_previous", count(*) FILTER (WHERE "__earlier") AS "_rows_previous"
FROM (
SELECT "base"."currency" AS "currency", "base"."amount" AS "_amount", "base"."_earlier" AS "__earlier"
FROM (
  SELECT "currency", "amount", false AS "_earlier" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "booking_date" BETWEEN $from AND $until
UNION ALL
  SELECT "currency", "amount", true AS "_earlier" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "booking_date" BETWEEN $earlier_from AND $earlier_until
) AS "base"
)
GROUP BY "currency"
)
)
ORDER BY "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
