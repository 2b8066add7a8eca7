"""`vimotion doctor` on what is not a source: who holds the warehouse, its storage version, the inbox, the copies, the models, LangSmith."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from vim_pipelines.cli import main
from vim_pipelines.doctor import Finding, examine, exit_status, house, services
from vim_pipelines.settings import Settings

HOLD = (
    "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == 'read'); c.execute('select 1'); print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "home").mkdir()
    return Settings(home=tmp_path / "home")


def made(settings: Settings, version: str = "v1.0.0") -> Path:
    with duckdb.connect(str(settings.warehouse_path), config={"storage_compatibility_version": version}) as connection:
        connection.execute("create schema raw; create table raw.loads (as_of_date date)")
    return settings.warehouse_path


def by_name(findings: Any) -> dict[str, Finding]:
    return {item.name: item for item in findings}


@pytest.fixture
def held_by():
    """Starts another program that holds a file, and ends it."""
    running = []

    def hold(path: Path, how: str) -> int:
        process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        return process.pid

    yield hold
    for process in running:
        process.communicate(timeout=30)


def test_a_reader_that_would_stop_the_night_is_named_with_its_process(settings, held_by):
    """A forgotten notebook reads the working file: reading beside it works, and the night fails at half past two."""
    path = made(settings)
    assert by_name(house.warehouse(settings))["writes"].status == "ok"
    holder = held_by(path, "read")
    found = by_name(house.warehouse(settings))
    assert found["DuckDB"].status == "ok" and found["writes"].status == "fail"
    assert f"PID {holder}" in found["writes"].text and "published/vim.duckdb" in found["writes"].fix
    assert house.program_of(holder).startswith("python")


def test_a_writer_is_named_with_its_process(settings, held_by):
    holder = held_by(made(settings), "write")
    (found,) = house.warehouse(settings)
    assert found.status == "fail" and f"PID {holder}" in found.text and "published/vim.duckdb" in found.fix


def test_commands_name_the_holder_too(settings, held_by, tmp_path):
    """publish and account rerun open the working file; account show and the book read the published copy, which nobody may lock."""
    from vim_pipelines.store import open_store

    open_store(settings).engine.dispose()
    holder = held_by(made(settings), "write")
    for arguments in (["publish"], ["account", "rerun", "ACC-HEADLINE"]):
        done = CliRunner().invoke(main, ["--home", str(settings.home), *arguments])
        assert done.exit_code == 4 and "VIM-E020" in done.stderr and f"PID {holder}" in done.stderr and "published/vim.duckdb" in done.stderr, done.output
    settings.published_dir.mkdir(exist_ok=True)
    copy = settings.published_dir / "vim.duckdb"
    with duckdb.connect(str(copy)) as connection:
        connection.execute("create schema marts; create table marts.fct_portfolio_daily as select date '2026-06-28' as as_of_date")
    held_by(copy, "write")
    for arguments in (["account", "show", "ACC-HEADLINE"], ["book"]):
        done = CliRunner().invoke(main, ["--home", str(settings.home), *arguments])
        assert done.exit_code == 4 and "VIM-E020" in done.stderr, done.output


def test_a_file_that_older_readers_refuse_is_yellow(settings):
    made(settings, "latest")
    assert by_name(house.warehouse(settings))["storage"].status == "warn"
    settings.warehouse_path.unlink()
    made(settings)
    found = by_name(house.warehouse(settings))["storage"]
    assert found.status == "ok" and "v1.0.0" in found.text


def test_looking_at_the_inbox_makes_no_secret_and_an_open_one_is_red(settings):
    assert by_name(house.inbox(settings))["secret"].status == "ok" and not (settings.home / "inbox_secret").exists()
    path = settings.home / "inbox_secret"
    path.write_text("x" * 64)
    path.chmod(0o644)
    found = by_name(house.inbox(settings))["secret"]
    assert found.status == "fail" and f"chmod 600 {path}" in found.fix and "xxxx" not in found.text + found.fix
    path.chmod(0o600)
    assert by_name(house.inbox(settings))["secret"].status == "ok"


def test_a_house_in_which_nobody_may_decide_is_yellow(settings, tmp_path):
    from vim_pipelines.approvals.people import add_person
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.store import open_store

    own = settings.model_copy(update={"portfolio": tmp_path / "portfolio.yaml"})
    store = open_store(own)
    assert by_name(house.inbox(own))["people"].status == "warn"
    assert by_name(house.inbox(settings))["people"].status == "ok", "the sandbox makes its own two"
    add_person(store, policy_of(own), "dana", name="Dana", role="director", by="test", now=own.now())
    found = by_name(house.inbox(own))["people"]
    assert found.status == "ok" and "1 director" in found.text
    store.engine.dispose()


def published(settings: Settings, day: str) -> Path:
    settings.published_dir.mkdir(exist_ok=True)
    copy = settings.published_dir / "vim.duckdb"
    with duckdb.connect(str(copy)) as connection:
        connection.execute(f"create schema marts; create table marts.fct_portfolio_daily as select date '{day}' as as_of_date")
    return copy


def test_an_old_copy_and_a_book_that_was_not_written_are_yellow(settings):
    day = settings.now().date()
    copy = published(settings, day.isoformat())
    assert {item.name: item.status for item in house.readers(settings)} == {"published copy": "ok", "book": "ok"}
    settings.book_dir.mkdir()
    page = settings.book_dir / "index.html"
    page.write_text("<p>")
    os.utime(page, (copy.stat().st_mtime - 3600,) * 2)
    assert by_name(house.readers(settings))["book"].status == "warn"
    copy.unlink()
    published(settings, "2026-01-01")
    found = by_name(house.readers(settings))["published copy"]
    assert found.status == "warn" and "days old" in found.text


def test_a_secret_file_that_others_may_read_is_yellow(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("ANTHROPIC_API_KEY=hush\n")
    (tmp_path / ".env").chmod(0o644)
    found = house.settings_files(settings)
    assert found.status == "warn" and found.fix == "chmod 600 .env" and "hush" not in found.text
    (tmp_path / ".env").chmod(0o600)
    assert house.settings_files(settings).status == "ok"


def test_the_worst_finding_is_the_exit_status():
    told = [Finding("a", "b", status, "") for status in ("ok", "warn", "fail")]  # type: ignore[arg-type]
    assert [exit_status(told[:count]) for count in range(4)] == [0, 0, 1, 2]


def test_offline_asks_nobody(sandbox):
    import httpx

    settings = sandbox.settings.model_copy(update={"anthropic_api_key": SecretStr("k"), "anthropic_base_url": "http://127.0.0.1:9"})
    findings = examine(settings, offline=True)
    asked = httpx.get(f"{sandbox.running.url('salesforce')}/_sandbox/requests", trust_env=False).json()
    assert asked == [] and exit_status(findings) == 0
    assert [item.name for item in findings if item.area == "outside"] == ["not asked"]


def test_langsmith_is_asked_whether_it_takes_the_key(settings):
    assert list(services.langsmith(settings)) == []
    shut = settings.model_copy(update={"langsmith_api_key": SecretStr("k"), "langsmith_endpoint": "http://127.0.0.1:9"})
    (found,) = services.langsmith(shut)
    assert found.status == "warn" and "cannot be reached" in found.text
    (elsewhere,) = services.langsmith(settings.model_copy(update={"langsmith_api_key": SecretStr("k"), "langsmith_endpoint": "https://other.example"}))
    assert elsewhere.status == "ok" and "not tried" in elsewhere.text
