select
    budgets.organization_id,
    budgets.budget_id,
    budgets.owner_id,
    budgets.name,
    budgets.level,
    budgets.type,
    budgets.currency,
    budgets.amount,
    budgets.starts_on,
    budgets.ends_on,
    budgets.is_archived,
    budgets.warning_threshold,
    budgets.critical_threshold,
    budgets.parent_id,
    budgets.root_id,
    paths.path,
    paths.depth
from {{ ref('stg_budgets') }} as budgets
inner join {{ ref('int_budget_paths') }} as paths
    on budgets.organization_id = paths.organization_id
    and budgets.budget_id = paths.budget_id
order by budgets.organization_id, budgets.owner_id, budgets.budget_id
