"""A metric of the semantic layer as one query, for the many readers who have no MetricFlow.

dbt parses and checks the definitions (dbt_project/models/marts/_semantic_models.yml) and writes them to `semantic_manifest.json`; it
computes nothing. Here a definition becomes plain SQL for both warehouses, so that the page of columns can print it, and tests can hold
every metric to the number that the book shows. What the project does not use (joins, windows, cumulative metrics) is refused, not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from vim_pipelines.core.errors import VimError

#: dbt's names of aggregations, as SQL.
AGGREGATIONS = {
    "sum": "sum({})",
    "average": "avg({})",
    "min": "min({})",
    "max": "max({})",
    "count": "count({})",
    "count_distinct": "count(distinct {})",
}
_DIMENSION = re.compile(r"\{\{\s*(?:Time)?Dimension\(\s*'(\w+)__(\w+)'\s*\)\s*\}\}")


@dataclass(frozen=True)
class Metric:
    """One metric: its name, what people call it, what it means, and the marts that it is computed from."""

    name: str
    label: str
    description: str
    marts: tuple[str, ...]


def metrics_of(manifest: Mapping[str, Any]) -> tuple[Metric, ...]:
    """Every metric of a semantic manifest, in the order of the file."""
    measured_in = {measure["name"]: model["node_relation"]["alias"] for model in manifest["semantic_models"] for measure in model["measures"]}
    return tuple(
        Metric(
            metric["name"],
            metric["label"] or metric["name"],
            metric["description"] or "",
            tuple(sorted({measured_in[measure["name"]] for measure in metric["type_params"]["input_measures"]})),
        )
        for metric in manifest["metrics"]
    )


def metric_sql(manifest: Mapping[str, Any], name: str, as_of: date | None = None) -> str:
    """A query of one row and one column, called `name`. VIM-E171 for a metric that is not there, or of a kind that is not read here.

    With `as_of`, of that night. Without it a nightly mart answers for its newest night, and what adds up over nights is added up.
    """
    return f"select {_expression(manifest, name, as_of, ())} as {name}"


def _expression(manifest: Mapping[str, Any], name: str, as_of: date | None, filters: Sequence[str]) -> str:
    metric = next((metric for metric in manifest["metrics"] if metric["name"] == name), None)
    if metric is None:
        raise VimError("VIM-E171", f"There is no metric {name}", fix="docs/reference/columns.md lists them")
    params, own = metric["type_params"], (*filters, *_filters(metric))
    if metric["type"] == "simple":
        if params["measure"]["filter"] or params["measure"]["fill_nulls_with"] is not None or params["measure"]["join_to_timespine"]:
            raise _refused(name, "its measure has a filter or a fill of its own")
        return _measure(manifest, params["measure"]["name"], as_of, own)
    if metric["type"] == "ratio":
        parts = [_expression(manifest, part["name"], as_of, (*own, *_filters(part))) for part in (params["numerator"], params["denominator"])]
        return f"cast({parts[0]} as double) / nullif({parts[1]}, 0)"
    if metric["type"] == "derived":
        if any(part["offset_window"] or part["offset_to_grain"] for part in params["metrics"]):
            raise _refused(name, "it looks back in time")
        inputs = ", ".join(
            f"{_expression(manifest, part['name'], as_of, (*own, *_filters(part)))} as {part['alias'] or part['name']}" for part in params["metrics"]
        )
        return f"(select {params['expr']} from (select {inputs}) as {name}_inputs)"
    raise _refused(name, f"it is of type {metric['type']}")


def _filters(part: Mapping[str, Any]) -> Iterator[str]:
    for condition in (part.get("filter") or {}).get("where_filters") or []:
        yield condition["where_sql_template"]


def _measure(manifest: Mapping[str, Any], name: str, as_of: date | None, filters: Sequence[str]) -> str:
    model, measure = next((model, measure) for model in manifest["semantic_models"] for measure in model["measures"] if measure["name"] == name)
    if measure["agg"] not in AGGREGATIONS:
        raise _refused(name, f"it aggregates by {measure['agg']}")
    relation = f"{model['node_relation']['schema_name']}.{model['node_relation']['alias']}"
    column_of = {dimension["name"]: dimension["expr"] or dimension["name"] for dimension in model["dimensions"]}
    entities = {model["primary_entity"], *(entity["name"] for entity in model["entities"] if entity["type"] == "primary")}

    def column(match: re.Match[str]) -> str:
        if match[1] not in entities or match[2] not in column_of:
            raise _refused(name, f"a filter names {match[1]}__{match[2]}, which is not in {relation}")
        return str(column_of[match[2]])

    conditions = [_DIMENSION.sub(column, template) for template in filters]
    nightly = measure["non_additive_dimension"]
    day = column_of[nightly["name"] if nightly else model["defaults"]["agg_time_dimension"]]
    if as_of is not None and day == "as_of_date":
        conditions.append(f"{day} = date '{as_of.isoformat()}'")
    elif nightly:
        conditions.append(f"{day} = (select {nightly['window_choice']}({day}) from {relation})")
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return f"(select {AGGREGATIONS[measure['agg']].format(measure['expr'] or name)} from {relation}{where})"


def _refused(name: str, why: str) -> VimError:
    return VimError(
        "VIM-E171", f"The metric {name} cannot be written as one query", why=why, fix="State it with sums, filters of its own mart, ratios and derived metrics"
    )
