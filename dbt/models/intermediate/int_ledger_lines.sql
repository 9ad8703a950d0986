-- A line is a split, or the transaction itself when it has none.
with lines as (
    select
        transactions.organization_id,
        transactions.transaction_id,
        transactions.account_id,
        transactions.owner_id,
        transactions.booking_date,
        transactions.vendor,
        transactions.currency,
        transactions.base_currency,
        transactions.base_rate,
        transactions.spent_sign,
        splits.tag_id,
        splits.split_id is not null as is_split,
        coalesce(splits.split_id, transactions.transaction_id) as line_id,
        coalesce(splits.amount, transactions.amount) as amount,
        coalesce(splits.category_id, transactions.category_id) as category_id,
        coalesce(splits.description, transactions.description) as description
    from {{ ref('int_transactions') }} as transactions
    left join {{ ref('stg_transaction_splits') }} as splits
        on transactions.organization_id = splits.organization_id
        and transactions.transaction_id = splits.transaction_id
),

converted_lines as (
    select
        lines.*,
        {{ converted('lines.amount', 'lines.base_rate') }} as base_amount
    from lines
)

select
    organization_id,
    line_id,
    transaction_id,
    account_id,
    owner_id,
    booking_date,
    amount,
    currency,
    base_amount,
    base_currency,
    spent_sign,
    spent_sign <> 0 as is_spending,
    cast(spent_sign * amount as {{ type_amount() }}) as spent,
    cast(spent_sign * base_amount as {{ type_amount() }}) as base_spent,
    is_split,
    category_id,
    tag_id,
    vendor,
    description
from converted_lines
