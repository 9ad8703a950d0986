-- $limit, $offset, $organization
SELECT "currency", sum("_amount") AS "total"
FROM (
SELECT "base"."currency" AS "currency", "base"."amount" AS "_amount"
FROM (
  SELECT "currency", "amount" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization
) AS "base"
)
GROUP BY "currency"
ORDER BY "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
