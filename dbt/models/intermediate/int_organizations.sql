-- Kept with the marts, so that the next refresh sees what has changed.
select
    organization_id,
    base_currency,
    snapshot_date
from {{ ref('stg_organizations') }}
order by organization_id
