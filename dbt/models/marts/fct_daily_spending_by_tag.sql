{{ config(
    materialized='incremental',
    incremental_strategy='changed_days',
    unique_key=['organization_id', 'account_id', 'spending_date'],
) }}

-- A line without a tag falls into the bucket of the untagged (tag_id null). The lines of one
-- transaction under one tag are one transaction there.
with tagged_transactions as (
    select
        lines.organization_id,
        lines.owner_id,
        lines.account_id,
        lines.booking_date,
        lines.transaction_id,
        lines.currency,
        lines.base_currency,
        line_tags.tag_id,
        sum(lines.spent) as spent,
        sum(lines.base_spent) as base_spent,
        count(lines.base_spent) = count(*) as is_converted
    from {{ ref('int_ledger_lines') }} as lines
    left join {{ ref('int_line_tags') }} as line_tags
        on lines.organization_id = line_tags.organization_id
        and lines.line_id = line_tags.line_id
    where lines.is_spending
    group by
        lines.organization_id,
        lines.owner_id,
        lines.account_id,
        lines.booking_date,
        lines.transaction_id,
        lines.currency,
        lines.base_currency,
        line_tags.tag_id
)

select
    organization_id,
    owner_id,
    account_id,
    booking_date as spending_date,
    tag_id,
    currency,
    cast(sum(spent) as {{ type_total() }}) as spent,
    cast(sum(base_spent) as {{ type_total() }}) as base_spent,
    base_currency,
    count(*) as transactions,
    count(*) - count(case when is_converted then 1 end) as unconverted
from tagged_transactions
group by organization_id, owner_id, account_id, booking_date, tag_id, currency, base_currency
order by organization_id, owner_id, spending_date, account_id, tag_id, currency
