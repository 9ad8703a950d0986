-- $from, $limit, $offset, $organization, $periods, $until
SELECT "booking_date", CASE WHEN "_rows" > 0 THEN "events" ELSE 0 END AS "events"
FROM (
WITH "groups" AS (
SELECT "booking_date", count(*) AS "events", count(*) AS "_rows"
FROM (
SELECT "base"."booking_date" AS "booking_date"
FROM (
  SELECT "booking_date" FROM "marts"."fct_transactions" WHERE "organization_id" = $organization AND "booking_date" BETWEEN $from AND $until
) AS "base"
)
GROUP BY "booking_date"
)
SELECT p."period" AS "booking_date", g."events", g."_rows"
FROM (SELECT true) AS s
CROSS JOIN (SELECT unnest(CAST($periods AS DATE[])) AS "period") AS p
LEFT JOIN "groups" AS g ON g."booking_date" = p."period"
)
ORDER BY "booking_date" ASC NULLS LAST
LIMIT $limit OFFSET $offset
