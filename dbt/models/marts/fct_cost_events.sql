{{ config(
    materialized='incremental',
    incremental_strategy='changed_days',
    unique_key=['organization_id', 'account_id', 'cost_date'],
) }}

with events as (
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
        null as service_name,
        null as region,
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

    union all

    select
        organization_id,
        cloud_cost_id as cost_event_id,
        'cloud' as source,
        null as transaction_id,
        owner_id,
        account_id,
        cost_date,
        null as category_id,
        null as budget_id,
        provider as vendor,
        service_name,
        region,
        amount,
        currency,
        base_amount,
        base_currency,
        description
    from {{ ref('int_cloud_costs') }}
)

select
    organization_id,
    cost_event_id,
    source,
    transaction_id,
    owner_id,
    account_id,
    cost_date,
    category_id,
    budget_id,
    vendor,
    cast(service_name as varchar) as service_name,
    cast(region as varchar) as region,
    amount,
    currency,
    base_amount,
    base_currency,
    description
from events
order by organization_id, owner_id, cost_date, cost_event_id
