"""What the lifecycle said of each account beside what was planted: missing handoff fields, held gates, phases, conflicts, neglect.

Issue 5's bar: over 20 seeds planted missing fields and gate blocks on structured data are found without a miss or a false one. A miss is
something planted that the audit does not say is missing; a false one is something that is there and is called missing, the mistake
that costs an audit its trust. Reads the truths by file path and the pipeline's tables, never the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vim_pipelines.evaluation.intervals import wilson
from vim_pipelines.warehouse.base import Session

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

#: Kinds of truth that the bar is about; the others are counted and shown.
BAR = ("requirement", "handoff_field", "phase")
#: What the truth calls wrong, and the answers of the audit that say so.
SAID = {"unmet": ("unmet", "stale"), "missing": ("missing",), "conflicting": ("conflicting",)}
FINE = {"met": ("unmet",), "present": ("missing",)}
COUNTS = ("planted", "found", "sound", "false")


@dataclass(frozen=True)
class StateClaims:
    """What the pipeline said on one day, by account and name: status of each requirement, status of each handoff field, phase."""

    requirements: Mapping[tuple[str, str], str]
    fields: Mapping[tuple[str, str], str]
    phases: Mapping[str, int]


@dataclass
class _Tally:
    planted: int = 0
    found: int = 0
    sound: int = 0
    false: int = 0
    missed: list[str] = field(default_factory=list)
    false_alarms: list[str] = field(default_factory=list)


def read_state_claims(session: Session, as_of: date) -> StateClaims:
    """The claims of `as_of`; the lifecycle must have been folded for it."""
    requirements = session.rows("select account_key, requirement_id, status from computed.requirements where as_of_date = ?", [as_of])
    phases = session.rows("select account_key, phase from computed.account_state where as_of_date = ?", [as_of])
    fields: dict[tuple[str, str], str] = {}
    if session.table_exists("computed.handoff_fields"):
        rows = session.rows("select account_key, field_id, status from computed.handoff_fields where as_of_date = ?", [as_of])
        fields = {(row["account_key"], row["field_id"]): row["status"] for row in rows}
    return StateClaims(
        {(row["account_key"], row["requirement_id"]): row["status"] for row in requirements}, fields, {row["account_key"]: int(row["phase"]) for row in phases}
    )


def score_states(truth_path: Path, claims: StateClaims, name: str = "") -> pd.DataFrame:
    """One row per kind and name of truth: planted, found, sound, falsely called wrong; `missed` and `false_alarms` name accounts as `name:account`.

    A phase counts as planted, and is found if it is the right one. Truths that the pipeline has no answer for (no such table) are left out.
    """
    import pandas as pd

    tallies: dict[tuple[str, str], _Tally] = {}
    for row in pd.read_parquet(truth_path).to_dict("records"):
        kind, account, about, expected = (str(row[column]) for column in ("kind", "account_key", "name", "expected"))
        said = _said(kind, account, about, claims)
        if said is None:
            continue
        tally = tallies.setdefault((kind, about), _Tally())
        if kind == "phase" or expected in SAID:
            tally.planted += 1
            if said == expected or said in SAID.get(expected, ()):
                tally.found += 1
            else:
                tally.missed.append(f"{name}:{account} ({said}, not {expected})")
        else:
            tally.sound += 1
            if said in FINE[expected]:
                tally.false += 1
                tally.false_alarms.append(f"{name}:{account}")
    rows = [{"kind": kind, "name": about, **asdict(tally)} for (kind, about), tally in tallies.items()]
    return pd.DataFrame(rows, columns=["kind", "name", *COUNTS, "missed", "false_alarms"])


def pool_states(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Counts of several portfolios added up, lists of accounts joined."""
    import pandas as pd

    everything = pd.concat(list(tables), ignore_index=True)
    return everything.groupby(["kind", "name"], sort=False).agg(dict.fromkeys((*COUNTS, "missed", "false_alarms"), "sum")).reset_index()


def state_failures(table: pd.DataFrame) -> tuple[str, ...]:
    """What misses the bar: one sentence for each missed or false truth of the kinds in `BAR`."""
    failures = []
    for row in table[table["kind"].isin(BAR)].to_dict("records"):
        for word, accounts in (("missed", row["missed"]), ("false", row["false_alarms"])):
            if accounts:
                failures.append(f"{row['kind']} {row['name']}: {len(accounts)} {word} ({', '.join(accounts[:4])})")
    return tuple(failures)


def rendered_states(table: pd.DataFrame) -> str:
    """The table as text, with Wilson 95 % bounds of both shares."""
    lines = [f"{'lifecycle truth':<38}{'found':>14}{'recall (95 %)':>24}{'false':>14}{'rate (95 %)':>24}"]
    for row in table.to_dict("records"):
        found = f"{row['found']} / {row['planted']}" if row["planted"] else "-"
        false = f"{row['false']} / {row['sound']}" if row["sound"] else "-"
        lines.append(
            f"{row['kind'] + ' ' + row['name']:<38}{found:>14}{_share(row['found'], row['planted']):>24}{false:>14}{_share(row['false'], row['sound']):>24}"
        )
    return "\n".join(lines)


def _said(kind: str, account: str, name: str, claims: StateClaims) -> str | None:
    if kind == "phase":
        phase = claims.phases.get(account)
        return None if phase is None else str(phase)
    if kind in ("handoff_field", "conflict"):
        return claims.fields.get((account, name))
    return claims.requirements.get((account, name))


def _share(hits: int, trials: int) -> str:
    if not trials:
        return "-"
    low, high = wilson(hits, trials)
    return f"{hits / trials:.1%} ({low:.1%}-{high:.1%})"
