-- $limit, $me, $offset, $organization, $p1, $p2, $p3, $p4, $p5, $p6, $p7
SELECT "base"."amount" AS "amount"
FROM (
  SELECT "amount" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "owner_id" = $me AND (starts_with(lower("vendor"), lower($p1)) OR ("amount" > CAST($p2 AS DECIMAL(38,12)) AND "currency" = $p3)) AND "booking_date" BETWEEN $p4 AND $p5 AND ("created_at" >= $p6 AND "created_at" < $p7)
) AS "base"
LIMIT $limit OFFSET $offset
