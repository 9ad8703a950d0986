select
    organization_id,
    account_id,
    date as balance_date,
    balance
from {{ source('raw', 'balance_snapshots') }}
