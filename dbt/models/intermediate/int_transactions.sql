{{ config(materialized='view') }}

-- What counts as spent and as income is decided here and nowhere else, and so is the rate into the
-- organization's own currency.
select
    transactions.organization_id,
    transactions.transaction_id,
    transactions.account_id,
    accounts.owner_id,
    transactions.booking_date,
    transactions.kind,
    transactions.status,
    transactions.amount,
    transactions.currency,
    organizations.base_currency,
    case
        when transactions.currency = organizations.base_currency then 1
        else conversions.rate
    end as base_rate,
    case
        when transactions.status not in ('paid', 'pending') then 0
        when transactions.kind = 'expense' then 1
        when transactions.kind = 'refund' then -1
        else 0
    end as spent_sign,
    case
        when transactions.status not in ('paid', 'pending') then 0
        when transactions.kind = 'income' then 1
        else 0
    end as income_sign,
    transactions.description,
    transactions.category_id,
    transactions.budget_id,
    transactions.vendor,
    transactions.invoice_number,
    transactions.payment_method,
    transactions.counter_account_id,
    transactions.external_id,
    transactions.created_at
from {{ ref('stg_transactions') }} as transactions
inner join {{ ref('stg_accounts') }} as accounts
    on transactions.organization_id = accounts.organization_id
    and transactions.account_id = accounts.account_id
inner join {{ ref('stg_organizations') }} as organizations
    on transactions.organization_id = organizations.organization_id
left join {{ ref('stg_fx_conversions') }} as conversions
    on transactions.organization_id = conversions.organization_id
    and transactions.currency = conversions.from_currency
    and organizations.base_currency = conversions.to_currency
    and transactions.booking_date = conversions.date
