-- $limit, $offset, $organization
SELECT "currency", CAST(CAST(sign(CAST(sum("_amount") * 10000 AS HUGEINT)) * sign(CAST(count(*) AS HUGEINT)) * ((2 * abs(CAST(sum("_amount") * 10000 AS HUGEINT)) + abs(CAST(count(*) AS HUGEINT))) // nullif(2 * abs(CAST(count(*) AS HUGEINT)), 0)) AS DECIMAL(38,0)) * CAST('0.0001' AS DECIMAL(5,4)) AS DECIMAL(38,4)) AS "average"
FROM (
SELECT "base"."currency" AS "currency", "base"."amount" AS "_amount"
FROM (
  SELECT "currency", "amount" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization
) AS "base"
)
GROUP BY "currency"
ORDER BY "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
