{# List values differ in every engine; these two are all that the models need of them. #}

{# The pairs (key, value) of a group, sorted; much faster here than an ordered aggregate. #}
{% macro sorted_pairs(key, value) -%}
    {{ return(adapter.dispatch('sorted_pairs', 'outlay')(key, value)) }}
{%- endmacro %}

{% macro duckdb__sorted_pairs(key, value) -%}
    list_sort(array_agg(struct_pack(key := {{ key }}, value := {{ value }})))
{%- endmacro %}

{# The `key` or the `value` of each pair, and an empty list where there are no pairs at all. #}
{% macro list_of(field, pairs, element_type) -%}
    {{ return(adapter.dispatch('list_of', 'outlay')(field, pairs, element_type)) }}
{%- endmacro %}

{% macro duckdb__list_of(field, pairs, element_type) -%}
    coalesce(
        list_transform({{ pairs }}, lambda pair: pair.{{ field }}),
        cast([] as {{ element_type }}[])
    )
{%- endmacro %}
