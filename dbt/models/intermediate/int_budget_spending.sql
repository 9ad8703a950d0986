{{ config(
    materialized='incremental',
    incremental_strategy='changed_days',
    unique_key=['organization_id', 'account_id', 'booking_date'],
) }}

-- What the lines of an account's day add to their own budgets (distance 0) and to every budget
-- above them, in the currency of the budget that they are added to. A cloud cost counts with all
-- others of its service on the same account and day, rounded once to the ledger's decimals, as the
-- view `budget_lines` has it.
with cloud_lines as (
    select
        attributions.organization_id,
        attributions.budget_id,
        costs.account_id,
        costs.cost_date as booking_date,
        1 as spent_sign,
        {{ try_cast('round(sum(costs.effective_cost), 4)', type_amount()) }} as amount,
        costs.billing_currency as currency
    from {{ ref('stg_budget_attributions') }} as attributions
    inner join {{ ref('stg_cloud_costs') }} as costs
        on attributions.organization_id = costs.organization_id
        and attributions.line_id = costs.cloud_cost_id
    group by
        attributions.organization_id,
        attributions.budget_id,
        costs.account_id,
        costs.cost_date,
        costs.provider,
        costs.service_name,
        costs.billing_currency
),

counted_lines as (
    select
        attributions.organization_id,
        attributions.budget_id,
        lines.account_id,
        lines.booking_date,
        lines.spent_sign,
        lines.amount,
        lines.currency
    from {{ ref('stg_budget_attributions') }} as attributions
    inner join {{ ref('int_ledger_lines') }} as lines
        on attributions.organization_id = lines.organization_id
        and attributions.line_id = lines.line_id
    where lines.is_spending

    union all

    select
        organization_id,
        budget_id,
        account_id,
        booking_date,
        spent_sign,
        amount,
        currency
    from cloud_lines
),

attributed_lines as (
    select
        lines.organization_id,
        lines.account_id,
        lines.booking_date,
        lines.spent_sign,
        lines.amount,
        lines.currency,
        ancestors.ancestor_id as budget_id,
        ancestors.distance,
        budgets.currency as budget_currency
    from counted_lines as lines
    inner join {{ ref('int_budget_ancestors') }} as ancestors
        on lines.organization_id = ancestors.organization_id
        and lines.budget_id = ancestors.budget_id
    inner join {{ ref('stg_budgets') }} as budgets
        on ancestors.organization_id = budgets.organization_id
        and ancestors.ancestor_id = budgets.budget_id
),

rated_lines as (
    select
        lines.*,
        case when lines.currency = lines.budget_currency then 1 else conversions.rate end as rate
    from attributed_lines as lines
    left join {{ ref('stg_fx_conversions') }} as conversions
        on lines.organization_id = conversions.organization_id
        and lines.currency = conversions.from_currency
        and lines.budget_currency = conversions.to_currency
        and lines.booking_date = conversions.date
),

converted_lines as (
    select
        organization_id,
        budget_id,
        account_id,
        booking_date,
        distance,
        spent_sign * {{ converted('amount', 'rate') }} as spent
    from rated_lines
)

select
    organization_id,
    budget_id,
    account_id,
    booking_date,
    cast(coalesce(sum(case when distance = 0 then spent end), 0) as {{ type_total() }})
        as own_spent,
    cast(coalesce(sum(spent), 0) as {{ type_total() }}) as subtree_spent,
    count(*) - count(spent) as unconverted
from converted_lines
group by organization_id, budget_id, account_id, booking_date
