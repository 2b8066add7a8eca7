"""Everything a sandbox night needs, made if it is not there and served while it runs: simulated files and loopback emulators.

Composition (the command line) and tests call this; production definitions never do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from vim_pipelines.settings import Settings, environment_variable


@contextmanager
def serving(settings: Settings) -> Iterator[Settings]:
    """Settings of the sandbox with the emulators' addresses and credentials, while the block runs; the write mode is `live` (loopback only)."""
    from vim_pipelines.sandbox.emulators.run import start_emulators
    from vim_pipelines.sandbox.simulator import ensure_sandbox

    ensure_sandbox(settings.sandbox_dir, seed=settings.sandbox_seed, accounts=settings.sandbox_accounts, weeks=settings.sandbox_weeks)
    with start_emulators(settings.sandbox_dir) as running:
        secrets = {name: SecretStr(value) if name.endswith("secret") else value for name, value in running.credentials.items()}
        yield settings.model_copy(update={**secrets, "write_mode": "live"})


def environment(settings: Settings) -> dict[str, str]:
    """The environment variables that give another process (Dagster) these settings."""
    names = (
        "salesforce_base_url",
        "salesforce_client_id",
        "salesforce_client_secret",
        "zendesk_base_url",
        "zendesk_client_id",
        "zendesk_client_secret",
        "write_mode",
    )
    values = {name: getattr(settings, name) for name in names} | {"home": settings.home.resolve()}
    return {environment_variable(name): value.get_secret_value() if isinstance(value, SecretStr) else str(value) for name, value in values.items()}
