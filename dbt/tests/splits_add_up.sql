{{ config(
    severity='warn',
    meta={
        'description': 'The splits of a transaction sum to its amount; the ledger keeps that.',
        'dagster': {'ref': {'name': 'int_ledger_lines'}},
    },
) }}

select
    splits.organization_id,
    splits.transaction_id,
    transactions.amount,
    sum(splits.amount) as split_amount
from {{ ref('stg_transaction_splits') }} as splits
inner join {{ ref('stg_transactions') }} as transactions
    on splits.organization_id = transactions.organization_id
    and splits.transaction_id = transactions.transaction_id
group by splits.organization_id, splits.transaction_id, transactions.amount
having sum(splits.amount) <> transactions.amount
