"""The backtest of the score on renewals: the guard against leaks, the gate on losses, skill where it was planted and none where it was not."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.evaluation.backtest_card import card_lines, card_markdown, store_card, write_card
from vim_pipelines.evaluation.backtest_leaks import delete_known_later, differing_columns, leaking_features, refuse_later
from vim_pipelines.evaluation.backtest_portfolio import MEASURES, SCORE, Prepared, backtest_portfolio
from vim_pipelines.evaluation.backtest_terms import observations
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

OBSERVED = date(2025, 3, 1)


# -- the guard -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def raw(tmp_path: Path) -> DuckDBWarehouse:
    """Two customers; one gives notice ten days after the observation date, writes a ticket about it and is closed as lost."""
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    with warehouse.session() as session:
        session.execute("create table raw.tickets as select * from (values ('A', 'T1', 'slow export', timestamp '2025-02-01'),"
                        " ('B', 'T2', 'login', timestamp '2025-01-05'), ('A', 'T3', 'please cancel', timestamp '2025-03-12')) as t(account_key, ticket_key, subject, known_at)")  # fmt: skip
        session.execute("create table raw.opportunities as select * from (values ('A', 'O1', 'Negotiation', timestamp '2025-01-10'),"
                        " ('B', 'O2', 'Negotiation', timestamp '2025-01-11'), ('A', 'O1', 'Closed Lost', timestamp '2025-03-20')) as t(account_key, opportunity_key, stage, known_at)")  # fmt: skip
        session.execute("create table raw.accounts as select * from (values ('A', null, timestamp '2024-01-01'),"
                        " ('B', null, timestamp '2024-01-01'), ('A', 'price', timestamp '2025-03-20')) as t(account_key, churn_reason, known_at)")  # fmt: skip
        session.execute("create table raw.usage_events as select * from (values ('A', timestamp '2025-02-27', timestamp '2025-02-27'),"
                        " ('A', timestamp '2025-02-28', timestamp '2025-03-09'), ('B', timestamp '2025-02-20', timestamp '2025-02-20')) as t(account_key, occurred_at, recorded_at)")  # fmt: skip
        session.execute("create table raw.loads as select 1 as load_id")
    return warehouse


_ACCOUNTS = "select distinct account_key from raw.accounts"
_CLEAN = f"""
select a.account_key,
    (select count(*) from raw.tickets as t where t.account_key = a.account_key and t.known_at < timestamp '2025-03-02') as tickets,
    (select count(*) from raw.usage_events as u where u.account_key = a.account_key and u.recorded_at < timestamp '2025-03-02') as events
from ({_ACCOUNTS}) as a
"""
_PLANTED = {
    "churn_reason": "(select max(churn_reason) from raw.accounts as x where x.account_key = a.account_key)",
    "closed_lost": "(select count(*) from raw.opportunities as x where x.account_key = a.account_key and x.stage = 'Closed Lost')",
    "tickets_with_those_after_notice": "(select count(*) from raw.tickets as x where x.account_key = a.account_key)",
    # Happened in time, but arrived late: the event time alone is no protection.
    "events_by_occurrence": "(select count(*) from raw.usage_events as x where x.account_key = a.account_key and x.occurred_at < timestamp '2025-03-02')",
}


class _RollBack(Exception):
    pass


def _leaks(warehouse: DuckDBWarehouse, sql: str) -> list[str]:
    found: list[str] = []
    with pytest.raises(_RollBack), warehouse.session() as session:
        found = leaking_features(session, lambda s: s.query(sql), OBSERVED)
        raise _RollBack
    return found


def test_features_that_knew_their_day_pass_the_guard(raw):
    assert _leaks(raw, _CLEAN) == []


@pytest.mark.parametrize("name", sorted(_PLANTED))
def test_a_planted_leak_is_caught(raw, name):
    """Each trap of METRICS section 6, planted: the guard names the feature, and only that one."""
    sql = _CLEAN.replace("as events\n", f"as events, {_PLANTED[name]} as {name}\n")
    assert _leaks(raw, sql) == [name]
    with raw.session(read_only=True) as session:
        assert session.scalar("select count(*) from raw.tickets") == 3, "the guard worked inside a transaction that was rolled back"


def test_an_account_that_was_not_known_yet_is_a_leak(raw):
    with raw.session() as session:
        session.execute("insert into raw.accounts values ('C', null, timestamp '2025-05-01')")
    assert _leaks(raw, _CLEAN) == ["account_key"]


def test_rows_that_know_what_came_later_are_refused():
    rows = pd.DataFrame({"account_key": ["A"], "as_of_date": [pd.Timestamp("2025-03-01")], "observed_on": [pd.Timestamp("2025-03-01")], "decided_on": [pd.NaT]})
    refuse_later(rows)
    for change in ({"as_of_date": pd.Timestamp("2025-03-02")}, {"decided_on": pd.Timestamp("2025-03-01")}):
        with pytest.raises(VimError, match="know what came later"):
            refuse_later(rows.assign(**change))


# -- the judgement ---------------------------------------------------------------------------------------------------------


def _prepared(*, losses: int, terms: int, skill: float, seed: int = 1) -> Prepared:
    """Closed terms over four years of which `losses` ended; the score of those is `skill` standard deviations higher."""
    rng = np.random.default_rng(seed)
    ends = pd.to_datetime("2022-01-31") + pd.to_timedelta(rng.integers(0, 1400, terms), unit="D")
    lost = np.zeros(terms, dtype=bool)
    lost[rng.choice(terms, losses, replace=False)] = True
    table = pd.DataFrame(
        {
            "account_key": [f"A{n:04d}" for n in range(terms)], "start_date": ends - pd.Timedelta(days=364), "end_date": ends,
            "opt_out_date": ends - pd.Timedelta(days=60), "value": rng.lognormal(10, 1, terms),
            "outcome": np.where(lost, np.where(rng.random(terms) < 0.1, "involuntary", "voluntary non-renewal"), np.where(rng.random(terms) < 0.1, "contraction", "retained")),
            "decided_on": ends.where(lost), "closed_on": ends + pd.Timedelta(days=60),
        }
    )  # fmt: skip
    rows = observations(table)
    hidden = rows["lost"] * skill + rng.normal(size=len(rows))
    rows[SCORE] = (50 + 15 * hidden).clip(0, 100)
    for name, direction in MEASURES.items():
        rows[name] = direction * (0.5 * hidden + rng.normal(size=len(rows)))
    rows.loc[rng.random(len(rows)) < 0.2, "cv_robust"] = np.nan
    rows["segment"], rows["as_of_date"] = rng.choice(["smb", "enterprise"], len(rows)), rows["observed_on"]
    rows["risk_band"] = pd.cut(rows[SCORE], [-1, 50, 70, 101], labels=["low", "watch", "high"]).astype(str)
    return Prepared(rows, table, 3, 2)


def _card(**arguments):
    return backtest_portfolio(_prepared(**arguments), "book", date(2026, 6, 30))


def test_few_losses_give_bands_and_no_probability():
    card = _card(losses=40, terms=400, skill=1.0)
    assert card.model == "lean risk, as scored" and card.train_rows == 0
    assert card.probability.startswith("none: 40 losses") and not card.reliability
    assert [part.name for part in card.bands] == ["high", "low", "watch"]
    metrics = {row.metric for row in card.figures}
    assert not metrics & {"Brier skill", "accuracy"}
    assert {"base rate", "AUC", "PR-AUC", "top-decile lift", "ARR captured at 10 %"} <= metrics
    assert "not for a probability" in card.may_be_used_for
    assert card.figure("AUC").low > 0.5


def test_enough_losses_train_a_regression_and_a_probability():
    card = _card(losses=240, terms=1200, skill=1.0)
    assert card.model == "logistic regression on the measures"
    assert card.probability.startswith("platt") and len(card.reliability) == 10
    assert card.trained_to < card.tested_from
    assert card.figure("Brier skill").low > 0
    assert {row.slice for row in card.figures} >= {"all", "180 days before opt-out", "30 days before opt-out", "segment smb"}
    assert card.figure("AUC", "lean risk, as scored").value > 0.6
    for part in card.reliability[2:]:
        assert part.low - 0.12 <= part.predicted <= part.high + 0.12


def test_a_score_without_skill_is_said_to_have_none():
    card = _card(losses=120, terms=600, skill=0.0)
    own = card.figure("AUC", "lean risk, as scored")
    assert own.low < 0.5 < own.high
    assert card.verdict.startswith("No skill shown")
    assert card.may_be_used_for.startswith("nothing")


def test_no_loss_at_all_has_no_auc():
    card = _card(losses=0, terms=60, skill=1.0)
    assert card.figure("AUC").value is None
    assert card.verdict.startswith("No verdict")
    assert card_lines(card)


def test_nothing_to_judge_says_so():
    prepared = _prepared(losses=1, terms=20, skill=0.0)
    with pytest.raises(VimError, match="VIM-E024"):
        backtest_portfolio(Prepared(prepared.rows.iloc[:0], prepared.terms, 0, 0), "book", date(2026, 6, 30))


def test_the_card_is_kept_once_and_shown_everywhere(tmp_path):
    card = _card(losses=40, terms=400, skill=1.0)
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    for _ in range(2):
        with warehouse.session() as session:
            stored = store_card(session, card)
    with warehouse.session(read_only=True) as session:
        assert session.scalar("select count(*) from computed.calibration_cards") == stored == len(card.figures) + len(card.bands)
        own = session.rows(
            "select value, low_95, n_losses from computed.calibration_cards where metric = 'AUC' and slice = 'all' and ranking = ?", [card.model]
        )
    assert own == [{"value": card.figure("AUC").value, "low_95": card.figure("AUC").low, "n_losses": card.test_losses}]
    as_json, as_text = write_card(card, tmp_path / "backtests")
    assert card.card_id in as_json.read_text() and card.verdict in as_text.read_text() and card.verdict in card_markdown(card)


# -- the whole way ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_night_of_the_past_is_the_same_when_everything_later_is_deleted(tmp_path, monkeypatch):
    """Raw rows to measures through dbt and the signals, as the backtest builds them: with today's history, and with what was known then."""
    from click.testing import CliRunner

    from vim_pipelines.cli import main
    from vim_pipelines.night import rebuild_nights
    from vim_pipelines.settings import load_settings

    home = tmp_path / "home"
    monkeypatch.setenv("VIMOTION_SANDBOX_ACCOUNTS", "40")
    monkeypatch.setenv("VIMOTION_SANDBOX_WEEKS", "60")
    done = CliRunner().invoke(main, ["--home", str(home), "audit"])
    assert done.exit_code == 0, done.output[-2000:]
    observed = date(2026, 3, 1)
    query = f"select account_key, {SCORE}, risk_band, {', '.join(MEASURES)} from marts.fct_account_signals where as_of_date = ?"

    found = []
    for name in ("whole", "deleted"):
        copy = tmp_path / name
        shutil.copytree(home, copy)
        settings = load_settings(home=copy)
        warehouse = DuckDBWarehouse(settings.warehouse_path)
        if name == "deleted":
            with warehouse.session() as session:
                assert delete_known_later(session, observed) > 1000
        rebuild_nights(settings, [observed], newest=observed, say=lambda _text: None)
        with warehouse.session(read_only=True) as session:
            found.append(session.query(query, [observed]))
    assert len(found[0]) > 20
    assert differing_columns(*found) == []
