"""What the detectors found of what was planted, and what they claimed of accounts that have nothing.

Reads the ground truth by file path and the pipeline's own output; never the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vim_pipelines.evaluation.intervals import wilson
from vim_pipelines.warehouse.base import Session

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

#: Planted truth to the rule that must find it. A win-back is no risk: the contract cycle must show it.
RULE_OF_TRUTH: dict[str, str] = {
    "shelfware": "MUDA_SHELFWARE", "unused_features": "MUDA_FEATURE", "spiky": "MURA_SPIKY", "gapped": "MURA_GAP", "dropping": "MURA_DROP",
    "ticket_overload": "MURI_SPIKE", "silence": "SILENCE", "sponsor_lost": "SPONSOR_LOST", "late_first_value": "FTTV_LATE",
    "incomplete_handoff": "HANDOFF_GAP", "notice_served": "NOTICE_SERVED", "win_back": "WON_BACK",
}  # fmt: skip

#: The bar of issue 2 is about shelfware of more than this many seats.
LARGE_SHELFWARE_SEATS = 20

COUNTS = ("planted", "found", "twins", "twins_flagged")


@dataclass(frozen=True)
class Claims:
    """What the pipeline said on one as-of date: (account, rule) pairs, and the accounts it audited."""

    flagged: frozenset[tuple[str, str]]
    accounts: frozenset[str]


def read_claims(session: Session, as_of: date) -> Claims:
    """The claims of `as_of`: computed.risks that false-discovery control let through, and accounts won back from base.int_contract_cycles (which must stand at `as_of`)."""
    risks = session.rows("select account_key, rule_id from computed.risks where as_of_date = ? and coalesce(risk_status, 'open') = 'open'", [as_of])
    won = session.rows("select account_key from base.int_contract_cycles where won_back_on is not null")
    audited = session.rows("select account_key from computed.account_scores where as_of_date = ?", [as_of])
    pairs = {(row["account_key"], row["rule_id"]) for row in risks} | {(row["account_key"], "WON_BACK") for row in won}
    return Claims(frozenset(pairs), frozenset(row["account_key"] for row in audited))


def evaluate_detectors(ground_truth_path: Path, claims: Claims) -> pd.DataFrame:
    """One row per detector: how many were planted and found, how many clean twins there are and how many were flagged all the same.

    Twins of every kind count for every detector, because a clean twin has nothing at all. Rates with Wilson 95 % bounds come from
    `with_bounds`, so that the counts of several portfolios can be added first (`pool`). `missed` and `false_alarms` name the accounts.
    """
    import pandas as pd

    truth = pd.read_parquet(ground_truth_path)
    unaudited = set(truth["account_key"].dropna()) - claims.accounts
    if unaudited:
        raise ValueError(f"{len(unaudited)} accounts of the ground truth were not audited, {min(unaudited)} among them: the two belong to different portfolios")
    twins = sorted(truth.loc[truth["truth"] == "clean_twin", "account_key"])
    rows = []
    for name, rule in RULE_OF_TRUTH.items():
        planted = truth[truth["truth"] == name]
        rows.append(_counted(name, rule, planted["account_key"], twins, claims))
        if name == "shelfware":
            large = planted.loc[planted["expected"] > LARGE_SHELFWARE_SEATS, "account_key"]
            rows.append(_counted(f"shelfware of more than {LARGE_SHELFWARE_SEATS} seats", rule, large, twins, claims))
    return pd.DataFrame(rows)


def pool(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Counts of several portfolios added up, lists of accounts joined, in the order of the first table."""
    import pandas as pd

    everything = pd.concat(list(tables), ignore_index=True)
    return everything.groupby(["truth", "rule_id"], sort=False).agg(dict.fromkeys((*COUNTS, "missed", "false_alarms"), "sum")).reset_index()


def with_bounds(table: pd.DataFrame) -> pd.DataFrame:
    """The table with recall and false-flag rate, each with its Wilson 95 % bounds."""
    result = table.copy()
    for name, hits, trials in (("recall", "found", "planted"), ("false_flag_rate", "twins_flagged", "twins")):
        bounds = [wilson(int(x), int(n)) for x, n in zip(table[hits], table[trials], strict=True)]
        result[name] = [x / n if n else None for x, n in zip(table[hits], table[trials], strict=True)]
        result[f"{name}_low"], result[f"{name}_high"] = [low for low, _ in bounds], [high for _, high in bounds]
    return result


def _counted(name: str, rule: str, planted: Iterable[str], twins: list[str], claims: Claims) -> dict[str, object]:
    planted = sorted(planted)
    missed = [account for account in planted if (account, rule) not in claims.flagged]
    false_alarms = [account for account in twins if (account, rule) in claims.flagged]
    return {
        "truth": name, "rule_id": rule, "planted": len(planted), "found": len(planted) - len(missed), "twins": len(twins), "twins_flagged": len(false_alarms),
        "missed": missed, "false_alarms": false_alarms,
    }  # fmt: skip
