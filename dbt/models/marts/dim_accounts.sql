select
    accounts.organization_id,
    accounts.account_id,
    accounts.owner_id,
    accounts.name,
    accounts.type,
    accounts.currency,
    accounts.status,
    accounts.credit_limit,
    institutions.institution_id,
    institutions.name as institution_name,
    accounts.connection_id,
    connections.provider as connection_provider,
    connections.status as connection_status
from {{ ref('stg_accounts') }} as accounts
left join {{ ref('stg_connections') }} as connections
    on accounts.organization_id = connections.organization_id
    and accounts.connection_id = connections.connection_id
left join {{ ref('stg_institutions') }} as institutions
    on accounts.organization_id = institutions.organization_id
    and coalesce(accounts.institution_id, connections.institution_id) = institutions.institution_id
order by accounts.organization_id, accounts.owner_id, accounts.account_id
