"""What became of each contract term, and the days on which a score had to be right about it.

Labels come from the append-only versions as they are known today; nothing here is a feature. A loss is dated when it was decided (the day
of notice, or the day on which the renewal was closed as lost), because a score that rises after that day has predicted nothing.
Three endings are kept apart: the customer does not renew (voluntary), the vendor ends it (involuntary), the customer renews for less
(contraction). A term is judged only once its outcome cannot be open any more, whatever the outcome: to take in early losses and leave
out the renewals of the same age would raise the loss rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: Days before the opt-out deadline on which a score is asked.
LEADS_DAYS = (180, 120, 90, 60, 30)
#: Days after the end of a term in which a late signature still counts as its renewal.
GRACE_DAYS = 60
#: Below this share of the value before, a renewal is a contraction; a tenth of a percent is rounding.
CONTRACTION_SHARE = 0.999

VOLUNTARY, INVOLUNTARY, CONTRACTED, RETAINED, OPEN = "voluntary non-renewal", "involuntary", "contraction", "retained", "open"
LOSSES = (VOLUNTARY, INVOLUNTARY)


@dataclass(frozen=True)
class Versions:
    """Row versions with `known_at`, of lines (raw.contract_lines), accounts (raw.accounts) and opportunities (raw.opportunities)."""

    lines: pd.DataFrame
    accounts: pd.DataFrame
    opportunities: pd.DataFrame


def terms(versions: Versions, today: date) -> pd.DataFrame:
    """One row per account and end of a term: account_key, start_date, end_date, opt_out_date, value, outcome, decided_on, closed_on.

    End, notice period and automatic renewal are those of the signed line, before anybody gave notice on it. `value` is the yearly value at the
    end of the term in the account's own currency. `closed_on` is the first day on which the outcome cannot be open: the opt-out deadline
    of a term that renews by itself, else GRACE_DAYS after its end. Until then the outcome is `open`.
    """
    import pandas as pd

    lines = _signed_lines(versions.lines)
    notices = _notices(versions)
    rows = []
    for key, group in lines.groupby(["account_key", "end_date"], sort=True):
        account, end = str(key[0]), pd.Timestamp(group["end_date"].iloc[0])
        own = lines[lines["account_key"] == account]
        start, opt_out = group["start_date"].min(), group["opt_out_date"].min()
        renews_by_itself = bool(group["auto_renew"].all())
        closed = opt_out if renews_by_itself else end + pd.Timedelta(days=GRACE_DAYS)
        until = end + pd.Timedelta(days=GRACE_DAYS)
        given = [day for account_key, day in notices if account_key == account and start < day <= until]
        decided = min(given) if given else None
        # What of the account runs on beside this term was there before and is there after.
        beside = own[(own["start_date"] <= end) & (own["last_end"] > end)]["value"].sum()
        before = group["value"].sum() + beside
        kept = own[(own["start_date"] <= until) & (own["last_end"] > end)]["value"].sum()
        if closed > pd.Timestamp(today):
            outcome, decided = OPEN, None
        elif renews_by_itself and until > pd.Timestamp(today):
            outcome = VOLUNTARY if decided is not None and decided <= closed else RETAINED
        elif kept <= 0:
            outcome = VOLUNTARY if decided is not None or not group["is_terminated"].any() else INVOLUNTARY
        elif kept < CONTRACTION_SHARE * before:
            outcome = CONTRACTED
        else:
            outcome = RETAINED
        if outcome in (VOLUNTARY, INVOLUNTARY, CONTRACTED) and decided is None:
            decided = end
        if outcome == RETAINED:
            decided = None
        rows.append((account, start, end, opt_out, float(before), outcome, decided, closed))
    columns = ["account_key", "start_date", "end_date", "opt_out_date", "value", "outcome", "decided_on", "closed_on"]
    return pd.DataFrame(rows, columns=columns).astype({"decided_on": "datetime64[ns]"})


def observations(table: pd.DataFrame, leads_days: Sequence[int] = LEADS_DAYS) -> pd.DataFrame:
    """One row per closed term and lead: the term's columns, lead_days, observed_on, lost.

    Left out: days before the term began, and days on or after the one on which the ending was decided.
    """
    import pandas as pd

    closed = table[table["outcome"] != OPEN]
    parts = []
    for lead in leads_days:
        part = closed.assign(lead_days=lead, observed_on=closed["opt_out_date"] - pd.Timedelta(days=lead))
        parts.append(part[(part["observed_on"] >= part["start_date"]) & ~(part["decided_on"] <= part["observed_on"])])
    rows = pd.concat(parts, ignore_index=True) if parts else closed
    rows["lost"] = rows["outcome"].isin(LOSSES).astype(int)
    return rows.sort_values(["observed_on", "account_key", "lead_days"], kind="stable").reset_index(drop=True)


def split(rows: pd.DataFrame, test_from: date) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(training rows, test rows): a term trains if it closed before `test_from`, and tests if all its days lie on or after it.

    A term that straddles the day is in neither, so no account stands on both sides within one term.
    """
    import pandas as pd

    at = pd.Timestamp(test_from)
    first = rows.groupby(["account_key", "end_date"])["observed_on"].transform("min")
    return rows[rows["closed_on"] < at].reset_index(drop=True), rows[(first >= at) & (rows["closed_on"] >= at)].reset_index(drop=True)


def default_split(rows: pd.DataFrame) -> date:
    """The day before which two thirds of the observations lie."""
    ordered = rows["observed_on"].sort_values()
    day: date = ordered.iloc[(2 * len(ordered)) // 3].date()
    return day


def _signed_lines(versions: pd.DataFrame) -> pd.DataFrame:
    """One row per line that was ever in force: terms as signed, `last_end` and `is_terminated` as last known."""
    import pandas as pd

    ordered = versions.sort_values(["contract_line_key", "known_at"], kind="stable")
    for column in ("start_date", "end_date", "notice_served_on"):
        ordered[column] = pd.to_datetime(ordered[column])
    deleted = ordered["is_deleted"].fillna(False).astype(bool) if "is_deleted" in ordered else pd.Series(False, index=ordered.index)
    status = ordered["status"].fillna("active")
    # A line that ended before its first capture is known as terminated only; it was in force all the same.
    signed = ordered[(status != "draft") & ~deleted].drop_duplicates("contract_line_key", keep="first")
    last = ordered.groupby("contract_line_key").last()
    is_gone = deleted.groupby(ordered["contract_line_key"]).last()
    signed = signed[~signed["contract_line_key"].map(is_gone).fillna(False).astype(bool)]
    seats, price = (pd.to_numeric(signed[name], errors="coerce") for name in ("seats", "net_unit_price_annual"))
    notice = pd.to_timedelta(pd.to_numeric(signed["notice_days"], errors="coerce").fillna(0), unit="D")
    signed = signed.assign(
        value=(seats * price).fillna(0.0).astype(float),
        opt_out_date=signed["end_date"] - notice,
        auto_renew=signed["auto_renew"].fillna(False).astype(bool),
        last_end=signed["contract_line_key"].map(last["end_date"]),
        is_terminated=signed["contract_line_key"].map(last["status"]).eq("terminated"),
    )
    in_order = signed["start_date"].notna() & signed["end_date"].notna() & (signed["end_date"] >= signed["start_date"]) & (seats > 0)
    # Amounts of another currency cannot be added up; the account's main one is that of its first line.
    main = signed["account_key"].map(signed.sort_values("start_date").groupby("account_key")["currency"].first())
    return signed[in_order & (signed["currency"] == main)].reset_index(drop=True)


def _notices(versions: Versions) -> list[tuple[str, Any]]:
    """(account, day) of every notice and every renewal closed as lost."""
    import pandas as pd

    found: set[tuple[str, Any]] = set()
    for frame, column in ((versions.lines, "notice_served_on"), (versions.accounts, "notice_received_on")):
        given = frame[["account_key", column]].dropna()
        found |= set(zip(given["account_key"], pd.to_datetime(given[column]), strict=True))
    deals = versions.opportunities
    lost = deals[(deals["opportunity_type"] == "renewal") & deals["is_closed"].fillna(False).astype(bool) & ~deals["is_won"].fillna(True).astype(bool)]
    found |= set(zip(lost["account_key"], pd.to_datetime(lost["known_at"]).dt.normalize(), strict=True))
    return sorted(found)


def needed_nights(rows: pd.DataFrame, have: Sequence[date], *, first: date, every: str, within_days: int) -> list[date]:
    """As-of dates to build so that each observation has a night at most `within_days` before it: Sundays (`weekly`) or ends of months.

    Nothing before `first`, the first day that has data.
    """
    known = sorted(have)
    missing: set[date] = set()
    for observed in sorted({moment.date() for moment in rows["observed_on"]}):
        if any(observed - timedelta(days=within_days) <= night <= observed for night in known):
            continue
        night = observed - timedelta(days=(observed.weekday() + 1) % 7) if every == "weekly" else observed.replace(day=1) - timedelta(days=1)
        if night >= first:
            missing.add(night)
    return sorted(missing)
