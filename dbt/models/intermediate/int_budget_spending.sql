-- What each line adds to its own budget (distance 0) and to every budget above it, in the currency
-- of the budget that it is added to.
with attributed_lines as (
    select
        lines.organization_id,
        lines.booking_date,
        lines.spent_sign,
        lines.amount,
        lines.currency,
        ancestors.ancestor_id as budget_id,
        ancestors.distance,
        budgets.currency as budget_currency
    from {{ ref('stg_budget_attributions') }} as attributions
    inner join {{ ref('int_ledger_lines') }} as lines
        on attributions.organization_id = lines.organization_id
        and attributions.line_id = lines.line_id
    inner join {{ ref('int_budget_ancestors') }} as ancestors
        on attributions.organization_id = ancestors.organization_id
        and attributions.budget_id = ancestors.budget_id
    inner join {{ ref('stg_budgets') }} as budgets
        on ancestors.organization_id = budgets.organization_id
        and ancestors.ancestor_id = budgets.budget_id
    where lines.is_spending
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
        booking_date,
        distance,
        spent_sign * {{ converted('amount', 'rate') }} as spent
    from rated_lines
)

select
    organization_id,
    budget_id,
    booking_date,
    cast(coalesce(sum(case when distance = 0 then spent end), 0) as {{ type_total() }})
        as own_spent,
    cast(coalesce(sum(spent), 0) as {{ type_total() }}) as subtree_spent,
    count(*) - count(spent) as unconverted
from converted_lines
group by organization_id, budget_id, booking_date
