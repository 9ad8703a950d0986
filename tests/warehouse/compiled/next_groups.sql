-- $limit, $organization, $p2, $p3, $p4, $p5
SELECT "vendor", "currency", "_level", "total"
FROM (
SELECT "vendor", "currency", CASE WHEN GROUPING("vendor") = 0 THEN 1 ELSE 0 END AS "_level", sum("_amount") AS "total"
FROM (
SELECT "base"."vendor" AS "vendor", "base"."currency" AS "currency", "base"."amount" AS "_amount"
FROM (
  SELECT "vendor", "currency", "amount" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization
) AS "base"
)
GROUP BY GROUPING SETS (("vendor", "currency"), ("currency"))
)
WHERE ("_level" > $p5 OR ("_level" = $p5 AND ("total" < CAST($p4 AS DECIMAL(38,4)) OR "total" IS NULL OR ("total" = CAST($p4 AS DECIMAL(38,4)) AND ("vendor" > $p3 OR "vendor" IS NULL OR ("vendor" = $p3 AND ("currency" > $p2 OR "currency" IS NULL)))))))
ORDER BY "_level", "total" DESC NULLS LAST, "vendor" ASC NULLS LAST, "currency" ASC NULLS LAST
LIMIT $limit
