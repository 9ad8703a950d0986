{{ config(
    meta={
        'description': 'A mart that is stored by date as well has the same rows there.',
        'dagster': {'ref': {'name': 'fct_cost_events_by_date'}},
    },
) }}

with stored as (
    select
        organization_id,
        count(*) as events,
        sum(amount) as amount,
        max(cost_event_id) as last_event
    from {{ ref('fct_cost_events') }}
    group by organization_id
),

copied as (
    select
        organization_id,
        count(*) as events,
        sum(amount) as amount,
        max(cost_event_id) as last_event
    from {{ ref('fct_cost_events_by_date') }}
    group by organization_id
)

select * from stored
except
select * from copied
