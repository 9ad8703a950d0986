with recursive ancestors as (
    select
        organization_id,
        budget_id,
        budget_id as ancestor_id,
        0 as distance
    from {{ ref('stg_budgets') }}

    union all

    select
        ancestors.organization_id,
        ancestors.budget_id,
        parents.parent_id as ancestor_id,
        ancestors.distance + 1 as distance
    from ancestors
    inner join {{ ref('stg_budgets') }} as parents
        on ancestors.organization_id = parents.organization_id
        and ancestors.ancestor_id = parents.budget_id
    where parents.parent_id is not null
)

select
    organization_id,
    budget_id,
    ancestor_id,
    distance
from ancestors
