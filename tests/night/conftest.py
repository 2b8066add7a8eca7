"""One sandbox night through the real command line, shared by the tests that only look at it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

if TYPE_CHECKING:
    from dagster import DagsterInstance

ACCOUNTS, WEEKS = 60, 60


@dataclass(frozen=True)
class Home:
    """A home folder and the command line that works on it, in a process of its own as a user would start it."""

    path: Path
    variables: dict[str, str]

    def run(self, *arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "vim_pipelines.cli", "--home", str(self.path), *arguments],
            capture_output=True, text=True, env=os.environ | self.variables | variables, cwd=self.path.parent if self.path.parent.is_dir() else None, check=False, timeout=500,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{arguments}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{self.log()[-3000:]}"
        return done

    def audit(self, *arguments: str, **variables: str) -> dict:
        return json.loads(self.run("audit", "--json", *arguments, **variables).stdout)

    def log(self) -> str:
        log = self.path / "logs" / "portfolio_audit.log"
        return log.read_text() if log.is_file() else ""

    def rows(self, sql: str, *parameters: object) -> list[tuple]:
        """Rows of the working file (no audit may be running)."""
        with duckdb.connect(str(self.path / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def fingerprint(self, schemas: tuple[str, ...] = ("raw", "computed", "marts"), without: tuple[str, ...] = ()) -> dict[str, str]:
        """A hash of the rows of every table, whatever their order."""
        found = {}
        with duckdb.connect(str(self.path / "warehouse.duckdb"), read_only=True) as connection:
            tables = connection.execute(
                "select table_schema, table_name from information_schema.tables where table_type = 'BASE TABLE' order by all"
            ).fetchall()
            for schema, table in tables:
                if schema in schemas and table not in without:
                    query = f"select count(*), coalesce(sum(hash(t)::hugeint), 0) from {schema}.{table} as t"
                    found[f"{schema}.{table}"] = str(connection.execute(query).fetchone())
        return found

    @contextmanager
    def dagster(self) -> Iterator[DagsterInstance]:
        """What Dagster keeps of this home's runs."""
        import dagster as dg

        folder = str(self.path / "dagster")
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("DAGSTER_HOME", folder)
            with dg.DagsterInstance.from_config(folder) as instance:
                yield instance

    def copy(self, target: Path) -> Home:
        shutil.copytree(self.path, target)
        return Home(target, self.variables)


def sandbox_home(path: Path, *, accounts: int = ACCOUNTS, weeks: int = WEEKS) -> Home:
    return Home(path, {"VIMOTION_SANDBOX_ACCOUNTS": str(accounts), "VIMOTION_SANDBOX_WEEKS": str(weeks)})


@pytest.fixture(scope="session")
def make_home():
    """Makes a home folder that nothing has run in."""
    return sandbox_home


@pytest.fixture(scope="session")
def first_night(tmp_path_factory) -> tuple[Home, dict]:
    """A finished first night: look, do not touch."""
    home = sandbox_home(tmp_path_factory.mktemp("night") / "home")
    return home, home.audit()


@pytest.fixture
def home(first_night, tmp_path) -> Home:
    """A copy of the first night to work on."""
    return first_night[0].copy(tmp_path / "home")
