-- $organization
SELECT "base"."organization_id" AS "organization_id", "base"."tag_id" AS "tag_id", "base"."name" AS "name", "base"."colour" AS "colour"
FROM (
  SELECT "organization_id", "tag_id", "name", "colour" FROM "marts"."dim_tags" WHERE "organization_id" = $organization
) AS "base"
