{# Code for all items, except those for which two variables are equal (self-connections whose ends move alike), that
   also adds up local values: to one total, or to that of its neuron. Synapses of one neuron mostly follow each other:
   while they do, a sum marked "in_register" stays in one, as memory would take longer than all the rest.
   An index of unknown size is false to the template, so that it asks whether there is none. #}
{# ITERATE_ALL { _idx } #}
{# USES_VARIABLES { N } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.pyx' %}

{% block maincode %}
    {% for sum in _sums if sum.in_register %}
    cdef long _at_{{sum.value}} = {{'0' if sum.index is none else '-1'}}
    cdef double _sum_{{sum.value}} = 0.0
    {% endfor %}

    # scalar code
    _vectorisation_idx = 1
    {{scalar_code|autoindent}}

    for _idx in range(N):
        {% if _unless_equal %}
        if {{get_array_name(_unless_equal[0])}}[_idx] == {{get_array_name(_unless_equal[1])}}[_idx]:
            continue
        {% endif %}
        # vector code
        _vectorisation_idx = _idx
        {{vector_code|autoindent}}
        {% for sum in _sums %}
        {% set _total = get_array_name(sum.total) %}
        {% if not sum.in_register %}
        {{_total}}[{{get_array_name(sum.index)}}[_idx]] += {{sum.value}}
        {% else %}
        {% if sum.index is not none %}
        if {{get_array_name(sum.index)}}[_idx] != _at_{{sum.value}}:
            if _at_{{sum.value}} >= 0:
                {{_total}}[_at_{{sum.value}}] = _sum_{{sum.value}}
            _at_{{sum.value}} = {{get_array_name(sum.index)}}[_idx]
            _sum_{{sum.value}} = {{_total}}[_at_{{sum.value}}]
        {% endif %}
        _sum_{{sum.value}} += {{sum.value}}
        {% endif %}
        {% endfor %}
    {% for sum in _sums if sum.in_register %}
    if _at_{{sum.value}} >= 0:
        {{get_array_name(sum.total)}}[_at_{{sum.value}}] = _sum_{{sum.value}}
    {% endfor %}

{% endblock %}
