{{ config(
    alias='fct_cost_events',
    materialized='incremental',
    incremental_strategy='changed_days',
    unique_key=['organization_id', 'account_id', 'cost_date'],
) }}

-- The very columns of the mart.
select events.*  -- noqa: AM04
from {{ ref('fct_cost_events') }} as events
{% if is_incremental() %}
    semi join source.changed.days as days
        on events.organization_id = days.organization_id
        and events.account_id = days.account_id
        and events.cost_date = days.date
{% endif %}
order by events.organization_id, events.cost_date, events.cost_event_id
