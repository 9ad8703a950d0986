select
    lines.organization_id,
    lines.line_id as cost_event_id,
    'expense' as source,
    lines.transaction_id,
    lines.owner_id,
    lines.account_id,
    lines.booking_date as cost_date,
    lines.category_id,
    attributions.budget_id,
    lines.vendor,
    cast(lines.spent as {{ type_cost() }}) as amount,
    lines.currency,
    cast(lines.base_spent as {{ type_cost() }}) as base_amount,
    lines.base_currency,
    lines.description
from {{ ref('int_ledger_lines') }} as lines
left join {{ ref('stg_budget_attributions') }} as attributions
    on lines.organization_id = attributions.organization_id
    and lines.line_id = attributions.line_id
    and attributions.rule = 'explicit'
where lines.is_spending
order by lines.organization_id, lines.owner_id, lines.booking_date, lines.line_id
