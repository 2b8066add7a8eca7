"""What the book shows, read from the marts once: the figures of the night and the rows of each account.

Pages compute nothing but sums of what stands here, so that a page and a query of a reader give the same number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.dates import as_day
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_text
from vim_pipelines.reporting.figures import NightFigures, read_figures, read_requests

if TYPE_CHECKING:
    from vim_pipelines.warehouse import Session

Row = dict[str, Any]
#: Parts of an account's page: the mart, and the order of its rows.
PARTS: dict[str, tuple[str, str]] = {
    "waste": ("fct_license_waste", "product, opt_out_date, contract_line_key"),
    "renewals": ("fct_renewals", "opt_out_date, contract_line_key"),
    "weeks": ("fct_account_weeks", "week_start"),
    "risks": ("fct_risks", "rule_id"),
    "health": ("fct_health_scores", "account_key"),
    "contributions": ("fct_health_contributions", "contribution desc nulls last, measure"),
    "state": ("fct_account_state", "account_key"),
    "requirements": ("fct_requirements", "phase, requirement_id"),
    "actions": ("fct_next_best_actions", "account_rank nulls last, requirement_id"),
}
#: Weeks that a trend shows at most.
TREND_WEEKS = 26
SAFE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


def slug(key: str) -> str:
    """A file name for a key: itself in lower case where that says it all, else with a hash. Two keys that differ by case alone (Salesforce) stay two files."""
    plain = "".join(letter if letter in SAFE else "-" for letter in key.lower())[:60].strip("-")
    return plain if plain and plain == key else f"{plain or 'x'}-{sha256_text(key)[:8]}"


@dataclass(frozen=True)
class Account:
    """One account with its rows of the night, by part."""

    signals: Row
    parts: Mapping[str, Sequence[Row]]
    requests: Sequence[Row]
    drafts: Sequence[Row]

    @property
    def key(self) -> str:
        """Its key in the CRM."""
        return str(self.signals["account_key"])

    @property
    def name(self) -> str:
        """Its name, or its key."""
        return str(self.signals["account_name"] or self.key)

    @property
    def csm(self) -> str:
        """Its manager, `nobody` where none is named."""
        return str(self.signals["csm_name"] or "nobody")

    @property
    def segment(self) -> str:
        """Its segment, `unknown` where the CRM has none."""
        return str(self.signals["segment"] or "unknown")

    @property
    def band(self) -> str:
        """red, yellow, green or unknown."""
        return str(self.signals["risk_band"] or "unknown")

    @property
    def page(self) -> str:
        """Path of its page in the book."""
        return f"accounts/{slug(self.key)}.html"

    def one(self, part: str) -> Row:
        """The only row of a part; empty if there is none."""
        rows = self.parts.get(part, ())
        return rows[0] if rows else {}


@dataclass(frozen=True)
class BookData:
    """All that the pages of one night show."""

    figures: NightFigures
    history: Sequence[Row]
    accounts: Sequence[Account]
    quality: Sequence[Row]
    costs: Sequence[Row]
    cost_history: Sequence[Row]
    outcomes: Sequence[Row]
    outcome_counts: Sequence[Row]
    effects: Sequence[Row]
    evaluations: Mapping[str, Mapping[str, Any]]

    @property
    def night(self) -> date:
        """The as-of date."""
        return self.figures.as_of_date

    @cached_property
    def by_key(self) -> dict[str, Account]:
        """Accounts by their keys."""
        return {account.key: account for account in self.accounts}

    @cached_property
    def by_csm(self) -> dict[str, list[Account]]:
        """Accounts by their manager, in the order of names."""
        found: dict[str, list[Account]] = {}
        for account in sorted(self.accounts, key=lambda one: one.csm):
            found.setdefault(account.csm, []).append(account)
        return found


def read_book(session: Session, as_of: date | None = None, evaluations: Path | None = None) -> BookData:
    """Everything for the book of `as_of` (default: the newest night), in some twenty queries. VIM-E024 if it was not audited.

    A mart that the published copy does not have yet gives no rows, and its part of the page says that it is not known. `evaluations`: folder with
    the results of `vimotion evals`.
    """
    figures = read_figures(session, as_of)
    night = figures.as_of_date
    if not _is_last(session, night):
        _refuse_thinned(session, night)

    def of_night(mart: str, order: str, where: str = "") -> list[Row]:
        if not session.table_exists(f"marts.{mart}"):
            return []
        return session.rows(f"select * from marts.{mart} where as_of_date = ?{where} order by {order}", [night])

    parts = {part: _by_account(of_night(mart, f"account_key, {order}")) for part, (mart, order) in PARTS.items()}
    requests = _by_account(reversed(read_requests(session, night, is_last=_is_last(session, night))))
    drafts = _by_account(session.rows("select * from marts.fct_plans where as_of_date <= ? order by created_at desc, document, version desc", [night]))
    return BookData(
        figures=figures,
        history=session.rows("select * from marts.fct_portfolio_daily where as_of_date <= ? order by as_of_date", [night]),
        accounts=tuple(
            Account(
                row,
                {part: rows.get(row["account_key"], ()) for part, rows in parts.items()},
                requests.get(row["account_key"], ()),
                drafts.get(row["account_key"], ()),
            )
            for row in of_night("fct_account_signals", "account_key")
        ),
        quality=of_night("fct_data_quality", "entity, metric, detail"),
        costs=of_night("fct_llm_costs", "account_key, document"),
        cost_history=session.rows(
            "select as_of_date, sum(calls) as calls, sum(calls_without_price) as calls_without_price, sum(cost_usd) as cost_usd, sum(drafts) as drafts,"
            " sum(drafts_held) as drafts_held, sum(drafts_offline) as drafts_offline, sum(drafts_approved) as drafts_approved"
            " from marts.fct_llm_costs where as_of_date <= ? group by as_of_date order by as_of_date",
            [night],
        ),
        outcomes=of_night("fct_plan_outcomes", "account_key, request_id, criterion_number"),
        outcome_counts=of_night("fct_plan_outcome_counts", "document, segment"),
        effects=of_night("fct_plan_effects", "document, measure"),
        evaluations=read_evaluations(evaluations) if evaluations else {},
    )


def read_evaluations(folder: Path) -> dict[str, dict[str, Any]]:
    """The newest result of each evaluation (files `<day>_<name>.json`), with its day; empty without the folder."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(folder.glob("*_*.json")) if folder.is_dir() else []:
        day, _, name = file.stem.partition("_")
        try:
            found[name] = {"day": day, "result": json.loads(file.read_text(encoding="utf-8"))}
        except ValueError:
            found[name] = {"day": day, "result": {"error": "the file is not JSON"}}
    return found


def _refuse_thinned(session: Session, night: date) -> None:
    """VIM-E194 if retention has left this night's long marts to accounts with a request: the others' pages would look as if nothing were asked of them.

    Of a thinned night the last one of its week is whole.
    """
    if not all(session.table_exists(f"marts.{mart}") for mart in ("fct_account_state", "fct_requirements")):
        return

    def accounts(mart: str, day: date) -> int:
        return int(session.scalar(f"select count(distinct account_key) from marts.{mart} where as_of_date = ?", [day]))

    sunday = night + timedelta(days=6 - night.weekday())
    kept = as_day(session.scalar("select max(as_of_date) from marts.fct_account_state where as_of_date between ? and ?", [night, sunday]) or night)
    if accounts("fct_requirements", night) >= min(accounts("fct_account_state", night), accounts("fct_requirements", kept)):
        return
    raise VimError(
        "VIM-E194",
        f"The long marts of {night} were thinned",
        why="After some weeks one night a week is kept (vimotion retention show)",
        fix=f"Ask for {kept}, the night of that week that was kept, or compute it again: vimotion audit --as-of {night}",
    )


def _is_last(session: Session, night: date) -> bool:
    return bool(session.scalar("select max(as_of_date) from marts.fct_portfolio_daily") == night)


def _by_account(rows: Any) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["account_key"], []).append(row)
    return found
