"""From parameters to a simulated portfolio, whole or in chunks of accounts.

Each account depends on the parameters and its own number only, so that chunks put together are the same as one piece: 10,000
accounts fit into the memory of one chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import numpy as np

from vim_pipelines.sandbox.simulator.care import add_care
from vim_pipelines.sandbox.simulator.catalog import SANDBOX_TODAY
from vim_pipelines.sandbox.simulator.contracts import add_account, add_contract_lines, add_licenses, add_opportunities, draw_contacts
from vim_pipelines.sandbox.simulator.documents import add_documents, draw_pain
from vim_pipelines.sandbox.simulator.engagement import add_engagement
from vim_pipelines.sandbox.simulator.fx import add_fx_rates
from vim_pipelines.sandbox.simulator.lifecycle_truth import lifecycle_frame, lifecycle_truths
from vim_pipelines.sandbox.simulator.noise import arrive
from vim_pipelines.sandbox.simulator.paper import add_papers
from vim_pipelines.sandbox.simulator.plan import Parameters, roles
from vim_pipelines.sandbox.simulator.profile import draw_profile
from vim_pipelines.sandbox.simulator.rows import Rows
from vim_pipelines.sandbox.simulator.story import with_story
from vim_pipelines.sandbox.simulator.support import add_tickets
from vim_pipelines.sandbox.simulator.truth import account_truths, event_dirt_rows, truth_frame
from vim_pipelines.sandbox.simulator.usage import UsageBlock, account_usage, concatenate

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: Accounts that are held in memory at once; about seven million events, 400 MB.
CHUNK_ACCOUNTS = 500


@dataclass(frozen=True)
class Simulation:
    """A simulated portfolio, or a chunk of one (`number` from 0, `is_last`).

    `tables`: DataFrames by entity table, canonical columns and `modified_at`, several versions per key, in the order of time
    within a key. `usage`: recorded events in the order of arrival. `ground_truth` has the columns of `truth.COLUMNS`,
    `lifecycle_truth` those of `lifecycle_truth.COLUMNS`.
    """

    parameters: Parameters
    tables: dict[str, pd.DataFrame]
    usage: UsageBlock
    truth_rows: list[dict[str, Any]]
    lifecycle_rows: list[dict[str, Any]]
    event_dirt: dict[str, int]
    number: int = 0
    is_last: bool = True
    _cache: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def ground_truth(self) -> pd.DataFrame:
        return truth_frame(self.truth_rows + event_dirt_rows(self.parameters, self.event_dirt))

    @property
    def lifecycle_truth(self) -> pd.DataFrame:
        """What a perfect audit of the lifecycle would say at the end of the day before today; columns of `lifecycle_truth.COLUMNS`."""
        return lifecycle_frame(self.lifecycle_rows)

    @property
    def usage_events(self) -> pa.Table:
        """The telemetry as an Arrow table with plain strings; built once, on first use."""
        if "usage" not in self._cache:
            self._cache["usage"] = self.usage.table()
        return self._cache["usage"]


def simulate(seed: int = 7, accounts: int = 200, weeks: int = 104, today: date = SANDBOX_TODAY, future_days: int = 14) -> Simulation:
    """The whole portfolio in memory. Meant for some hundreds of accounts; `simulate_chunks` is for more."""
    return next(simulate_chunks(Parameters(seed, accounts, weeks, today, future_days), chunk_accounts=accounts))


def simulate_chunks(parameters: Parameters, chunk_accounts: int = CHUNK_ACCOUNTS) -> Iterator[Simulation]:
    """The portfolio in chunks of accounts. Tables that belong to no account (rates) are in the first."""
    planned = roles(parameters)
    horizon = datetime.combine(parameters.window.end, time())
    for number, first in enumerate(range(0, len(planned), chunk_accounts)):
        rows = Rows(horizon)
        if number == 0:
            add_fx_rates(parameters, rows)
        blocks: list[UsageBlock] = []
        truths: list[dict[str, Any]] = []
        lifecycle: list[dict[str, Any]] = []
        dirt: dict[str, int] = {}
        for role in planned[first : first + chunk_accounts]:
            profile = with_story(parameters, draw_profile(parameters, role))
            before = rows.mark()
            happened = account_usage(parameters, profile)
            recorded, counts = arrive(parameters, profile, happened)
            blocks.append(recorded)
            dirt = {name: dirt.get(name, 0) + count for name, count in counts.items()}
            users = np.unique(happened.user)

            add_account(parameters, profile, rows)
            people = draw_contacts(parameters, profile)
            add_contract_lines(parameters, profile, rows)
            add_opportunities(parameters, profile, rows)
            add_licenses(parameters, profile, happened, rows)
            pain = draw_pain(parameters, profile)
            handoff = add_documents(parameters, profile, people, pain, rows)
            diary = add_engagement(parameters, profile, people, pain, users, rows)
            add_care(parameters, profile, people, pain, diary, users, rows)
            tickets_28d = add_tickets(parameters, profile, users, rows)
            add_papers(parameters, profile, people, pain, handoff, rows)
            truths += account_truths(parameters, profile, happened, handoff, diary.dates, tickets_28d)
            lifecycle += lifecycle_truths(parameters, profile, people, handoff, rows.since(before))
        usage = concatenate(blocks).sorted_by_arrival()
        yield Simulation(parameters, rows.frames(), usage, truths, lifecycle, dirt, number, is_last=first + chunk_accounts >= len(planned))
