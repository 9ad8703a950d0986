select
    organization_id,
    from_currency,
    to_currency,
    date,
    rate
from {{ source('raw', 'fx_conversions') }}
