-- $limit, $offset, $organization, $p1, $p10, $p11, $p12, $p13, $p14, $p15, $p16, $p2, $p3, $p4, $p5, $p6, $p7, $p8, $p9
SELECT "base"."amount" AS "amount"
FROM (
  SELECT "amount", rowid AS "_rowid" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "vendor" = $p1 AND "vendor" IS DISTINCT FROM $p2 AND "vendor" = ANY($p3) AND NOT coalesce("vendor" = ANY($p4), false) AND contains(lower("vendor"), lower($p5)) AND "amount" > CAST($p6 AS DECIMAL(38,12)) AND "amount" >= CAST($p7 AS DECIMAL(38,12)) AND "amount" < CAST($p8 AS DECIMAL(38,12)) AND "amount" <= CAST($p9 AS DECIMAL(38,12)) AND "amount" = ANY(CAST($p10 AS DECIMAL(38,12)[])) AND "booking_date" BETWEEN $p11 AND $p12 AND "budget_id" IS NOT NULL AND "created_at" >= $p13 AND list_has_any("tag_ids", $p14) AND NOT coalesce(list_has_any("tag_ids", $p15), false) AND list_contains("tag_ids", $p16) AND coalesce(len("tag_ids"), 0) > 0
) AS "base"
ORDER BY "base"."_rowid"
LIMIT $limit OFFSET $offset
