-- $limit, $offset, $organization, $p1, $p2
SELECT "currency", sum("_amount") AS "total"
FROM (
SELECT "base"."currency" AS "currency", "base"."amount" AS "_amount"
FROM (
  SELECT "currency", "amount" FROM "marts_by_date"."fct_transactions" WHERE "organization_id" = $organization AND "booking_date" BETWEEN $p1 AND $p2
) AS "base"
)
GROUP BY "currency"
ORDER BY "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
