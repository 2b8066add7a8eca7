"""Everything a sandbox night needs, made if it is not there and served while it runs: simulated files and loopback emulators.

Composition (the command line) and tests call this; production definitions never do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from pydantic import SecretStr

from vim_pipelines.core.crms import WRITABLE_CRMS
from vim_pipelines.core.net import is_loopback
from vim_pipelines.settings import Settings, environment_variable

SUPPORT = "zendesk"


@contextmanager
def serving(settings: Settings) -> Iterator[Settings]:
    """Settings of the sandbox with the emulators' addresses and credentials, while the block runs.

    The CRM is that of `sandbox_crm`. The write mode is `live` (loopback only), except on the spreadsheet, which write-back does not know.
    """
    from vim_pipelines.sandbox.emulators.run import start_emulators
    from vim_pipelines.sandbox.simulator import ensure_sandbox

    ensure_sandbox(settings.sandbox_dir, seed=settings.sandbox_seed, accounts=settings.sandbox_accounts, weeks=settings.sandbox_weeks)
    with start_emulators(settings.sandbox_dir, (settings.sandbox_crm, SUPPORT)) as running:
        served = running.settings(settings)
        yield served.model_copy(update={"write_mode": "live"}) if settings.sandbox_crm in WRITABLE_CRMS else served


@contextmanager
def slack_beside(settings: Settings) -> Iterator[Settings]:
    """Settings with a loopback Slack in which anybody can be written to, while the block runs. Unchanged where a workspace is set up already.

    `sandbox up` serves it, so that a demo shows messages; a night does not, which sends none.
    """
    if settings.slack_bot_token is not None:
        yield settings
        return
    from vim_pipelines.sandbox.emulators.slack import SlackEmulator, serve_slack

    with serve_slack(SlackEmulator(admits_everyone=True)) as served:
        known = served.credentials(served.url)
        yield settings.model_copy(update={name: SecretStr(value) if name.endswith("_token") else value for name, value in known.items()})


def is_served(settings: Settings) -> bool:
    """Whether the settings name an address and credentials for the sandbox's CRM already, as in a process that `vimotion sandbox up` started."""
    from vim_pipelines.sandbox.emulators.run import VENDORS

    return all(getattr(settings, name) is not None for name in VENDORS[settings.sandbox_crm].settings)


def environment(settings: Settings) -> dict[str, str]:
    """The environment variables that give another process (Dagster) these settings."""
    from vim_pipelines.sandbox.emulators.run import VENDORS

    names = [*VENDORS[settings.sandbox_crm].settings, *VENDORS[SUPPORT].settings, "sandbox_crm", "write_mode"]
    if settings.slack_bot_token is not None and is_loopback(urlsplit(settings.slack_base_url).hostname or ""):
        names += [name for name in ("slack_base_url", "slack_bot_token", "slack_app_token") if getattr(settings, name) is not None]
    values = {name: getattr(settings, name) for name in names} | {"home": settings.home.resolve()}
    return {environment_variable(name): value.get_secret_value() if isinstance(value, SecretStr) else str(value) for name, value in values.items()}
