-- $limit, $organization, $p2
SELECT "base"."amount" AS "amount", "base"."_rowid" AS "_rowid"
FROM (
  SELECT "amount", rowid AS "_rowid" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization
) AS "base"
WHERE ("base"."_rowid" > $p2)
LIMIT $limit
