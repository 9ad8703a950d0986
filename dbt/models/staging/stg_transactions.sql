select
    organization_id,
    id as transaction_id,
    account_id,
    counter_account_id,
    kind,
    status,
    date as booking_date,
    amount,
    currency,
    description,
    category_id,
    budget_id,
    vendor,
    invoice_number,
    payment_method,
    external_id,
    created_at
from {{ source('raw', 'transactions') }}
