"""From raw rows through dbt to risks: what was planted is found, twins are clean, and the same night twice is the same night."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from planted_portfolio import AS_OF, Planted

from vim_pipelines.evaluation.calibrate import Case, judge, rendered
from vim_pipelines.evaluation.detectors import Claims, evaluate_detectors, pool, read_claims, with_bounds
from vim_pipelines.evaluation.intervals import wilson
from vim_pipelines.lifecycle.handoff_run import audit_handoffs
from vim_pipelines.signals.base_frames import business_index, read_base
from vim_pipelines.signals.health import assess
from vim_pipelines.signals.risks import MEASURES
from vim_pipelines.signals.run import Signals, build, compute_signals
from vim_pipelines.signals.scores import load_score_rules
from vim_pipelines.signals.tables import TABLES


@pytest.fixture(scope="module")
def claims(planted: Planted) -> Claims:
    with planted.warehouse.session() as session:
        audit_handoffs(session, AS_OF)
        compute_signals(session, AS_OF)
        return read_claims(session, AS_OF)


def test_every_planted_truth_is_found_and_no_twin_is_accused(planted: Planted, claims: Claims) -> None:
    table = evaluate_detectors(planted.ground_truth, claims)
    assert (table["planted"] > 0).all()
    assert table["missed"].sum() == []
    assert table["false_alarms"].sum() == []


def test_planted_handoff_gaps_and_conflicts_are_found_and_no_twin_has_one(planted: Planted, claims: Claims) -> None:
    """The documents are the simulator's, in three hands that the audit's rules were not written from; the CRM's own fields fill what it holds."""
    import pandas as pd

    truth = pd.read_parquet(planted.ground_truth)
    with planted.warehouse.session(read_only=True) as session:
        rows = session.rows("select account_key, field_id, status from computed.handoff_fields where as_of_date = ? and is_mandatory", [AS_OF])
    found = {(row["account_key"], row["field_id"]): row["status"] for row in rows}
    from_documents = {"desired_outcome", "sponsor", "risks", "commitments"}
    gaps = truth[truth["truth"] == "incomplete_handoff"]
    assert len(gaps)
    for account, parameters in zip(gaps["account_key"], gaps["parameters"], strict=True):
        planted_gaps = set(json.loads(parameters)["missing"]) & from_documents
        assert {field for field in from_documents if found[account, field] == "missing"} == planted_gaps, account
    conflicts = set(truth.loc[truth["truth"] == "dirty_conflicting_seats", "account_key"])
    assert {account for (account, field), status in found.items() if status == "conflicting"} == conflicts
    twins = set(truth.loc[truth["truth"] == "clean_twin", "account_key"])
    assert {status for (account, _), status in found.items() if account in twins} == {"present"}


def test_the_headline_account_is_red_for_its_shelfware_alone(planted: Planted, claims: Claims) -> None:
    assert {rule for account, rule in claims.flagged if account == "ACC-HEADLINE"} == {"MUDA_SHELFWARE"}
    with planted.warehouse.session(read_only=True) as session:
        score = session.rows("select * from computed.account_scores where account_key = 'ACC-HEADLINE' and as_of_date = ?", [AS_OF])[0]
        risk = session.rows("select * from computed.risks where account_key = 'ACC-HEADLINE' and as_of_date = ?", [AS_OF])[0]
    assert (score["muda_score"], score["mura_score"], score["risk_band"], score["coverage"]) == (100.0, 0.0, "red", 1.0)
    assert risk["summary"] == "145 of 200 seats are beyond need with headroom (73 %)."
    assert json.loads(risk["inputs"])["shelfware_seats"] == 145
    assert json.loads(risk["threshold"])["all"][0] == {"measure": "shelfware_seats", "op": ">=", "value": 5}


def test_the_same_night_twice_changes_nothing(planted: Planted, claims: Claims) -> None:
    with planted.warehouse.session() as session:
        before = {table: session.rows(f"select * from computed.{table} order by all") for table in TABLES}
        report = compute_signals(session, AS_OF)
        assert {table: session.rows(f"select * from computed.{table} order by all") for table in TABLES} == before
        assert report.rows == {table: len(rows) for table, rows in before.items()}
        assert sum(report.accounts_by_band.values()) == report.rows["account_scores"]


def test_one_row_per_account_unknown_is_null_and_no_number_is_infinite(planted: Planted, claims: Claims) -> None:
    with planted.warehouse.session(read_only=True) as session:
        accounts = session.scalar("select count(*) from base.int_accounts")
        for table in ("adoption_variance", "ticket_spikes", "account_scores"):
            assert session.scalar(f"select count(distinct account_key) from computed.{table} where as_of_date = ?", [AS_OF]) == accounts
            for column, kind in TABLES[table].items():
                if kind == "double":
                    assert session.scalar(f"select count(*) from computed.{table} where isnan({column}) or isinf({column})") == 0
        no_verdict = session.rows("select status, is_spiky, is_dropping, is_gapped from computed.adoption_variance where status <> 'ok'")
        assert no_verdict and all(row[flag] is None for row in no_verdict for flag in ("is_spiky", "is_dropping", "is_gapped"))


def test_renamed_and_shuffled_accounts_have_the_same_risks(planted: Planted) -> None:
    """Metamorphic: names and the order of rows carry no information."""
    with planted.warehouse.session(read_only=True) as session:
        base = read_base(session, AS_OF)
    original = build(base, AS_OF)

    def renamed(frame):  # type: ignore[no-untyped-def]
        frame = frame.sample(frac=1.0, random_state=3).copy()
        frame["account_key"] = "Z" + frame["account_key"].str[::-1]
        return frame

    other = build(type(base)(**{name: renamed(frame) for name, frame in vars(base).items()}), AS_OF)

    def told(signals: Signals, key: Callable[[str], str]) -> list[tuple[object, ...]]:
        """Sums over accounts in another order differ in the last bits, and q-values with them."""
        strip = ["rule_id", "severity", "inputs", "summary", "risk_status"]
        return sorted((key(row.account_key), *(getattr(row, name) for name in strip), f"{row.q_value:.9g}") for row in signals.risks.itertuples())

    assert told(original, lambda key: "Z" + key[::-1]) == told(other, str)


def comparable_risks(signals: Signals) -> list[tuple[object, ...]]:
    """Everything about a risk that must not depend on the calendar or the currency; dates in inputs and sentences do."""
    columns = ["account_key", "rule_id", "severity", "threshold", "p_value", "effect", "q_value", "risk_status", "capacity_rank", "is_never_cut"]
    return [tuple(None if value is pd.NA else value for value in row) for row in signals.risks[columns].itertuples(index=False)]


def test_another_currency_changes_no_risk_and_no_rank(planted: Planted) -> None:
    """Metamorphic: the same contracts in a currency with a hundredth of the unit."""
    with planted.warehouse.session(read_only=True) as session:
        base = read_base(session, AS_OF)
    other = replace(base, stakes=base.stakes.assign(stake_annual=base.stakes["stake_annual"] * 137.0))
    assert comparable_risks(build(other, AS_OF)) == comparable_risks(build(base, AS_OF)) != []


def test_the_same_story_a_year_later_has_the_same_risks(planted: Planted) -> None:
    """Metamorphic: every date 52 weeks on (weekdays kept), the as-of date too."""
    shift = timedelta(days=364)
    with planted.warehouse.session(read_only=True) as session:
        base = read_base(session, AS_OF)

    def later(frame: pd.DataFrame) -> pd.DataFrame:
        dated = [name for name in frame.columns if name.endswith(("_on", "_start", "_date"))]
        moved = frame.assign(**{name: pd.to_datetime(frame[name]) + shift for name in dated})
        return moved.assign(first_index=frame["first_index"] + 260) if "first_index" in frame else moved  # 260 business days

    other = build(type(base)(**{name: later(frame) for name, frame in vars(base).items()}), AS_OF + shift)
    assert comparable_risks(other) == comparable_risks(build(base, AS_OF))


def test_measures_are_exactly_those_that_rules_may_name(planted: Planted) -> None:
    with planted.warehouse.session(read_only=True) as session:
        assert tuple(build(read_base(session, AS_OF), AS_OF).measures.columns) == ("account_key", *MEASURES)


def test_taking_the_telemetry_away_leaves_no_finding_about_use(planted: Planted) -> None:
    """Evidence ablation on the real frames: unknown use must not read as no use."""
    with planted.warehouse.session(read_only=True) as session:
        base = read_base(session, AS_OF)
    blind = base.accounts.assign(
        usage_status="unknown", active_users_28d=None, utilization_28d=None, shelfware_seats=None, gap_days=None, last_activity_date=None
    )
    none = {name: getattr(base, name).iloc[:0] for name in ("account_weeks", "rhythm", "concentration")}
    signals = build(type(base)(**(vars(base) | none | {"accounts": blind})), AS_OF)
    assert not signals.risks["rule_id"].str.startswith(("MUDA", "MURA", "SILENCE", "SINGLE")).any()
    assert (signals.adoption_variance["status"] == "unknown").all()
    scores = assess(signals.health_evidence, load_score_rules()).scores
    assert np.isnan(scores.muda).all() and (scores.coverage <= 0.3).all()
    assert {band for band, reason in zip(scores.risk_band, scores.floor_reason, strict=True) if reason is None} == {"unknown"}


def test_a_ground_truth_of_another_portfolio_is_refused(planted: Planted, claims: Claims) -> None:
    with pytest.raises(ValueError, match="different portfolios"):
        evaluate_detectors(planted.ground_truth, Claims(claims.flagged, frozenset(list(claims.accounts)[:5])))


def test_an_evaluation_counts_misses_and_false_alarms(planted: Planted, claims: Claims) -> None:
    """The evaluation itself must be able to fail: a deaf detector misses everything, a nervous one accuses every twin."""
    deaf = evaluate_detectors(planted.ground_truth, Claims(frozenset(), claims.accounts))
    assert deaf["found"].sum() == 0 and (deaf["planted"] == deaf["missed"].map(len)).all()
    nervous = Claims(frozenset((account, "MUDA_SHELFWARE") for account in claims.accounts), claims.accounts)
    verdict = judge([Case("a", planted.ground_truth, nervous), Case("b", planted.ground_truth, Claims(frozenset(), claims.accounts))])
    assert any(failure.startswith("MUDA_SHELFWARE: flags 50.00%") for failure in verdict.failures)
    assert any(failure.startswith("shelfware of more than 20 seats") for failure in verdict.failures)
    assert "bar missed" in rendered(verdict)
    good = judge([Case("a", planted.ground_truth, claims)])
    assert good.failures == () and rendered(good).endswith("Every bar holds.")


def test_counts_are_pooled_before_rates_are_formed(planted: Planted, claims: Claims) -> None:
    table = evaluate_detectors(planted.ground_truth, claims)
    both = with_bounds(pool([table, table]))
    assert both["planted"].tolist() == (2 * table["planted"]).tolist()
    row = both[both["rule_id"] == "MURA_SPIKY"].iloc[0]
    assert (row["recall"], row["recall_low"]) == (1.0, pytest.approx(wilson(int(row["planted"]), int(row["planted"]))[0]))


def test_wilson_bounds_are_those_of_the_metrics_page() -> None:
    """5 of 20: 0.11 to 0.47; 125 of 500: 0.21 to 0.29 (METRICS section 1)."""
    assert [round(bound, 2) for bound in wilson(5, 20)] == [0.11, 0.47]
    assert [round(bound, 2) for bound in wilson(125, 500)] == [0.21, 0.29]
    assert wilson(0, 10)[0] == 0.0 and wilson(10, 10)[1] == 1.0 and wilson(0, 0) == (0.0, 1.0)


def test_business_days_are_counted_like_the_calendar() -> None:
    import numpy as np

    start = date(2026, 3, 2)
    for offset in range(40):
        day = start + timedelta(days=offset)
        assert business_index(day) - business_index(start) == np.busday_count(start, day)


def test_the_rhythm_of_an_account_counts_business_days(planted: Planted) -> None:
    """The query against a plain count: median of silent business days between active days, active business days, people seen."""
    import numpy as np

    with planted.warehouse.session(read_only=True) as session:
        rhythm = read_base(session, AS_OF).rhythm.set_index("account_key")
        for account in ("ACC-HEADLINE", "ACC-00003", "ACC-00010"):
            days = session.rows(
                "select distinct activity_date as day from base.int_usage_daily where account_key = ? and known_date <= ? and activity_date <= ? and activity_date > ?",
                [account, AS_OF, AS_OF, AS_OF - timedelta(days=182)],
            )
            active = sorted(row["day"] for row in days)
            silent = [int(np.busday_count(a + timedelta(days=1), b)) for a, b in zip(active, active[1:], strict=False)]
            assert rhythm.loc[account, "median_gap_days"] == np.median(silent)
            assert rhythm.loc[account, "active_days"] == sum(day.weekday() < 5 for day in active)


@pytest.mark.slow
def test_a_night_run_late_gives_what_it_would_have_given_on_time(tmp_path: Path) -> None:
    """With a week more in the raw tables, and with every later version deleted: same signals, same requirements, same states."""
    from datetime import datetime

    from benchmarks.planted import load_simulation
    from vim_pipelines.lifecycle.run import fold_states
    from vim_pipelines.sandbox.simulator import simulate
    from vim_pipelines.settings import Settings
    from vim_pipelines.transform.project import RESERVED_SELECTIONS, run_dbt, write_profile
    from vim_pipelines.warehouse import open_warehouse

    simulation = simulate(seed=7, accounts=60)
    settings = Settings(home=tmp_path)
    late = AS_OF - timedelta(days=7)
    seen = {}
    for name, now in (("on time", late + timedelta(days=1)), ("late", AS_OF + timedelta(days=1))):
        settings.warehouse_path.unlink(missing_ok=True)
        warehouse = open_warehouse(settings)
        with warehouse.session() as session:
            load_simulation(session, simulation, datetime(now.year, now.month, now.day, 6 if name == "late" else 0))
        write_profile(settings, warehouse)
        run_dbt(settings, RESERVED_SELECTIONS["base"], late, "USD")
        with warehouse.session() as session:
            audit_handoffs(session, late)
            compute_signals(session, late)
            fold_states(session, [], late)
            tables = [*TABLES, "handoff_fields", "handoff_audits", "requirements", "account_state", "phase_transitions", "lifecycle_evidence"]
            seen[name] = {table: session.rows(f"select * from computed.{table} order by all") for table in tables}
    for table, rows in seen["on time"].items():
        assert rows == seen["late"][table], table
        assert rows


def test_importing_the_slice_loads_no_heavy_library() -> None:
    """A sensor or the help text must not pay for numpy, scipy or pandas."""
    import subprocess
    import sys

    code = (
        "import sys, vim_pipelines.signals, vim_pipelines.signals.run, vim_pipelines.lifecycle.run, vim_pipelines.evaluation.calibrate;"
        " print(sorted({'numpy', 'scipy', 'pandas', 'yaml', 'duckdb', 'dagster'} & set(sys.modules)))"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[2])
    assert seen.stdout.strip() == "[]"
