with period_days as (
    select
        periods.organization_id,
        periods.budget_id,
        budgets.owner_id,
        budgets.currency,
        periods.starts_on as period_starts_on,
        periods.ends_on as period_ends_on,
        periods.amount as allocated,
        days.date as budget_date
    from {{ ref('stg_budget_periods') }} as periods
    inner join {{ ref('stg_budgets') }} as budgets
        on periods.organization_id = budgets.organization_id
        and periods.budget_id = budgets.budget_id
    inner join {{ ref('stg_organizations') }} as organizations
        on periods.organization_id = organizations.organization_id
    inner join {{ ref('int_days') }} as days
        on periods.starts_on <= days.date
        and least(periods.ends_on, organizations.snapshot_date) >= days.date
),

-- The lines of all accounts on a day.
spending as (
    select
        organization_id,
        budget_id,
        booking_date,
        sum(own_spent) as own_spent,
        sum(subtree_spent) as subtree_spent,
        sum(unconverted) as unconverted
    from {{ ref('int_budget_spending') }}
    group by organization_id, budget_id, booking_date
),

daily as (
    select
        period_days.*,
        coalesce(spending.own_spent, 0) as own_spent,
        coalesce(spending.subtree_spent, 0) as subtree_spent,
        coalesce(spending.unconverted, 0) as unconverted
    from period_days
    left join spending
        on period_days.organization_id = spending.organization_id
        and period_days.budget_id = spending.budget_id
        and period_days.budget_date = spending.booking_date
),

running as (
    select
        daily.*,
        sum(daily.own_spent) over period_to_date as own_spent_to_date,
        sum(daily.subtree_spent) over period_to_date as subtree_spent_to_date,
        sum(daily.unconverted) over period_to_date as unconverted_to_date
    from daily
    window period_to_date as (
        partition by organization_id, budget_id, period_starts_on
        order by budget_date
        rows between unbounded preceding and current row
    )
)

select
    organization_id,
    budget_id,
    owner_id,
    budget_date,
    period_starts_on,
    period_ends_on,
    currency,
    allocated,
    cast(own_spent as {{ type_total() }}) as own_spent,
    cast(subtree_spent as {{ type_total() }}) as subtree_spent,
    cast(own_spent_to_date as {{ type_total() }}) as own_spent_to_date,
    cast(subtree_spent_to_date as {{ type_total() }}) as subtree_spent_to_date,
    cast(allocated - subtree_spent_to_date as {{ type_total() }}) as remaining,
    cast(unconverted as bigint) as unconverted,
    cast(unconverted_to_date as bigint) as unconverted_to_date
from running
order by organization_id, owner_id, budget_date, budget_id, period_starts_on
