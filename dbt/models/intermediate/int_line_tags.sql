-- A split with a tag of its own counts under that tag, any other line under its transaction's tags.
select
    organization_id,
    transaction_id,
    line_id,
    tag_id
from {{ ref('int_ledger_lines') }}
where tag_id is not null

union all

select
    lines.organization_id,
    lines.transaction_id,
    lines.line_id,
    tags.tag_id
from {{ ref('int_ledger_lines') }} as lines
inner join {{ ref('stg_transaction_tags') }} as tags
    on lines.organization_id = tags.organization_id
    and lines.transaction_id = tags.transaction_id
where lines.tag_id is null
