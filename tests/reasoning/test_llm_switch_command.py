"""`vimotion llm off`, on a home of its own: who turned the switch is shown by `status` and by the doctor."""

import json

import pytest
from click.testing import CliRunner

from vim_pipelines.cli import main
from vim_pipelines.doctor import _drafter
from vim_pipelines.settings import Settings
from vim_pipelines.store import open_store


@pytest.fixture
def vimotion(tmp_path, monkeypatch):
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    open_store(Settings(home=tmp_path)).engine.dispose()

    def call(*words):
        return CliRunner().invoke(main, ["--home", str(tmp_path), "llm", *words])

    call.home = tmp_path
    return call


def test_the_switch_is_turned_by_name_and_shown(vimotion):
    assert "Language models are on." in vimotion("status").output
    turned = vimotion("off", "--note", "odd drafts", "--as", "director")
    assert turned.exit_code == 0 and "off, by" in turned.output and "(director)" in turned.output
    status = json.loads(vimotion("status", "--json").output)
    assert (status["is_on"], status["note"], status["role"]) == (False, "odd drafts", "director") and status["writers"] == ["offline drafter"]
    finding = _drafter(Settings(home=vimotion.home, anthropic_api_key="k"))
    assert finding.status == "warn" and "odd drafts" in finding.text
    vimotion("on", "--note", "fixed", "--as", "director")
    assert _drafter(Settings(home=vimotion.home, anthropic_api_key="k", openai_api_key="k")).status == "ok"


def test_a_turn_needs_a_reason(vimotion):
    assert vimotion("off").exit_code == 2
