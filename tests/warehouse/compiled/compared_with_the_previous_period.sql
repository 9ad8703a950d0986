-- $earlier_from, $earlier_until, $from, $limit, $me, $offset, $organization, $shared_accounts, $until
SELECT "booking_date_month", "vendor", "currency", "total", "total_previous", ("total" - "total_previous") AS "total_delta", CAST(CAST(sign(CAST(("total" - "total_previous") * 10000 AS HUGEINT) * 1000000) * sign(CAST(abs("total_previous") * 10000 AS HUGEINT)) * ((2 * abs(CAST(("total" - "total_previous") * 10000 AS HUGEINT) * 1000000) + abs(CAST(abs("total_previous") * 10000 AS HUGEINT))) // nullif(2 * abs(CAST(abs("total_previous") * 10000 AS HUGEINT)), 0)) AS DECIMAL(38,0)) * CAST('0.000001' AS DECIMAL(7,6)) AS DECIMAL(38,6)) AS "total_change", "events", "events_previous", ("events" - "events_previous") AS "events_delta", CAST(CAST(sign(CAST(("events" - "events_previous") AS HUGEINT) * 1000000) * sign(CAST(abs("events_previous") AS HUGEINT)) * ((2 * abs(CAST(("events" - "events_previous") AS HUGEINT) * 1000000) + abs(CAST(abs("events_previous") AS HUGEINT))) // nullif(2 * abs(CAST(abs("events_previous") AS HUGEINT)), 0)) AS DECIMAL(38,0)) * CAST('0.000001' AS DECIMAL(7,6)) AS DECIMAL(38,6)) AS "events_change"
FROM (
SELECT "booking_date_month", "vendor", "currency", CASE WHEN "_rows" > 0 THEN "total" ELSE 0 END AS "total", CASE WHEN "_rows" > 0 THEN "events" ELSE 0 END AS "events", CASE WHEN "_rows_previous" > 0 THEN "total_previous" ELSE 0 END AS "total_previous", CASE WHEN "_rows_previous" > 0 THEN "events_previous" ELSE 0 END AS "events_previous"
FROM (
SELECT "booking_date_month", "vendor", "currency", sum("_amount") FILTER (WHERE NOT "__earlier") AS "total", count(*) FILTER (WHERE NOT "__earlier") AS "events", count(*) FILTER (WHERE NOT "__earlier") AS "_rows", sum("_amount") FILTER (WHERE "__earlier") AS "total_previous", count(*) FILTER (WHERE "__earlier") AS "events_previous", count(*) FILTER (WHERE "__earlier") AS "_rows_previous"
FROM (
SELECT CAST(date_trunc('month', "base"."booking_date") AS DATE) AS "booking_date_month", "base"."vendor" AS "vendor", "base"."currency" AS "currency", "base"."amount" AS "_amount", "base"."_earlier" AS "__earlier"
FROM (
  SELECT "booking_date", "vendor", "currency", "amount", false AS "_earlier" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "owner_id" = $me AND "booking_date" BETWEEN $from AND $until
UNION ALL
  SELECT "booking_date", "vendor", "currency", "amount", false AS "_earlier" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "account_id" = ANY($shared_accounts) AND "owner_id" IS DISTINCT FROM $me AND "owner_id" IN (SELECT "owner_id" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization AND "account_id" = ANY($shared_accounts)) AND "booking_date" BETWEEN $from AND $until
UNION ALL
  SELECT CAST(least(greatest("booking_date" + to_months(3), $from), $until) AS DATE) AS "booking_date", "vendor", "currency", "amount", true AS "_earlier" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "owner_id" = $me AND "booking_date" BETWEEN $earlier_from AND $earlier_until
UNION ALL
  SELECT CAST(least(greatest("booking_date" + to_months(3), $from), $until) AS DATE) AS "booking_date", "vendor", "currency", "amount", true AS "_earlier" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "account_id" = ANY($shared_accounts) AND "owner_id" IS DISTINCT FROM $me AND "owner_id" IN (SELECT "owner_id" FROM "marts"."dim_accounts" WHERE "organization_id" = $organization AND "account_id" = ANY($shared_accounts)) AND "booking_date" BETWEEN $earlier_from AND $earlier_until
) AS "base"
)
GROUP BY "booking_date_month", "vendor", "currency"
)
)
ORDER BY "booking_date_month" ASC NULLS LAST, "vendor" ASC NULLS LAST, "currency" ASC NULLS LAST
LIMIT $limit OFFSET $offset
