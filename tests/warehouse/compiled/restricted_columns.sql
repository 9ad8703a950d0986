-- $limit, $me, $offset, $organization, $shared_budgets
SELECT "base"."name" AS "name", "base"."path" AS "path", "base"."parent_id" AS "parent_id"
FROM (
  SELECT "name", CAST(NULL AS VARCHAR) AS "path", CAST(NULL AS UUID) AS "parent_id", rowid AS "_rowid" FROM "marts"."dim_budgets" WHERE "organization_id" = $organization AND "owner_id" = $me
UNION ALL
  SELECT "name", CAST(NULL AS VARCHAR) AS "path", CAST(NULL AS UUID) AS "parent_id", rowid AS "_rowid" FROM "marts"."dim_budgets" WHERE "organization_id" = $organization AND "budget_id" = ANY($shared_budgets) AND "owner_id" IS DISTINCT FROM $me
) AS "base"
ORDER BY "base"."_rowid"
LIMIT $limit OFFSET $offset
