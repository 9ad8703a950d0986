-- $limit, $offset, $organization, $p2
SELECT "vendor", "currency", "total", "vendors"
FROM (
SELECT "vendor", "currency", sum("_amount") AS "total", count(DISTINCT "_vendor") AS "vendors"
FROM (
SELECT "base"."vendor" AS "vendor", "base"."currency" AS "currency", "base"."amount" AS "_amount", "base"."vendor" AS "_vendor"
FROM (
  SELECT "vendor", "currency", "amount" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization
) AS "base"
)
GROUP BY "vendor", "currency"
)
WHERE ("total" > CAST($p2 AS DECIMAL(38,12)) OR "vendors" IS NULL)
ORDER BY "vendor" ASC NULLS LAST, "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
