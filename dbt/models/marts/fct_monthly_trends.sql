with months as (
    select
        organization_id,
        owner_id,
        account_id,
        cast({{ dbt.date_trunc('month', 'booking_date') }} as date) as month,
        currency,
        base_currency,
        sum(income) as income,
        sum(spent) as spending,
        sum(base_income) as base_income,
        sum(base_spent) as base_spending,
        count(*) - count(base_amount) as unconverted
    from {{ ref('fct_transactions') }}
    where spent <> 0 or income <> 0
    group by
        organization_id,
        owner_id,
        account_id,
        {{ dbt.date_trunc('month', 'booking_date') }},
        currency,
        base_currency
)

select
    organization_id,
    owner_id,
    account_id,
    month,
    currency,
    cast(income as {{ type_total() }}) as income,
    cast(spending as {{ type_total() }}) as spending,
    cast(income - spending as {{ type_total() }}) as net,
    {{ try_cast('round((income - spending) / nullif(income, 0), 6)', 'decimal(18, 6)') }}
        as savings_rate,
    cast(base_income as {{ type_total() }}) as base_income,
    cast(base_spending as {{ type_total() }}) as base_spending,
    cast(base_income - base_spending as {{ type_total() }}) as base_net,
    base_currency,
    unconverted
from months
order by organization_id, owner_id, month, account_id, currency
