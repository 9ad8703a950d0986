{#
    The strategies of incremental models: the rows of every changed unit are made anew, and so go
    first; a unit that has become empty leaves nothing. The extract says which units changed
    (backend/warehouse/incremental), and a model's `unique_key` names its columns of the unit. In a
    full refresh there is no table to go on from, and dbt makes it whole.
#}
{% macro get_incremental_changed_days_sql(arg_dict) %}
    {{ return(outlay.replace_units('days', ['organization_id', 'account_id', 'date'], arg_dict)) }}
{% endmacro %}

{% macro get_incremental_changed_accounts_sql(arg_dict) %}
    {{ return(outlay.replace_units('accounts', ['organization_id', 'account_id'], arg_dict)) }}
{% endmacro %}

{% macro replace_units(units, unit_columns, arg_dict) %}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    delete from {{ arg_dict['target_relation'] }} as stored
    using source.changed.{{ units }} as units
    where
        {% for column in unit_columns -%}
            stored.{{ arg_dict['unique_key'][loop.index0] }} = units.{{ column }}
            {{- ' and ' if not loop.last }}
        {% endfor %};

    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{% endmacro %}
