"""How dbt is pointed at this installation: profile, parsed manifest, and one way to run a selection.

dbt writes wherever it is started (target, logs, a user id) and wants secrets in a file. Here it writes below the home folder
only, the profile names secrets by environment variable, and a failed model becomes one VIM-E023 instead of a page of log.
Free of Dagster: `assets.py` hands `dbt_environment` and `dbt_arguments` to dagster-dbt, tests and benchmarks call `run_dbt`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.settings import Settings, resource_path
from vim_pipelines.warehouse.base import Work

if TYPE_CHECKING:
    from vim_pipelines.warehouse.base import Warehouse

PROFILE_NAME = "value_in_motion"
TARGET_NAME = "vim"

#: The three fixed runs of a night, around the Python steps (DESIGN.md section 3).
RESERVED_SELECTIONS: dict[str, list[str]] = {"base": ["tag:base"], "marts": ["tag:marts"], "ops": ["tag:ops"]}

#: Where a profile value may not stand in clear text: profile key to the environment variable that dbt reads it from. The prefix
#: makes dbt scrub the value from its logs.
SECRET_VARIABLES: dict[str, str] = {"password": "DBT_ENV_SECRET_VIM_PASSWORD", "private_key_passphrase": "DBT_ENV_SECRET_VIM_KEY_PASSPHRASE"}
#: The settings behind them.
_SECRET_SETTINGS = {"password": "snowflake_password", "private_key_passphrase": "snowflake_private_key_passphrase"}

#: The as-of date travels in an environment variable: a changing `--vars` value would make dbt parse the whole project every night.
AS_OF_VARIABLE = "VIM_DBT_AS_OF_DATE"


#: The currency that dbt_project.yml assumes. It is passed only when it differs, because `--vars` makes dbt parse everything again once.
DEFAULT_CURRENCY = "USD"


@dataclass(frozen=True)
class DbtNode:
    """One node of a finished dbt run: its unique id, its status in dbt's words and the seconds it took."""

    unique_id: str
    status: str
    seconds: float


@dataclass(frozen=True)
class DbtRun:
    """A dbt run that succeeded, node by node in the order of execution."""

    nodes: tuple[DbtNode, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models and seeds that were built."""
        return tuple(node.unique_id.split(".")[-1] for node in self.nodes if node.unique_id.split(".")[0] in ("model", "seed"))


def project_dir() -> Path:
    """The dbt project of this installation; read only."""
    return resource_path("dbt_project")


def write_profile(settings: Settings, warehouse: Warehouse) -> Path:
    """Write `profiles.yml` for `warehouse` below `settings.dbt_target_dir` and return that folder.

    Secrets are written as `env_var(...)` calls. The file is left alone when it is already right, because dbt takes a newer
    profile for a changed one and parses everything again.
    """
    import yaml

    output = dict(warehouse.dbt_profile())
    for key, variable in SECRET_VARIABLES.items():
        if key in output:
            output[key] = f"{{{{ env_var('{variable}') }}}}"
    text = yaml.safe_dump({PROFILE_NAME: {"target": TARGET_NAME, "outputs": {TARGET_NAME: output}}}, sort_keys=True)
    folder = settings.dbt_target_dir
    folder.mkdir(parents=True, exist_ok=True)
    _write_if_changed(folder / "profiles.yml", text)
    return folder


def dbt_environment(settings: Settings, as_of: date | str | None = None, run_id: str | None = None) -> dict[str, str]:
    """Environment variables of every dbt call: where it writes, the as-of date, no telemetry, no version check, the secrets that
    the profile names, and on Snowflake what each model's session is set to (macros/session.sql)."""
    folder = settings.dbt_target_dir.resolve()
    variables = {
        "DBT_PROFILES_DIR": str(folder),
        "DBT_PROJECT_DIR": str(project_dir()),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_VERSION_CHECK": "false",
        "DBT_USE_COLORS": "false",
        "DO_NOT_TRACK": "1",
    }
    if as_of is not None:
        variables[AS_OF_VARIABLE] = str(as_of)
    if settings.warehouse == "snowflake":
        variables |= _snowflake_environment(settings, as_of, run_id)
    return variables


def _snowflake_environment(settings: Settings, as_of: date | str | None, run_id: str | None) -> dict[str, str]:
    from vim_pipelines.warehouse.snowflake import SnowflakeWarehouse

    secrets = {SECRET_VARIABLES[key]: getattr(settings, name) for key, name in _SECRET_SETTINGS.items()}
    rollups = settings.snowflake_warehouse_rollups or settings.snowflake_warehouse_transform or settings.snowflake_warehouse
    return {
        **{variable: secret.get_secret_value() for variable, secret in secrets.items() if secret is not None},
        "VIM_DBT_SESSION": SnowflakeWarehouse(settings, Work("transform", as_of, run_id)).dbt_session(),
        "VIM_DBT_TRANSIENT_MARTS": str(settings.snowflake_transient_marts),  # True or False: dbt reads it as a Python word
        **({"VIM_DBT_ROLLUP_WAREHOUSE": rollups} if rollups else {}),
    }


def dbt_arguments(select: Sequence[str], portfolio_currency: str, *, unit_tests: bool = False) -> list[str]:
    """Arguments of `dbt build` for a selection. Unit tests are for the developer's machine, not for the night.

    Needs the environment of `dbt_environment(settings, as_of)`. A test that compares a base model with a mart runs with the mart
    (`buildable`): dbt's default would run it with the base model too, before the mart exists.
    """
    arguments = ["build", "--select", *select, "--indirect-selection", "buildable"]
    if portfolio_currency != DEFAULT_CURRENCY:
        arguments += ["--vars", json.dumps({"portfolio_currency": portfolio_currency})]
    return arguments if unit_tests else [*arguments, "--exclude", "resource_type:unit_test"]


def ensure_manifest(settings: Settings) -> Path:
    """Path of a manifest of the present project files; parses only when one of them changed, or the program moved.

    Needs the profile (`write_profile`). The manifest does not depend on the as-of date. A home outlives the program that made it (an image with
    another Python has another folder), and what dbt parsed names each file by its whole path: dbt itself sees only that no content changed,
    and every seed fails.
    """
    folder = settings.dbt_target_dir.resolve()
    manifest, stamp = folder / "target" / "manifest.json", folder / "manifest.sha256"
    fingerprint = f"{project_fingerprint()}\n{project_dir().resolve()}"
    known = stamp.read_text() if stamp.is_file() else ""
    if manifest.is_file() and known == fingerprint:
        return manifest
    if known.partition("\n")[2] != fingerprint.partition("\n")[2]:
        (folder / "target" / "partial_parse.msgpack").unlink(missing_ok=True)
    _invoke(settings, ["parse"], None)
    stamp.write_text(fingerprint)
    return manifest


def project_fingerprint() -> str:
    """Hash of names and contents of all project files, and of dbt's version: what a manifest depends on."""
    from importlib.metadata import version

    digest = hashlib.sha256(version("dbt-core").encode())
    root = project_dir()
    for path in sorted(path for path in root.rglob("*") if path.suffix in (".sql", ".yml", ".csv")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def run_dbt(settings: Settings, select: Sequence[str], as_of: date, portfolio_currency: str, *, unit_tests: bool = False, full_refresh: bool = False) -> DbtRun:
    """`dbt build` of a selection inside this process, for the as-of date.

    Raises VIM-E023 with the name and the first line of the first model or test that failed. The warehouse file must be closed.
    """
    arguments = [*dbt_arguments(select, portfolio_currency, unit_tests=unit_tests), "--no-write-json"]  # saves half a second of manifest
    result = _invoke(settings, arguments + (["--full-refresh"] if full_refresh else []), as_of)
    return DbtRun(tuple(DbtNode(entry.node.unique_id, str(entry.status), float(entry.execution_time)) for entry in result))


def dbt_failure(results: Sequence[Mapping[str, Any]], reason: str = "") -> VimError:
    """The error for a dbt run that failed: names the first failed node of `results` (entries of run_results.json), or `reason`."""
    failed = [entry for entry in results if entry.get("status") in ("error", "fail", "runtime error")]
    if not failed:
        return VimError("VIM-E023", "dbt stopped before any model ran", why=_first_line(reason), fix="Look into logs/dbt.log below the dbt folder")
    first = failed[0]
    kind, _, *names = first["unique_id"].split(".")
    name = names[-1] if kind == "unit_test" else names[0]
    others = f" ({len(failed) - 1} more failed)" if len(failed) > 1 else ""
    return VimError(
        "VIM-E023",
        f"The dbt {kind.replace('_', ' ')} {name} failed{others}",
        why=_first_line(str(first.get("message") or "")),
        fix="Correct the data that the message names, or the model; logs/dbt.log below the dbt folder holds the SQL",
    )


def _invoke(settings: Settings, arguments: list[str], as_of: date | None) -> Any:
    from dbt.cli.main import dbtRunner

    with _environment(dbt_environment(settings, as_of)):
        try:
            outcome = dbtRunner().invoke(["--quiet", "--no-use-colors", *arguments])
        finally:
            _close_duckdb()
    if outcome.success:
        return outcome.result
    results = getattr(outcome.result, "results", None) or []
    entries = [{"unique_id": entry.node.unique_id, "status": str(entry.status), "message": entry.message} for entry in results]
    raise dbt_failure(entries, str(outcome.exception or ""))


def _close_duckdb() -> None:
    """dbt-duckdb keeps the file open until the process ends; the next step of this process would find it locked."""
    module = sys.modules.get("dbt.adapters.duckdb.connections")
    if module is not None and module.DuckDBConnectionManager._ENV is not None:
        module.DuckDBConnectionManager._ENV.close()
        module.DuckDBConnectionManager.close_all_connections()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _write_if_changed(path: Path, text: str) -> None:
    if path.is_file() and path.read_text() == text:
        return
    path.touch(mode=0o600)
    path.write_text(text)


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    informative = [line for line in lines if not line.startswith(("Runtime Error", "Database Error", "Compilation Error in"))]
    return (informative or lines or [""])[0]
