-- $limit, $offset, $organization
SELECT "base"."organization_id" AS "organization_id", "base"."transaction_id" AS "transaction_id", "base"."account_id" AS "account_id", "base"."owner_id" AS "owner_id", "base"."booking_date" AS "booking_date", "base"."vendor" AS "vendor", "base"."amount" AS "amount", "base"."currency" AS "currency", "base"."tag_ids" AS "tag_ids", "base"."budget_id" AS "budget_id", "base"."created_at" AS "created_at"
FROM (
  SELECT "organization_id", "transaction_id", "account_id", "owner_id", "booking_date", "vendor", "amount", "currency", "tag_ids", "budget_id", "created_at", rowid AS "_rowid" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND false
) AS "base"
ORDER BY "base"."_rowid"
LIMIT $limit OFFSET $offset
