select
    id as organization_id,
    name,
    base_currency,
    snapshot_date
from {{ source('raw', 'organizations') }}
