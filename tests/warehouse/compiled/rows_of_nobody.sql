-- $limit, $offset
SELECT "base"."date" AS "date"
FROM (
  SELECT "date" FROM "marts"."dim_date" WHERE true
) AS "base"
LIMIT $limit OFFSET $offset
