-- $limit, $me, $offset, $organization, $shared_accounts
SELECT "booking_date_month", "account.name", "currency", sum("_amount") AS "total", count(*) AS "events", count(DISTINCT "_vendor") AS "vendors", max("_amount") AS "largest"
FROM (
SELECT CAST(date_trunc('month', "base"."booking_date") AS DATE) AS "booking_date_month", "account"."name" AS "account.name", "base"."currency" AS "currency", "base"."amount" AS "_amount", "base"."vendor" AS "_vendor"
FROM (
  SELECT "booking_date", "account_id", "currency", "amount", "vendor" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "owner_id" = $me
UNION ALL
  SELECT "booking_date", "account_id", "currency", "amount", "vendor" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "account_id" = ANY($shared_accounts) AND "owner_id" IS DISTINCT FROM $me AND "owner_id" IN (SELECT "owner_id" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization AND "account_id" = ANY($shared_accounts))
) AS "base"
LEFT JOIN (
  SELECT "account_id", "name" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization AND "owner_id" = $me
UNION ALL
  SELECT "account_id", "name" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization AND "account_id" = ANY($shared_accounts) AND "owner_id" IS DISTINCT FROM $me
) AS "account" ON "account"."account_id" = "base"."account_id"
)
GROUP BY "booking_date_month", "account.name", "currency"
ORDER BY "total" DESC NULLS LAST, "booking_date_month" ASC NULLS LAST, "account.name" ASC NULLS LAST, "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
