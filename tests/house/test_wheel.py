"""The wheel carries the dbt project, the prompts and the portfolios, and the audit runs from it in a folder without a checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL = {"VIMOTION_SANDBOX_ACCOUNTS": "40", "VIMOTION_SANDBOX_WEEKS": "45"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(REPOSITORY)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return next(folder.glob("*.whl"))


def tracked(folder: str) -> list[Path]:
    """Files of a folder that git knows; all of them where this is no checkout."""
    done = subprocess.run(["git", "ls-files", "-z", folder], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode == 0 and done.stdout:
        return [REPOSITORY / name for name in done.stdout.split("\0") if name and (REPOSITORY / name).is_file()]
    return [path for path in (REPOSITORY / folder).rglob("*") if path.is_file() and not {"__pycache__", "target", "logs"} & set(path.parts)]


def packaged_files() -> list[Path]:
    """What belongs to the package, code or not."""
    return [path for path in tracked("vim_pipelines") if path.suffix != ".pyc"]


def answers_from(python: Path, folder: Path) -> None:
    """Commands that read templates, static files, rules or migrations work beside that audit, without the repository."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [python, "-m", "vim_pipelines.cli", *arguments]
        return subprocess.run(command, cwd=folder, env=os.environ | SMALL, capture_output=True, text=True, timeout=600)

    found = run("doctor", "--json")
    areas = {(item["area"], item["name"]): item["status"] for item in json.loads(found.stdout)}
    assert len(areas) > 8, found.stderr[-2000:]
    assert "chain of decisions is whole" in run("audit-trail", "verify").stdout
    requests = json.loads(run("inbox", "list", "--json").stdout)
    assert requests, "the queue can be read"
    started = run("init", "own", "--crm", "csv")
    assert started.returncode == 0 and (folder / "own" / "portfolio.yaml").is_file(), started.stderr
    if "book" in run("--help").stdout.split():
        made = run("book")
        assert made.returncode == 0, made.stderr[-2000:]
        pages = list((folder / ".vimotion").rglob("*.html"))
        assert pages and not [page for page in pages if str(REPOSITORY) in page.read_text(encoding="utf-8", errors="ignore")]
    code = (
        "from vim_pipelines.settings import load_settings; from vim_pipelines.store import open_store; from vim_pipelines.inbox.app import make_app;"
        "from starlette.testclient import TestClient; settings = load_settings();"
        "print(TestClient(make_app(settings, open_store(settings)), base_url='http://127.0.0.1:8321').get('/login').status_code)"
    )
    page = subprocess.run([python, "-c", code], cwd=folder, env=os.environ | SMALL, capture_output=True, text=True, timeout=120)
    assert page.stdout.strip() == "200", page.stderr[-2000:]


def audit_from(python: Path, folder: Path) -> dict:
    """Runs the audit of the package that `python` has, in an empty folder; returns its summary."""
    folder.mkdir()
    where = subprocess.run([python, "-c", "import vim_pipelines; print(vim_pipelines.__file__)"], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert str(REPOSITORY) not in where, "the checkout must not be what is tested"
    done = subprocess.run(
        [python, "-m", "vim_pipelines.cli", "audit", "--json"], cwd=folder, env=os.environ | SMALL, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (folder / ".vimotion" / "published" / "vim.duckdb").is_file()
    return json.loads(done.stdout)


def test_the_wheel_carries_its_data_and_no_secret_or_state(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    missing = [path for path in packaged_files() if f"vim_pipelines/{path.relative_to(REPOSITORY / 'vim_pipelines').as_posix()}" not in names]
    assert missing == [], "templates, style sheets, rules and migrations go with the code that reads them"
    for folder in ("dbt_project", "prompts", "portfolios"):
        wanted = [path for path in tracked(folder) if path.name != ".gitignore"]
        assert [path for path in wanted if f"vim_pipelines/_resources/{path.relative_to(REPOSITORY).as_posix()}" not in names] == []
    for needed in ("dbt_project/dbt_project.yml", "prompts/risk_mitigation_plan.yaml", "portfolios/sandbox.yaml"):
        assert f"vim_pipelines/_resources/{needed}" in names
    assert not [name for name in names if name.endswith((".env", ".db", ".duckdb", ".pyc")) or "/target/" in name or name.startswith("tests/")]


def test_the_audit_runs_from_the_wheel(wheel, tmp_path):
    """The dependencies come from this environment; the package itself only from the wheel. The slow test installs all of it."""
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    packages = Path(
        subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True, check=True).stdout.strip()
    )
    zipfile.ZipFile(wheel).extractall(packages)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (tmp_path / "venv" / "bin" / "dbt").symlink_to(Path(sys.executable).with_name("dbt"))
    summary = audit_from(python, tmp_path / "empty")
    assert summary["accounts"] == 40 and summary["drafts_written"] > 0
    answers_from(python, tmp_path / "empty")


@pytest.mark.slow
def test_the_audit_runs_from_the_wheel_in_an_empty_environment(wheel, tmp_path):
    """As a user installs it: a new environment, the registry, constraints.txt."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-c", str(REPOSITORY / "constraints.txt"), str(wheel)], check=True, timeout=1800)
    assert audit_from(python, tmp_path / "empty")["accounts"] == 40
    answers_from(python, tmp_path / "empty")
