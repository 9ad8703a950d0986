-- $limit, $organization, $p1, $p2
SELECT "base"."amount" AS "amount", "base"."vendor" AS "_key_2", "base"."_rowid" AS "_rowid"
FROM (
  SELECT "amount", "vendor", rowid AS "_rowid" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization
) AS "base"
WHERE ("base"."amount" < CAST($p2 AS DECIMAL(38,4)) OR "base"."amount" IS NULL OR ("base"."amount" = CAST($p2 AS DECIMAL(38,4)) AND ("base"."vendor" IS NULL AND ("base"."vendor" IS NOT NULL OR ("base"."_rowid" > $p1)))))
ORDER BY "base"."amount" DESC NULLS LAST, "base"."vendor" ASC NULLS LAST, "base"."_rowid"
LIMIT $limit
