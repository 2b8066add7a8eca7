"""Which account carries which truth.

The plan depends on the parameters only, never on what was drawn before: a chunk of accounts can be simulated alone and is
bit for bit the same as in one piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from vim_pipelines.sandbox.simulator.catalog import ACCOUNT_DIRT, HEADLINE_KEY, SANDBOX_TODAY, TRUTHS, Window

RoleKind = Literal["headline", "planted", "twin", "dirty", "ordinary"]

#: Share of accounts that are planted, twin or dirty; and of the pairs, the share that is shelfware.
PLANTED_SHARE = 0.40
SHELFWARE_SHARE = 0.22

# Streams of random numbers: one purpose never consumes another's draws, so that a change of the ticket model leaves usage as it was.
STREAMS = {
    "plan": 1,
    "profile": 2,
    "identity": 3,
    "usage": 4,
    "support": 5,
    "engagement": 6,
    "documents": 7,
    "contracts": 8,
    "fx": 9,
    "noise": 10,
    "licences": 11,
    "care": 12,
    "terms": 13,
    "paper": 14,
    "story": 15,
}


@dataclass(frozen=True)
class Parameters:
    """What a sandbox is made from. Equal parameters make equal sandboxes."""

    seed: int = 7
    accounts: int = 200
    weeks: int = 104
    today: date = SANDBOX_TODAY
    future_days: int = 14

    def __post_init__(self) -> None:
        # Shorter histories have no baseline for the ticket test and no room for a won-back customer's empty months.
        if self.weeks < 40:
            raise ValueError(f"a sandbox needs at least 40 weeks, not {self.weeks}: baselines are 24 weeks long")
        if self.accounts < 1 or self.future_days < 0:
            raise ValueError("a sandbox needs at least one account and no negative future")

    @property
    def window(self) -> Window:
        return Window(self.today, self.weeks, self.future_days)


@dataclass(frozen=True)
class Role:
    """What one account is there for. `pair` numbers a planted account and its twin; `mirrors` is the planted account of a twin."""

    index: int
    kind: RoleKind
    truth: str | None = None
    pair: int | None = None
    mirrors: int | None = None


def rng_for(parameters: Parameters, stream: str, number: int = 0) -> np.random.Generator:
    """The random numbers of one purpose for one account (or pair)."""
    return np.random.default_rng([parameters.seed, STREAMS[stream], number])


def account_key(index: int) -> str:
    """Key of the account at an index; index 0 is the headline account."""
    return HEADLINE_KEY if index == 0 else f"ACC-{index:05d}"


def roles(parameters: Parameters) -> list[Role]:
    """The role of every account, by index.

    A sandbox of 29 or more accounts holds every truth, its twin and every dirty record; a smaller one takes them in the order
    headline, pairs, dirt as far as they fit. Above that about 40 % of the accounts are planted, twins or dirty.
    """
    count = parameters.accounts
    seats = rng_for(parameters, "plan").permutation(np.arange(1, count)).tolist()
    by_index = {0: Role(0, "headline")}

    dirt = ACCOUNT_DIRT * max(1, count // 200)
    pair_count = max(len(TRUTHS), int((PLANTED_SHARE * count - 1 - len(dirt)) / 2))
    for pair, truth in enumerate(_truths_of_pairs(pair_count)):
        if len(seats) < 2:
            break
        planted, twin = seats.pop(), seats.pop()
        by_index[planted] = Role(planted, "planted", truth, pair)
        by_index[twin] = Role(twin, "twin", truth, pair, mirrors=planted)
    for truth in dirt:
        if seats:
            index = seats.pop()
            by_index[index] = Role(index, "dirty", truth)
    by_index |= {index: Role(index, "ordinary") for index in seats}
    return [by_index[index] for index in range(count)]


def _truths_of_pairs(pair_count: int) -> list[str]:
    """One pair of each truth first, then shelfware up to its share, then the others in turn."""
    extra_shelfware = max(0, round(pair_count * SHELFWARE_SHARE) - 1)
    chosen = [*TRUTHS, *(["shelfware"] * extra_shelfware)]
    others = TRUTHS[1:]
    return chosen[:pair_count] + [others[n % len(others)] for n in range(pair_count - len(chosen))]
