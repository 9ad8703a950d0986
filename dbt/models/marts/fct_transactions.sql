{{ config(
    materialized='incremental',
    incremental_strategy='changed_days',
    unique_key=['organization_id', 'account_id', 'booking_date'],
) }}

-- A split transaction is converted line by line, so that its lines add up to it.
with split_totals as (
    select
        organization_id,
        transaction_id,
        case
            when count(base_amount) = count(*)
                then {{ try_cast('sum(base_amount)', type_amount()) }}
        end as base_amount
    from {{ ref('int_ledger_lines') }}
    where is_split
    group by organization_id, transaction_id
),

converted_transactions as (
    select
        transactions.*,
        split_totals.transaction_id is not null as is_split,
        case
            when split_totals.transaction_id is not null then split_totals.base_amount
            else {{ converted('transactions.amount', 'transactions.base_rate') }}
        end as base_amount
    from {{ ref('int_transactions') }} as transactions
    left join split_totals
        on transactions.organization_id = split_totals.organization_id
        and transactions.transaction_id = split_totals.transaction_id
),

transaction_tags as (
    select distinct
        organization_id,
        transaction_id,
        tag_id
    from {{ ref('int_line_tags') }}
),

tag_lists as (
    select
        transaction_tags.organization_id,
        transaction_tags.transaction_id,
        {{ sorted_pairs('tags.name', 'tags.tag_id') }} as pairs
    from transaction_tags
    inner join {{ ref('stg_tags') }} as tags
        on transaction_tags.organization_id = tags.organization_id
        and transaction_tags.tag_id = tags.tag_id
    group by transaction_tags.organization_id, transaction_tags.transaction_id
)

select
    transactions.organization_id,
    transactions.transaction_id,
    transactions.account_id,
    transactions.owner_id,
    transactions.booking_date,
    transactions.kind,
    transactions.status,
    transactions.description,
    transactions.amount,
    transactions.currency,
    transactions.base_amount,
    transactions.base_currency,
    cast(transactions.spent_sign * transactions.amount as {{ type_amount() }}) as spent,
    cast(transactions.spent_sign * transactions.base_amount as {{ type_amount() }}) as base_spent,
    cast(transactions.income_sign * transactions.amount as {{ type_amount() }}) as income,
    cast(transactions.income_sign * transactions.base_amount as {{ type_amount() }}) as base_income,
    transactions.category_id,
    transactions.budget_id,
    transactions.vendor,
    transactions.invoice_number,
    transactions.payment_method,
    transactions.counter_account_id,
    transactions.external_id,
    {{ list_of('value', 'tag_lists.pairs', 'uuid') }} as tag_ids,
    {{ list_of('key', 'tag_lists.pairs', 'varchar') }} as tag_names,
    transactions.is_split,
    transactions.created_at
from converted_transactions as transactions
left join tag_lists
    on transactions.organization_id = tag_lists.organization_id
    and transactions.transaction_id = tag_lists.transaction_id
order by
    transactions.organization_id,
    transactions.owner_id,
    transactions.booking_date,
    transactions.transaction_id
