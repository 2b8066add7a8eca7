"""`doctor` and the night against instance files that stand in an image: read-only, with values from the environment."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.instance_file import instance_file, variables_in, written_folders
from vim_pipelines.doctor import house
from vim_pipelines.night import DAGSTER_YAML, prepare_dagster_home
from vim_pipelines.settings import load_settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@pytest.fixture
def instance(tmp_path, monkeypatch):
    """A DAGSTER_HOME with the shipped file, its folders under `state`, and its database named."""
    folder, state = tmp_path / "instance", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    (folder / "dagster.yaml").write_text((DEPLOY / "dagster" / "dagster.yaml").read_text().replace("/var/lib/vimotion", str(state)))
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql://somebody:secret@127.0.0.1:1/dagster")
    return folder


def closed(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Make `folders` unwritable for the doctor; a test that runs as root cannot take the right from itself."""
    may = os.access
    monkeypatch.setattr(house.os, "access", lambda path, mode: Path(path) not in folders and may(path, mode))


def test_an_instance_folder_may_be_read_only_where_its_file_names_other_places(instance, tmp_path, monkeypatch):
    closed(monkeypatch, instance)
    assert house.dagster_home(load_settings(home=tmp_path)).status == "ok"
    closed(monkeypatch, instance, tmp_path / "state")
    found = house.dagster_home(load_settings(home=tmp_path))
    assert found.status == "fail" and str(tmp_path / "state") in found.text


def test_an_instance_folder_that_keeps_its_runs_itself_must_be_writable(instance, tmp_path, monkeypatch):
    (instance / "dagster.yaml").write_text(DAGSTER_YAML)
    assert house.dagster_home(load_settings(home=tmp_path)).status == "ok"
    closed(monkeypatch, instance)
    found = house.dagster_home(load_settings(home=tmp_path))
    assert found.status == "fail" and str(instance) in found.text


def test_a_database_that_nobody_named_is_said_before_the_night_begins(instance, tmp_path, monkeypatch):
    monkeypatch.delenv("DAGSTER_POSTGRES_URL")
    found = house.dagster_home(load_settings(home=tmp_path))
    assert found.status == "fail" and "DAGSTER_POSTGRES_URL" in found.text
    with pytest.raises(VimError) as raised:
        prepare_dagster_home(load_settings(home=tmp_path))
    assert raised.value.code == "VIM-E001" and "DAGSTER_POSTGRES_URL" in raised.value.what


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["home"]),
        ("telemetry: {enabled: false}", ["home"]),
        ("storage: {sqlite: {base_dir: /a}}\ncompute_logs: {config: {base_dir: /b}}\nlocal_artifact_storage: {config: {base_dir: /a}}", ["/a", "/b"]),
        ("storage: {postgres: {postgres_url: x}}\ncompute_logs: {config: {base_dir: /b}}", ["/b", "home"]),
        ("no: [yaml", ["home"]),
        ("- a list", ["home"]),
    ],
)
def test_folders_that_an_instance_writes(tmp_path, text, expected):
    (tmp_path / "dagster.yaml").write_text(text)
    assert written_folders(instance_file(tmp_path), tmp_path) == [tmp_path if name == "home" else Path(name) for name in expected]


def test_the_shipped_files_read_what_the_deployments_set():
    """A name that only the example of the secrets or the settings of the pods has would be missed at the first start."""
    compose_names = {line.split("=")[0] for line in (DEPLOY / "secrets.env.example").read_text().splitlines() if "=" in line and not line.startswith("#")}
    pod_names = compose_names | {line.split("=")[0] for line in (DEPLOY / "kubernetes" / "settings.env").read_text().splitlines()}
    assert set(variables_in(instance_file(DEPLOY / "dagster"))) == {"DAGSTER_POSTGRES_URL"} <= compose_names
    assert set(variables_in(instance_file(DEPLOY / "kubernetes"))) == {"DAGSTER_POSTGRES_URL", "VIM_NAMESPACE"} <= pod_names


@pytest.mark.skipif(shutil.which("printenv") is None, reason="no printenv here")
def test_a_command_in_the_sandbox_keeps_the_instance_that_the_user_named(instance, tmp_path, monkeypatch, capfd):
    from contextlib import contextmanager

    from click.testing import CliRunner

    from vim_pipelines.cli import sandbox
    from vim_pipelines.cli.root import main
    from vim_pipelines.sandbox import night

    settings = load_settings(home=tmp_path / "state")

    @contextmanager
    def served(*_args, **_options):
        yield settings

    monkeypatch.setattr(sandbox, "served_settings", served)
    monkeypatch.setattr(night, "slack_beside", served)
    monkeypatch.setattr(night, "environment", lambda _settings: {})
    assert CliRunner().invoke(main, ["sandbox", "up", "--", "printenv", "DAGSTER_HOME"]).exit_code == 0
    assert capfd.readouterr().out.strip() == str(instance)
