"""The doors: the command and the job give the same card and keep it."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
from click.testing import CliRunner

from vim_pipelines.cli import main


def test_the_command_prints_keeps_and_repeats_the_card(tmp_path: Path, fading_history: Path):
    """Without an audit and without the sandbox: a folder and an empty home are enough."""
    home = tmp_path / "home"
    arguments = ["--home", str(home), "backtest", "--activity", str(fading_history), "--train-before", "2016-01-01"]
    done = CliRunner().invoke(main, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    card = json.loads(done.stdout)
    assert card["verdict"].startswith("AUC") and card["trained_to"] < card["tested_from"]
    kept = list((home / "backtests").glob(f"*{card['card_id']}*"))
    assert sorted(path.suffix for path in kept) == [".json", ".txt"]
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute("select distinct card_id from computed.calibration_cards").fetchall() == [(card["card_id"],)]


def test_the_job_shows_the_card(tmp_path: Path, fading_history: Path, monkeypatch):
    import dagster as dg

    from vim_pipelines.jobs import backtest
    from vim_pipelines.settings import load_settings

    settings = load_settings(home=tmp_path / "home")
    result = backtest.execute_in_process(
        run_config={"ops": {"backtest_score": {"config": {"activity": str(fading_history), "train_before": "2016-01-01"}}}},
        resources={"settings": dg.ResourceDefinition.hardcoded_resource(settings)},
    )
    metadata = [event for event in result.all_node_events if event.event_type_value == "STEP_OUTPUT"][0].event_specific_data.metadata
    assert "| AUC |" in metadata["card"].value and metadata["verdict"].value in metadata["card"].value


def test_a_portfolio_without_an_audit_says_so(tmp_path: Path):
    done = CliRunner().invoke(main, ["--home", str(tmp_path / "home"), "backtest"])
    assert done.exit_code == 5 and "VIM-E024" in done.output
