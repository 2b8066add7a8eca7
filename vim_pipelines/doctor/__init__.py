"""`vimotion doctor`: is everything there that a night needs? One line a thing, green, yellow or red, each with its fix.

A night that fails at half past two is read at nine; the same failure found here is mended at once. Nothing is changed by looking: no
table is made, no store migrated, no record written, no message sent, and of a credential only the name of its setting is shown. The one thing that
costs is the call of one token to the language model (`--offline` leaves out whatever is outside this house). `mend` (`--fix`) is the one thing here
that makes something, and it only adds.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vim_pipelines.doctor import house, services, sources
from vim_pipelines.doctor.finding import Finding, exit_status, finding_lines
from vim_pipelines.doctor.sources import mend

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

__all__ = ["Finding", "examine", "exit_status", "finding_lines", "mend"]


def examine(settings: Settings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC), offline: bool = False) -> list[Finding]:
    """Look at everything, the sources side by side. `clock` is the real time (aware), which the vendors' clocks are compared with.

    `offline` asks nobody outside this house: no source, no model, no LangSmith, no Slack, no mail server.
    """
    findings = [house.python(), house.settings_files(settings)]
    portfolio, found = sources.portfolio_file(settings)
    findings += found
    if portfolio is not None:
        from vim_pipelines.portfolio.model import FILE_KINDS, SYSTEM_KINDS

        kinds = [] if offline else sorted({source.kind for source in portfolio.sources.values()} & set(SYSTEM_KINDS))
        files = [name for name, source in portfolio.sources.items() if source.kind in FILE_KINDS]
        with ThreadPoolExecutor(max_workers=max(1, len(kinds))) as pool:
            parts = list(pool.map(lambda kind: list(sources.system(portfolio, kind, settings, clock)), kinds))
        findings += [item for part in parts for item in part]
        findings += [item for name in files for item in sources.files(portfolio, name)]
        findings += sources.tables(portfolio, settings)
    findings += [
        *house.warehouse(settings),
        *house.readers(settings),
        house.store(settings),
        *house.inbox(settings),
        house.dbt(settings),
        house.dagster_home(settings),
        house.disk(settings),
    ]
    if offline:
        findings.append(Finding("outside", "not asked", "ok", "--offline: no source, no language model, no LangSmith, no Slack, no mail server"))
        return findings
    return [
        *findings,
        services.drafter(settings, calls=True),
        *services.langsmith(settings),
        *services.slack(settings),
        *services.mail(settings),
        *services.gmail(settings),
    ]
