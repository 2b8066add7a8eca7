"""`vimotion evals` beyond its scores: results are kept and posted, what is not on this machine is skipped, an outage of LangSmith costs a line."""

import json
import time

import pytest
from click.testing import CliRunner

from vim_pipelines.cli import main
from vim_pipelines.evaluation import contract_terms, handoff
from vim_pipelines.sandbox.langsmith_emulator import LangSmithEmulator, start_langsmith


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "LANGSMITH_API_KEY", "LANGSMITH_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VIMOTION_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def small_handoff(monkeypatch):
    """Two thousand cases take seconds; what is tested here is what becomes of the score."""
    real = handoff.handoff_scores
    monkeypatch.setattr(handoff, "handoff_scores", lambda: real(cases=60))


@pytest.fixture
def langsmith(monkeypatch):
    emulator = LangSmithEmulator()
    server = start_langsmith(emulator)
    monkeypatch.setenv("LANGSMITH_API_KEY", "ls-key")
    monkeypatch.setenv("LANGSMITH_ENDPOINT", server.url)
    yield emulator
    server.stop()


def evals(*arguments):
    return CliRunner().invoke(main, ["evals", *arguments])


def test_each_evaluation_leaves_its_result_in_a_file(home, small_handoff):
    run = evals("--only", "handoff")
    assert run.exit_code == 0, run.output
    (path,) = (home / "evaluation" / "results").glob("*_handoff.json")
    assert json.loads(path.read_text())["cases"] == 60 and str(path) in run.output and "LangSmith" not in run.output


def test_contracts_that_are_not_on_this_machine_are_skipped_and_the_rest_decides(home, small_handoff, monkeypatch, tmp_path):
    """A newcomer without the third-party data saw `make evals` stop with an error after four green evaluations."""
    monkeypatch.setattr(contract_terms, "default_folder", lambda: tmp_path / "absent")
    monkeypatch.setattr(
        "vim_pipelines.evaluation.suite.EVALUATIONS", {name: one for name, one in _evaluations().items() if name in ("handoff", "contract-terms")}
    )
    run = evals()
    assert run.exit_code == 0 and "contract-terms: skipped" in run.output and "--contracts" in run.output
    assert not list((home / "evaluation" / "results").glob("*contract_terms*")), "what was not measured has no result"
    asked = evals("--only", "contract-terms")
    assert asked.exit_code != 0 and "VIM-E018" in asked.output, "who asks for it by name hears that it is missing"


def _evaluations():
    from vim_pipelines.evaluation.suite import EVALUATIONS

    return EVALUATIONS


def test_the_results_are_an_experiment_with_a_score_for_each_figure(home, small_handoff, langsmith):
    run = evals("--only", "handoff")
    assert run.exit_code == 0 and "LangSmith: experiment vimotion-evals-" in run.output
    (project,), (posted,), (example,) = langsmith.projects.values(), langsmith.runs.values(), langsmith.examples.values()
    assert posted["session_name"] == project["name"] and posted["name"] == "handoff" and posted["outputs"]["bar_is_met"] is True
    assert example["inputs"] == {"evaluation": "handoff"} and example["dataset_id"] == project["reference_dataset_id"]
    kept = json.loads(next((home / "evaluation" / "results").glob("*.json")).read_text())
    scores = {row["key"]: row["score"] for row in langsmith.feedback.values()}
    assert scores["missing_recall"] == pytest.approx(kept["missing"]["recall"]) and scores["bar_is_met"] == 1.0 and len(scores) == 7


def test_a_second_run_is_a_second_experiment_on_the_same_example(home, small_handoff, langsmith, monkeypatch):
    from datetime import datetime, timedelta

    ticks = iter(datetime(2026, 11, 23, 9) + timedelta(minutes=minute) for minute in range(9))
    monkeypatch.setattr("vim_pipelines.reasoning.batches.waiting.wall_clock", lambda: next(ticks))
    assert evals("--only", "handoff").exit_code == evals("--only", "handoff").exit_code == 0
    assert len(langsmith.projects) == len(langsmith.runs) == 2 and len(langsmith.examples) == len(langsmith.datasets) == 1


@pytest.mark.parametrize(
    ("fault", "said"), [("status", "did not take the results"), ("info_status", "answered HTTP 503"), ("delay", "did not take the results")]
)
def test_langsmith_that_refuses_or_hangs_costs_a_line_and_no_result(home, small_handoff, langsmith, monkeypatch, fault, said):
    if fault == "delay":
        langsmith.delay_seconds = 30.0
        monkeypatch.setattr("vim_pipelines.reasoning.langsmith_wire.TIMEOUT_MS", (500, 500))
    else:
        setattr(langsmith, fault, 503)
    started = time.monotonic()
    run = evals("--only", "handoff", "--json")
    assert run.exit_code == 0 and time.monotonic() - started < 20
    assert json.loads(run.stdout)["handoff"]["cases"] == 60
    (line,) = [line for line in run.stderr.splitlines() if "LangSmith" in line]
    assert line.startswith("VIM-E034") and said in line
    assert list((home / "evaluation" / "results").glob("*_handoff.json"))
