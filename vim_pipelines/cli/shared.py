"""What several commands need: settings, the store, who asks, and how lines are printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from vim_pipelines.approvals.policy import Actor
    from vim_pipelines.settings import Settings


def settings_of(state: dict[str, Any]) -> Settings:
    from vim_pipelines.settings import load_settings

    return load_settings(**state["overrides"])


def store_of(state: dict[str, Any]) -> Any:
    from vim_pipelines.store import open_store

    settings = settings_of(state)
    if settings.store_url is None and not (settings.home / "operations.db").is_file():
        from vim_pipelines.core.errors import VimError

        raise VimError("VIM-E024", f"No audit has run in {settings.home}", fix="Run vimotion audit first, or name the home folder with --home")
    return open_store(settings)


def person_of(state: dict[str, Any], acting_as: str | None) -> Actor:
    from vim_pipelines.approvals.people import resolve_actor
    from vim_pipelines.approvals.policy import policy_of

    settings = settings_of(state)
    return resolve_actor(settings, store_of(state), policy_of(settings), acting_as=acting_as)


def operator_of(state: dict[str, Any], acting_as: str | None) -> Actor:
    """The person at the command line; who has no role but may run commands here is its operator."""
    from vim_pipelines.approvals.people import login_name, resolve_actor
    from vim_pipelines.approvals.policy import Actor, policy_of
    from vim_pipelines.core.errors import VimError
    from vim_pipelines.store import open_store

    settings = settings_of(state)
    try:
        return resolve_actor(settings, open_store(settings), policy_of(settings), acting_as=acting_as)
    except VimError:
        if acting_as is not None:
            raise
        return Actor(login_name(), "operator", "cli")


@contextmanager
def served_settings(overrides: dict[str, Any], *, serve: bool = False) -> Iterator[Settings]:
    """Settings for a command that talks to the sources: in the sandbox the emulators run while the block does, unless they already do."""
    from vim_pipelines.settings import load_settings

    settings = load_settings(**overrides)
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        from vim_pipelines.core.errors import VimError

        raise VimError(
            "VIM-E002", f"The home folder {settings.home} cannot be made", why=error.strerror or "", fix="Name another with --home or VIMOTION_HOME"
        ) from None
    if settings.is_sandbox:
        from vim_pipelines.sandbox.night import is_served, serving

        if serve or not is_served(settings):
            with serving(settings) as served:
                yield served
            return
    yield settings


def for_portfolio(overrides: dict[str, Any], path: Path | None) -> dict[str, Any]:
    """Overrides for a portfolio file that was named; the sandbox's own files are served by the sandbox."""
    from vim_pipelines.portfolio.file import sandbox_crm_of

    crm = sandbox_crm_of(path) if path else None
    named: dict[str, Any] = {"portfolio": None, "sandbox_crm": crm} if crm else {"portfolio": path} if path else {}
    return overrides | named


def own_name() -> str:
    """How the user can call this command again from where he stands."""
    import shutil

    called = Path(sys.argv[0]).absolute()
    if shutil.which("vimotion") == str(called) or called.suffix == ".py":
        return "vimotion"
    near = os.path.relpath(called)
    return str(called) if near.startswith("..") else near


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is changed outside this machine; `--yes` answers beforehand. VIM-E188 where nobody can be asked, or the answer is no."""
    from vim_pipelines.core.errors import VimError

    if yes:
        return
    if not sys.stdin.isatty():
        raise VimError("VIM-E188", "Nobody was asked", why=f"'{question}' needs an answer, and no terminal is here", fix="Add --yes")
    if not click.confirm(question, err=True):
        raise VimError("VIM-E188", "Nothing was changed", fix="Run it again and answer y, or add --yes")


def say(text: str) -> None:
    click.echo(text, err=True)


def cpu_seconds() -> float:
    import resource

    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
