"""The semantic layer: dbt takes it, and each metric is the number that the book shows. Two definitions of one number would part within a month."""

from __future__ import annotations

import copy
from datetime import timedelta
from pathlib import Path

import pytest
from small_marts import NIGHT, NIGHTS

from vim_pipelines.core.errors import VimError
from vim_pipelines.reporting.figures import FIGURES, read_figures
from vim_pipelines.transform.metrics import metric_sql, metrics_of

#: What METRICS of the portfolio must be there, by the issue and by the book.
ASKED_FOR = {
    "arr_at_risk", "unused_value_annual", "waste_annual", "utilisation", "accounts_red", "gross_retention", "net_retention", "approval_lag_minutes",
    "cost_per_approved_draft_usd", "plans_waiting", "alerts_open",
}  # fmt: skip


def value(warehouse, semantics, name, as_of=None):
    with warehouse.session(read_only=True) as session:
        return session.scalar(metric_sql(semantics, name, as_of))


def close(one, other) -> bool:
    return (one is None and other is None) or (one is not None and other is not None and float(one) == pytest.approx(float(other), rel=1e-9, abs=1e-12))


@pytest.fixture(scope="module")
def semantics(manifests):
    return manifests[1]


def test_dbt_takes_the_definitions_and_the_time_spine(manifests) -> None:
    """dbt validates them when it parses; an unknown measure or dimension stops it, so that the manifest is there at all says that they hold together."""
    manifest, semantics = manifests
    assert {metric.name for metric in metrics_of(semantics)} >= ASKED_FOR
    assert len(manifest["metrics"]) == len(semantics["metrics"]) >= 30
    [spine] = semantics["project_configuration"]["time_spines"]
    assert (spine["node_relation"]["alias"], spine["primary_column"]["name"]) == ("dim_dates", "date_day")


def test_dbt_refuses_a_metric_over_a_measure_that_is_not_there(tmp_path) -> None:
    """Otherwise the test above could not fail."""
    import shutil

    from vim_pipelines.settings import Settings
    from vim_pipelines.transform import project
    from vim_pipelines.warehouse import open_warehouse

    root = tmp_path / "dbt_project"
    (root / "models").mkdir(parents=True)
    shutil.copytree(project.project_dir() / "macros", root / "macros")
    (root / "dbt_project.yml").write_text("name: value_in_motion\nversion: '1'\nconfig-version: 2\nprofile: value_in_motion\n")
    (root / "models" / "wrong.yml").write_text("metrics:\n  - name: x\n    label: X\n    type: simple\n    type_params:\n      measure: nowhere\n")
    settings = Settings(home=tmp_path / "home", warehouse="duckdb")
    project.write_profile(settings, open_warehouse(settings))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(VimError, match="VIM-E023"):
        patch.setattr(project, "project_dir", lambda: root)
        project.ensure_manifest(settings)


@pytest.mark.parametrize("night", NIGHTS, ids=str)
def test_every_figure_of_the_book_is_a_metric_and_equal(semantics, small_marts, night) -> None:
    with small_marts.session(read_only=True) as session:
        figures = read_figures(session, night)
    # A night without drafts has no rows to add up: nothing counted, and 0 in the book. An amount that is not known is None in both.
    shown = {figure.id: (figure.value or 0) if figure.kind == "count" else figure.value for figure in figures.figures}
    kinds = {figure.id: figure.kind for figure in figures.figures}
    assert set(shown) == {figure[0] for figure in FIGURES} and set(shown) <= {metric.name for metric in metrics_of(semantics)}, "a figure without a metric"
    computed = {name: value(small_marts, semantics, name, night) for name in shown}
    computed = {name: (amount or 0) if kinds[name] == "count" else amount for name, amount in computed.items()}
    assert {name: (computed[name], shown[name]) for name in shown if not close(computed[name], shown[name])} == {}
    assert night != NIGHT or all(computed[name] for name in ("arr_at_risk", "opt_out_value", "waste_annual", "drafts", "accounts_red", "cost_usd")), (
        "compared with something"
    )


def test_metrics_equal_the_nightly_mart_and_the_retention_mart(semantics, small_marts) -> None:
    """`fct_portfolio_daily` counts in SQL of its own."""
    with small_marts.session() as session:
        session.execute("delete from marts.fct_revenue_retention")
        for segment, start, kept, end in (("smb", 200, 150, 160), ("enterprise", 1000, 900, 1200), ("*", 1200, 1050, 1360)):
            for night in (NIGHT - timedelta(days=1), NIGHT):
                session.execute(
                    "insert into marts.fct_revenue_retention (segment, as_of_date, arr_start, arr_kept, arr_end) values (?, ?, ?, ?, ?)",
                    [segment, night, start, kept, end],
                )
        daily = session.rows("select * from marts.fct_portfolio_daily where as_of_date = ?", [NIGHT])[0]
    for name in ("accounts", "accounts_green", "accounts_red", "waste_annual", "unused_value_annual", "tickets_open"):
        assert daily[name] is not None and close(value(small_marts, semantics, name), daily[name]), name
    assert [float(value(small_marts, semantics, name)) for name in ("arr_start", "arr_kept", "arr_end")] == [1200, 1050, 1360]  # '*' is not added to its parts
    assert close(value(small_marts, semantics, "gross_retention"), 1050 / 1200)
    assert close(value(small_marts, semantics, "net_retention", NIGHT), 1360 / 1200)


def test_utilisation_is_that_of_an_account_and_leaves_out_what_is_not_measured(semantics, small_marts) -> None:
    with small_marts.session(read_only=True) as session:
        rows = session.rows("select seats_contracted, unused_seats from marts.fct_account_signals where as_of_date = ?", [NIGHT])
    measured = [row for row in rows if row["unused_seats"] is not None]
    expected = 1 - sum(row["unused_seats"] for row in measured) / sum(row["seats_contracted"] for row in measured)
    assert 0 < expected < 1 and close(value(small_marts, semantics, "utilisation"), expected)


def test_waiting_lag_alerts_and_costs_as_counted_by_hand(semantics, small_marts) -> None:
    """Rows of conftest.py: two wait, two were decided after 30 and 90 minutes; two alerts are open; eight cents for two approved drafts."""
    expected = {"plans_waiting": 2, "approval_lag_minutes": 60, "alerts_open": 2, "alert_days_open": 2, "drafts": 6, "cost_usd": None}
    assert {name: number for name, number in expected.items() if not close(value(small_marts, semantics, name), number)} == {}
    assert close(value(small_marts, semantics, "cost_per_approved_draft_usd", NIGHT), 0.04)
    assert value(small_marts, semantics, "cost_per_approved_draft_usd", NIGHT - timedelta(days=1)) is None  # a call without a price, nothing approved


def test_a_nightly_mart_is_never_added_up_over_nights(semantics, small_marts) -> None:
    """The classic mistake with daily photographs: three nights of waste are not three times the waste."""
    newest = value(small_marts, semantics, "waste_annual")
    assert close(newest, value(small_marts, semantics, "waste_annual", NIGHT))
    with small_marts.session(read_only=True) as session:
        assert float(session.scalar("select sum(waste_annual) from marts.fct_account_signals")) > float(newest) * 1.5
    for model in semantics["semantic_models"]:
        time = {dimension["name"]: dimension["expr"] or dimension["name"] for dimension in model["dimensions"]}[model["defaults"]["agg_time_dimension"]]
        photographs = time == "as_of_date" and model["name"] not in ("accounts", "model_costs")
        assert all(bool(measure["non_additive_dimension"]) == photographs for measure in model["measures"]), model["name"]


def test_what_cannot_be_read_is_refused_and_not_guessed(semantics) -> None:
    with pytest.raises(VimError, match="VIM-E171.*nonsense"):
        metric_sql(semantics, "nonsense")
    changed = copy.deepcopy(semantics)
    by_name = {metric["name"]: metric for metric in changed["metrics"]}
    by_name["accounts"]["type"] = "cumulative"
    by_name["drafts"]["filter"] = {"where_filters": [{"where_sql_template": "{{ Dimension('account__segment') }} = 'smb'"}]}
    by_name["utilisation"]["type_params"]["metrics"][0]["offset_window"] = {"count": 7, "granularity": "day"}
    for name in ("accounts", "drafts", "utilisation"):
        with pytest.raises(VimError, match="VIM-E171"):
            metric_sql(changed, name)


def test_every_metric_says_what_it_means() -> None:
    import yaml

    from vim_pipelines.transform.project import project_dir

    written = yaml.safe_load((Path(project_dir()) / "models" / "marts" / "_semantic_models.yml").read_text())
    assert all(len(metric["description"].split()) > 2 and metric["label"] for metric in written["metrics"])
    assert all(measure["description"] for model in written["semantic_models"] for measure in model.get("measures", []))
