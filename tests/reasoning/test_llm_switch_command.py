"""`vimotion llm off`, on a home of its own: who turned the switch is shown by `status` and by the doctor."""

import json

import pytest
from click.testing import CliRunner

from vim_pipelines.cli import main
from vim_pipelines.core.errors import VimError
from vim_pipelines.doctor.services import drafter as _drafter
from vim_pipelines.reasoning.providers.make import make_vendors, model_warning
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


def test_the_operator_switches_off_before_the_first_audit_and_without_a_role(tmp_path, monkeypatch):
    """Whoever sets a production system up wants no model called in its first night; nobody has a role yet."""
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    home = ["--home", str(tmp_path / "new"), "llm"]
    turned = CliRunner().invoke(main, [*home, "off", "--note", "not yet"])
    assert turned.exit_code == 0 and "(operator)" in turned.output, turned.output
    assert json.loads(CliRunner().invoke(main, [*home, "status", "--json"]).output)["is_on"] is False
    assert CliRunner().invoke(main, [*home, "on", "--note", "ready"]).exit_code == 0, "and turns on again what nobody in a role turned off"


def test_what_a_director_turned_off_a_csm_does_not_turn_on(vimotion):
    vimotion("off", "--note", "odd drafts", "--as", "director")
    refused = vimotion("on", "--note", "they look fine to me", "--as", "csm")
    assert refused.exit_code != 0 and "VIM-E043" in refused.output and "as director" in refused.output
    assert json.loads(vimotion("status", "--json").output)["is_on"] is False
    assert vimotion("off", "--note", "I agree", "--as", "csm").exit_code == 0, "off is for anybody"


def test_a_model_that_nobody_knows_is_named_with_what_was_meant(tmp_path):
    settings = Settings(home=tmp_path, anthropic_api_key="k", openai_api_key="k", model="claude-haiku-5.5")
    finding = _drafter(settings)
    assert finding.status == "warn" and "its price is unknown" in finding.text and "claude-haiku-5-5" in finding.text
    assert model_warning(settings.model_copy(update={"model": "claude-haiku-5-5"})) is None and model_warning(Settings(home=tmp_path)) is None


def test_a_writer_without_its_key_is_said_by_the_setting_that_names_it(tmp_path):
    """'ANTHROPIC_API_KEY is missing; not set: the offline drafter writes' told a newcomer two things that exclude each other."""
    with pytest.raises(VimError) as caught:
        make_vendors(Settings(home=tmp_path, drafter="claude"))
    assert caught.value.code == "VIM-E001" and "VIMOTION_DRAFTER=claude" in str(caught.value) and "offline drafter" not in str(caught.value)
