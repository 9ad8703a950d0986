-- $earlier_from, $earlier_until, $from, $limit, $offset, $organization, $until
SELECT "booking_date_week", "events", "events_previous", ("events" - "events_previous") AS "events_delta", CAST(CAST(sign(CAST(("events" - "events_previous") AS HUGEINT) * 1000000) * sign(CAST(abs("events_previous") AS HUGEINT)) * ((2 * abs(CAST(("events" - "events_previous") AS HUGEINT) * 1000000) + abs(CAST(abs("events_previous") AS HUGEINT))) // nullif(2 * abs(CAST(abs("events_previous") AS HUGEINT)), 0)) AS DECIMAL(38,0)) * CAST('0.000001' AS DECIMAL(7,6)) AS DECIMAL(38,6)) AS "events_change"
FROM (
SELECT "booking_date_week", CASE WHEN "_rows" > 0 THEN "events" ELSE 0 END AS "events", CASE WHEN "_rows_previous" > 0 THEN "events_previous" ELSE 0 END AS "events_previous"
FROM (
SELECT "booking_date_week", count(*) FILTER (WHERE NOT "__earlier") AS "events", count(*) FILTER (WHERE NOT "__earlier") AS "_rows", count(*) FILTER (WHERE "__earlier") AS "events_previous", count(*) FILTER (WHERE "__earlier") AS "_rows_previous"
FROM (
SELECT CAST(date_trunc('week', "base"."booking_date") AS DATE) AS "booking_date_week", "base"."_earlier" AS "__earlier"
FROM (
  SELECT "booking_date", false AS "_earlier" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "booking_date" BETWEEN $from AND $until
UNION ALL
  SELECT CAST(least(greatest("booking_date" + 364, $from), $until) AS DATE) AS "booking_date", true AS "_earlier" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "booking_date" BETWEEN $earlier_from AND $earlier_until
) AS "base"
)
GROUP BY "booking_date_week"
)
)
ORDER BY "booking_date_week" ASC NULLS LAST
LIMIT $limit OFFSET $offset
