{# `relationships` within an organization: what is named is there, and is not a neighbour's. #}
{% test belongs_to(model, column_name, to, field) %}
select child.organization_id, child.{{ column_name }}
from {{ model }} as child
left join {{ to }} as parent
    on child.organization_id = parent.organization_id
    and child.{{ column_name }} = parent.{{ field }}
where child.{{ column_name }} is not null and parent.{{ field }} is null
{% endtest %}
