"""`.env.example` and the error page are lists for people; these tests keep them equal to the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vim_pipelines.core.errors import CODES, VimError
from vim_pipelines.settings import Settings, env_example, environment_variable, load_settings

REPOSITORY = Path(__file__).resolve().parents[2]


def test_env_example_lists_every_setting_and_no_other():
    text = (REPOSITORY / ".env.example").read_text()
    assert text == env_example(), "run `make env-example`"
    assert set(re.findall(r"^# ?([A-Z_0-9]+)=", text, re.MULTILINE)) == {environment_variable(name) for name in Settings.model_fields}


def test_every_error_code_has_a_place_on_the_error_page():
    page = (REPOSITORY / "docs/reference/errors.md").read_text()
    assert set(re.findall(r"^## (VIM-E\d{3})", page, re.MULTILINE)) == set(CODES)


def test_every_error_code_that_the_code_raises_exists():
    raised = {code for path in (REPOSITORY / "vim_pipelines").rglob("*.py") for code in re.findall(r"VIM-E\d{3}", path.read_text())}
    assert raised <= set(CODES)


def test_a_mistyped_setting_is_an_error_and_names_the_near_one(monkeypatch):
    """VIMOTION_WRITEMODE=off was ignored and the night wrote."""
    monkeypatch.setenv("VIMOTION_WRITEMODE", "off")
    with pytest.raises(VimError, match="VIMOTION_WRITE_MODE") as caught:
        load_settings()
    assert caught.value.code == "VIM-E002"


def test_a_wrong_value_names_its_variable_and_never_shows_a_secret(monkeypatch):
    monkeypatch.setenv("VIMOTION_BUDGET_USD", "-1")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-very-secret")
    with pytest.raises(VimError, match="VIMOTION_BUDGET_USD") as caught:
        load_settings()
    assert "secret" not in str(caught.value) and caught.value.exit_code == 2


def test_a_settings_object_shows_no_secret(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-very-secret")
    settings = load_settings()
    assert settings.anthropic_api_key.get_secret_value() == "sk-very-secret"
    assert "very-secret" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_a_required_setting_that_is_missing_says_which_variable():
    with pytest.raises(VimError, match="SALESFORCE_BASE_URL") as caught:
        load_settings().require("salesforce_base_url")
    assert caught.value.code == "VIM-E001"


def test_a_setting_with_few_values_lists_them():
    """VIMOTION_DRAFTER= was an empty hint: its five values stood in the code alone."""
    entry = next(part for part in env_example().split("\n\n") if "VIMOTION_DRAFTER=" in part)
    assert "# One of: auto, openai_first, claude, openai, offline.\n" in entry
    assert "One of" not in next(part for part in env_example().split("\n\n") if "VIMOTION_MODEL=" in part)
