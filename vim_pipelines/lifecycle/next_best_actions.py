"""Which of the map's actions is the next best one: candidates, their score, and the queue that a week's hours can hold.

Pure: frames of one day in, frames out; nothing reads the clock or the warehouse. A list that is longer than the week, that changes
its mind every night or that asks again for what is already on its way is not read for long. So an action keeps its identity and its
slot of the week, waits while a plan for it is decided or carried out, rests after it was done, ran out or was dismissed, and says what
came of it, which moves the chance that the next one of its kind is ranked with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.hashing import canonical_json, sha256_text
from vim_pipelines.lifecycle.action_rules import ActionRules
from vim_pipelines.lifecycle.action_tables import ACTION_TABLES
from vim_pipelines.lifecycle.phases import MANUAL, LifecycleMap
from vim_pipelines.lifecycle.rules.proof import PASSING

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = tuple(ACTION_TABLES["next_best_actions"])
#: Statuses of an action that is still to be done; the others are over and rest until their cool-down ends.
LIVE = frozenset({"open", "cut", "superseded", "snoozed", "waiting"})
#: States of an approval request while its plan is on its way, and once it has been carried out.
ON_ITS_WAY = frozenset({"pending", "approved", "rejected", "changes_requested", "replanning", "executing"})
CARRIED_OUT = frozenset({"applied", "verified"})
#: Who is chased, where it is not the CSM that does the chasing.
OTHER_QUEUES = {"director": "director", "data": "data"}
#: How long an action waits for an account that is not judged before it is forgotten; as long as the score remembers one.
WAITING_DAYS = 35


@dataclass(frozen=True)
class QueueDay:
    """What is known at the end of one day.

    `accounts`: one row per judged account with account_key, phase, snoozed_until and the columns of next_best_action_inputs.
    `requirements`: account_key, requirement_id, status, evidence, evidence_rows of at least what is not met or has a row in `previous`.
    `risks`: the open ones, account_key, rule_id, severity, summary. `requests`: the newest request of each account and document, with
    request_id, state and the day `on` of that state. `previous`: the queue of the day before. `outcomes`: requirement_id, segment, tried,
    helped up to the day before.
    """

    as_of: date
    accounts: pd.DataFrame
    requirements: pd.DataFrame
    risks: pd.DataFrame
    requests: pd.DataFrame
    previous: pd.DataFrame
    outcomes: pd.DataFrame


@dataclass(frozen=True)
class Queue:
    """`actions`: rows of computed.next_best_actions; `outcomes`: the counts up to and with this day."""

    actions: pd.DataFrame
    outcomes: pd.DataFrame


def build_queue(day: QueueDay, rules: ActionRules, lifecycle: LifecycleMap) -> Queue:
    """The queue of one day, ordered by account and requirement. The order of the rows that come in changes nothing."""
    found = candidates(day, rules, lifecycle)
    scored = score(found, day, rules, lifecycle)
    lived = _remember(scored, day, rules, lifecycle)
    ranked = fill_weeks(lived, day.as_of, {name: rule.due_days for name, rule in rules.requirements.items()})
    return Queue(_worded(ranked, rules, lifecycle), _counted(day.outcomes, ranked))


# --- candidates -----------------------------------------------------------------------------------------------------


def candidates(day: QueueDay, rules: ActionRules, lifecycle: LifecycleMap) -> pd.DataFrame:
    """What could be done tonight: account_key, requirement_id, requirement_status (None where only a risk asks), why, evidence_rows, risk_ids, severity.

    Unmet and stale requirements of the account's phase and of the overlays; unknown ones only where the map lets the data's owner be
    asked and something other than a person's word could answer; open risks that a line of the map serves.
    """
    import pandas as pd

    by_id = {requirement.requirement_id: requirement for requirement in lifecycle.requirements}
    always = {phase.number for phase in lifecycle.phases.values() if phase.kind == "overlay"}
    asked = day.requirements[day.requirements["requirement_id"].isin(by_id)].merge(day.accounts[["account_key", "phase"]], on="account_key")
    place = asked["requirement_id"].map({name: requirement.phase for name, requirement in by_id.items()})
    # What nobody can see of any account is one gap of the portfolio (fct_data_quality says so) and not an action on each of its accounts.
    unseen = asked.loc[asked["status"] == "unknown", "requirement_id"].value_counts()
    everywhere = set(unseen[unseen == len(day.accounts)].index) if len(day.accounts) > 1 else set()
    can_find_out = asked["requirement_id"].isin(
        [n for n, item in by_id.items() if item.who_is_chased == "data" and item.rule != MANUAL and n not in everywhere]
    )
    is_open = asked["status"].isin(["unmet", "stale"]) | ((asked["status"] == "unknown") & can_find_out)
    asked = asked[is_open & ((place == asked["phase"]) | place.isin(always))]
    asked = asked[["account_key", "requirement_id", "status", "evidence", "evidence_rows"]].rename(columns={"status": "requirement_status"})

    served = _served_risks(day, rules, by_id)
    both = asked.merge(served, on=["account_key", "requirement_id"], how="outer")
    texts = {name: both[name].astype(object).where(both[name].notna(), None).tolist() for name in both.columns}
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in texts.items()})
    frame["why"] = [" ".join(part for part in pair if part) for pair in zip(texts["evidence"], texts["risk_summaries"], strict=True)]
    frame["evidence_rows"] = [_joined(*pair) for pair in zip(texts["evidence_rows"], texts["risk_rows"], strict=True)]
    frame["asks_requirement"] = frame["requirement_status"].notna()
    frame["kind"] = [
        "find_out" if status == "unknown" and not risk else "do" for status, risk in zip(texts["requirement_status"], texts["risk_ids"], strict=True)
    ]
    frame = frame.drop(columns=["evidence", "risk_summaries", "risk_rows"])
    return frame.sort_values(["account_key", "requirement_id"], kind="stable").reset_index(drop=True)


def _served_risks(day: QueueDay, rules: ActionRules, by_id: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    judged = set(day.accounts["account_key"])
    gathered: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    columns = ("account_key", "rule_id", "severity", "summary")
    for account, rule_id, severity, summary in sorted(zip(*(day.risks[name].tolist() for name in columns), strict=True), key=lambda row: row[:2]):
        requirement = rules.risks.get(rule_id)
        if requirement in by_id and account in judged:
            gathered.setdefault((account, str(requirement)), []).append((rule_id, severity, summary or ""))
    rows = [
        {
            "account_key": account,
            "requirement_id": requirement,
            "risk_ids": ", ".join(rule_id for rule_id, _, _ in risks),
            "severity_share": max(rules.severity_shares[severity] for _, severity, _ in risks),
            "risk_summaries": " ".join(summary for _, _, summary in risks if summary),
            "risk_rows": canonical_json([{"entity": "risk", "key": f"{account}:{rule_id}"} for rule_id, _, _ in risks]),
        }
        for (account, requirement), risks in gathered.items()
    ]
    return pd.DataFrame(rows, columns=["account_key", "requirement_id", "risk_ids", "severity_share", "risk_summaries", "risk_rows"])


def _joined(first: str | None, second: str | None) -> str:
    """Two JSON lists of rows as one; a requirement that is about risks names the same ones."""
    if not first or not second:
        return first or second or "[]"
    rows = json.loads(first)
    return canonical_json([*rows, *(row for row in json.loads(second) if row not in rows)])


# --- score ----------------------------------------------------------------------------------------------------------


def urgency(business_days: Any, half_life: float, floor: float) -> Any:
    """1 on the day of the deadline, half way to `floor` after `half_life` business days, `floor` where no deadline is known (NaN)."""
    import numpy as np

    days = np.asarray(business_days, dtype=float)
    return np.where(np.isnan(days), floor, floor + (1.0 - floor) * np.exp2(-np.maximum(np.nan_to_num(days), 0.0) / half_life))


def chance(prior: Any, weight: float, tried: Any, helped: Any) -> Any:
    """Mean of the beta distribution after `helped` of `tried` outcomes, from a prior worth `weight` outcomes (beta-binomial)."""
    import numpy as np

    return (weight * np.asarray(prior, dtype=float) + np.asarray(helped, dtype=float)) / (weight + np.asarray(tried, dtype=float))


def score(found: pd.DataFrame, day: QueueDay, rules: ActionRules, lifecycle: LifecycleMap) -> pd.DataFrame:
    """`found` with queue, effort, every factor, and `score` = value_ranked x stake_share x urgency x chance (money a year), None where no value is known.

    An unknown value stays unknown in `value_at_stake`; `value_ranked` is then the median of its segment, named in `value_basis`.
    """
    import numpy as np

    frame = found.merge(_stakes(day.accounts, rules), on="account_key")
    _assign_queues(frame, lifecycle)
    entries = [rules.requirements[name] for name in frame["requirement_id"]]
    of_waste = np.array([entry.at_stake == "waste" for entry in entries], dtype=bool)
    frame["value_kind"] = np.where(of_waste, "waste", "arr")
    for name in ("value_at_stake", "value_ranked", "value_basis"):
        frame[name] = np.where(of_waste, frame[f"waste_{name}"], frame[f"arr_{name}"])
    for name in ("value_at_stake", "value_ranked"):
        frame[name] = frame[name].astype(float)
    own = np.array([entry.share for entry in entries], dtype=float)
    asked = np.where(frame["asks_requirement"].to_numpy(dtype=bool), own, 0.0)
    # A risk weighs by its severity. The waste is lost whole, whoever says so.
    risk = np.where(of_waste, own, frame["severity_share"].astype(float).fillna(0.0).to_numpy())
    frame["stake_share"] = np.fmax(asked, np.where(frame["risk_ids"].notna().to_numpy(), risk, 0.0))
    frame["effort_hours"] = [entry.effort_hours for entry in entries]
    frame["prior_chance"], frame["prior_weight"] = [entry.chance for entry in entries], rules.prior_weight
    counted = day.outcomes[["requirement_id", "segment", "tried", "helped"]]
    frame = frame.merge(counted.astype({"tried": "int64", "helped": "int64"}), on=["requirement_id", "segment"], how="left")
    for name in ("tried", "helped"):
        frame[name] = frame[name].fillna(0).astype("int64")
    frame["chance"] = np.round(chance(frame["prior_chance"], rules.prior_weight, frame["tried"], frame["helped"]), 6)
    frame["business_days_left"] = _business_days(day.as_of, frame["deadline_on"])
    frame["urgency"] = np.round(urgency(frame["business_days_left"], rules.half_life_business_days, rules.urgency_floor), 6)
    frame["score"] = np.round(frame["value_ranked"] * frame["stake_share"] * frame["urgency"] * frame["chance"], 2)
    return frame.drop(columns=[*(name for name in frame.columns if name.startswith(("arr_", "waste_"))), "severity_share"])


def _assign_queues(frame: pd.DataFrame, lifecycle: LifecycleMap) -> None:
    """Adds queue_kind, queue_owner and weekly_hours. What customers, sales and support do is the CSM's to get done; without a CSM, the director's."""
    import numpy as np

    kinds = {requirement.requirement_id: OTHER_QUEUES.get(requirement.who_is_chased, "csm") for requirement in lifecycle.requirements}
    kind = frame["requirement_id"].map(kinds).where(lambda kinds: (kinds != "csm") | frame["csm"].notna(), "director")
    director = frame["director"].astype(object).where(frame["director"].notna(), "director")
    frame["queue_kind"] = kind
    frame["queue_owner"] = np.select([kind == "csm", kind == "director"], [frame["csm"].astype(object), director], default="data")
    frame["weekly_hours"] = np.select([kind == "csm", kind == "director"], [frame["csm_hours"], frame["director_hours"]], default=frame["data_hours"])


def _stakes(accounts: pd.DataFrame, rules: ActionRules) -> pd.DataFrame:
    """Per account what it is weighed by, with `arr_` and `waste_` columns of value_at_stake, value_ranked and value_basis."""
    import numpy as np

    frame = accounts[
        ["account_key", "phase", "csm", "director", "deadline_on", "deadline_kind", "csm_hours", "director_hours", "data_hours", "snoozed_until"]
    ].copy()
    segments = accounts["segment"].astype(object).where(accounts["segment"].notna(), "unknown")
    frame["segment"] = segments
    for name, column in (("arr", "stake_annual"), ("waste", "waste_annual")):
        known = accounts[column].astype(float)
        grouped = known.groupby(segments)
        peers, peer_count = grouped.transform("median"), grouped.transform("count")
        has_peers, has_book = peer_count >= rules.median_min_accounts, known.count() >= rules.median_min_accounts
        stand_in = np.where(has_peers, peers, known.median() if has_book else np.nan)
        frame[f"{name}_value_at_stake"] = known
        frame[f"{name}_value_ranked"] = np.where(known.notna(), known, stand_in)
        basis = np.where(has_peers, "segment_median", "portfolio_median" if has_book else "unknown")
        frame[f"{name}_value_basis"] = np.where(known.notna(), "known", basis)
    return frame


def _business_days(as_of: date, deadlines: pd.Series) -> Any:
    """Mondays to Fridays from `as_of` to each deadline, the deadline left out; NaN where there is none."""
    import numpy as np
    import pandas as pd

    moments = pd.to_datetime(deadlines).to_numpy(dtype="datetime64[D]")
    known = ~np.isnat(moments)
    days = np.full(len(moments), np.nan)
    days[known] = np.busday_count(np.datetime64(as_of), moments[known])
    return np.maximum(days, 0.0)


# --- memory ---------------------------------------------------------------------------------------------------------


def _remember(scored: pd.DataFrame, day: QueueDay, rules: ActionRules, lifecycle: LifecycleMap) -> list[dict[str, Any]]:
    """Tonight's candidates with what earlier nights, requests and snoozes say of them, and the earlier actions that are none tonight."""
    documents = {requirement.requirement_id: requirement.document for requirement in lifecycle.requirements}
    # Most of the queue is asked for again tonight and needs of its past only what it takes along.
    earlier_rows = day.previous[day.previous["requirement_id"].isin(documents)]
    before = {_key(row): (place, row) for place, row in enumerate(_records(earlier_rows[["account_key", "requirement_id", *_TAKEN_ALONG]]))}
    requests = {(row["account_key"], row["document"]): row for row in _records(day.requests)}
    known = dict(zip(zip(day.requirements["account_key"], day.requirements["requirement_id"], strict=True), day.requirements["status"], strict=True))
    judged = set(day.accounts["account_key"])
    rows = []
    for row in _records(scored):
        account, requirement = _key(row)
        _, earlier = before.pop((account, requirement), (None, None))
        rows.append(_candidate(row, earlier, requests.get((account, documents[requirement])), day.as_of, rules))
    for row in _records(earlier_rows.iloc[[place for place, _ in before.values()]]):
        account, requirement = _key(row)
        gone = _gone(row, account in judged, known.get((account, requirement)), requests.get((account, documents[requirement])), day.as_of, rules)
        if gone is not None:
            rows.append(gone)
    _supersede(rows, rules, lifecycle)
    return sorted(rows, key=_key)


def _key(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["account_key"], row["requirement_id"]


#: What an action takes along from night to night, with its value on the first.
_MEMORY: dict[str, Any] = dict.fromkeys(
    ("status_reason", "first_shown_on", "last_shown_on", "due_on", "cool_down_until", "taken_week", "taken_by", "done_on", "done_how", "request_id", "outcome", "outcome_on")
) | {"is_outcome_counted": False}  # fmt: skip
_TAKEN_ALONG = (*_MEMORY, "opened_on", "action_id", "status")
#: What a reopened action forgets: how it ended.
_ENDED = {"status_reason", "cool_down_until", "done_on", "done_how", "request_id", "outcome", "outcome_on"}


def _candidate(row: dict[str, Any], earlier: Mapping[str, Any] | None, request: Mapping[str, Any] | None, as_of: date, rules: ActionRules) -> dict[str, Any]:
    """A candidate with its memory and its status: `ranked` where only the week's hours are still to decide."""
    rule = rules.requirements[row["requirement_id"]]
    if earlier is None or _is_over(earlier, as_of):
        opened = {"opened_on": as_of, "action_id": action_id(row["account_key"], row["requirement_id"], as_of)}
        row |= _MEMORY | opened
        earlier_status = None
    else:
        row |= {name: earlier[name] for name in (*_MEMORY, "opened_on", "action_id")}
        earlier_status = earlier["status"]
        if earlier_status not in LIVE and not _is_reopened(earlier, request):
            row["status"] = earlier_status
            return _still_unmet(row, as_of, rule.window_days)
        row |= {name: _MEMORY[name] for name in _ENDED}
    if request is not None:
        state, on = request["state"], request["on"]
        if state == "dismissed" and on + timedelta(days=rules.dismissed_days) >= as_of:
            until = on + timedelta(days=rules.dismissed_days)
            return row | _ended("dismissed", f"dismissed on {on} (request {request['request_id']})", until, "dismissed", as_of, request)
        if state in CARRIED_OUT and on >= row["opened_on"]:
            return _still_unmet(row | _carried_out(request, as_of, rule.cool_down_days), as_of, rule.window_days)
        if state in CARRIED_OUT and on + timedelta(days=rule.cool_down_days) >= as_of:
            return row | {"status": "superseded", "status_reason": f"its plan was carried out on {on} (request {request['request_id']}); the effect is awaited"}
        if state in ON_ITS_WAY:
            return row | {
                "status": "superseded",
                "status_reason": f"its plan is {state.replace('_', ' ')} (request {request['request_id']})",
                "request_id": request["request_id"],
            }
    if row["snoozed_until"] is not None and row["snoozed_until"] >= as_of:
        return row | {"status": "snoozed", "status_reason": f"the account is snoozed until {row['snoozed_until']}"}
    if earlier_status == "open" and row["due_on"] < as_of:
        return row | _ended("expired", f"not done by {row['due_on']}", as_of + timedelta(days=rule.cool_down_days), "not_met", as_of)
    return row | {"status": "ranked"}


def _is_over(earlier: Mapping[str, Any], as_of: date) -> bool:
    """Whether an action has ended and rested. One whose effect no night has looked at yet (audits days apart) stays until one has."""
    is_awaited = earlier["done_how"] == "request" and not earlier["is_outcome_counted"]
    return earlier["status"] not in LIVE and earlier["cool_down_until"] < as_of and not is_awaited


def _is_reopened(earlier: Mapping[str, Any], request: Mapping[str, Any] | None) -> bool:
    """Whether an ended action is the same work again: what had been met is not met any more, or what was carried out was undone."""
    if earlier["done_how"] == "request":
        return request is not None and request["request_id"] == earlier["request_id"] and request["state"] not in CARRIED_OUT
    return bool(earlier["done_how"] == "criterion" or earlier["outcome"] == "not_asked")


def _ended(status: str, reason: str, until: date, outcome: str, as_of: date, request: Mapping[str, Any] | None = None) -> dict[str, Any]:
    named = {"request_id": request["request_id"]} if request is not None else {}
    return {"status": status, "status_reason": reason, "cool_down_until": max(until, as_of), "outcome": outcome, "outcome_on": as_of} | named


def _carried_out(request: Mapping[str, Any], as_of: date, cool_down_days: int) -> dict[str, Any]:
    """An audit that comes weeks late still says it once: the rest ends tonight at the earliest."""
    on = request["on"]
    return {
        "status": "done", "status_reason": f"carried out on {on} (request {request['request_id']})", "done_on": on, "done_how": "request",
        "request_id": request["request_id"], "cool_down_until": max(on + timedelta(days=cool_down_days), as_of),
    }  # fmt: skip


def _still_unmet(row: dict[str, Any], as_of: date, window_days: int) -> dict[str, Any]:
    """What was carried out has not helped if nothing shows it at the end of its window."""
    if row["done_how"] == "request" and not row["is_outcome_counted"] and as_of >= row["done_on"] + timedelta(days=window_days):
        until = max(row["cool_down_until"], as_of)
        row |= {"outcome": "not_met", "outcome_on": as_of, "is_outcome_counted": True, "counted_now": "tried", "cool_down_until": until}
    return row


def _gone(
    earlier: Mapping[str, Any], is_judged: bool, status: str | None, request: Mapping[str, Any] | None, as_of: date, rules: ActionRules
) -> dict[str, Any] | None:
    """An earlier action that nothing asks for tonight: resolved, no longer asked, waiting for its account, or forgotten (None)."""
    row, rule = dict(earlier), rules.requirements[earlier["requirement_id"]]
    if row["cool_down_until"] is not None and row["cool_down_until"] < as_of:
        return None
    if not is_judged:
        if row["status"] in LIVE and row["status"] != "waiting":
            row |= {"status": "waiting", "status_reason": "the account is not judged tonight", "cool_down_until": as_of + timedelta(days=WAITING_DAYS)}
        return row
    is_live = row["status"] in LIVE
    if not is_live and (row["done_how"] != "request" or row["outcome"] in ("met_by_due", "met_later", "waived")):
        return row
    if is_live and request is not None and request["state"] in CARRIED_OUT and request["on"] >= row["opened_on"]:
        row |= _carried_out(request, as_of, rule.cool_down_days)
    if row["first_shown_on"] is None and row["done_how"] != "request":
        return None  # nobody was asked, so there is nothing to rest from and nothing to tell
    is_met = not row["asks_requirement"] or status in PASSING
    if not is_met:
        # Asked no more without being met: another phase, or nobody can see it now.
        return (
            row if row["done_how"] == "request" else row | _ended("expired", "no longer asked", as_of + timedelta(days=rule.cool_down_days), "not_asked", as_of)
        )
    # A plan that was carried out before the queue ever showed its action is due by the end of its window.
    due = row["due_on"] or row["done_on"] + timedelta(days=rule.window_days)
    outcome = "waived" if status == "waived" and row["asks_requirement"] else "met_by_due" if as_of <= due else "met_later"
    if row["done_how"] == "request":
        row |= {"outcome": outcome, "outcome_on": as_of}
        if not row["is_outcome_counted"] and outcome != "waived":
            is_in_time = as_of <= row["done_on"] + timedelta(days=rule.window_days)
            row |= {"is_outcome_counted": True, "counted_now": "helped" if is_in_time else "tried"}
        return row
    reason = "the requirement is waived" if outcome == "waived" else "the requirement is met" if row["asks_requirement"] else "the risk is closed"
    return row | {"done_on": as_of, "done_how": "criterion"} | _ended("done", reason, as_of + timedelta(days=rule.cool_down_days), outcome, as_of)


def _supersede(rows: Sequence[dict[str, Any]], rules: ActionRules, lifecycle: LifecycleMap) -> None:
    """An action waits while one that comes first is still to be done on the same account."""
    titles = {requirement.requirement_id: requirement.title for requirement in lifecycle.requirements}
    to_do = {_key(row) for row in rows if row["status"] in ("ranked", "superseded")}
    for row in rows:
        if row["status"] == "ranked":
            first = [name for name in rules.requirements[row["requirement_id"]].superseded_by if (row["account_key"], name) in to_do]
            if first:
                row |= {"status": "superseded", "status_reason": f"'{titles[first[0]]}' comes first"}


def action_id(account_key: str, requirement_id: str, opened_on: date) -> str:
    """Identity of one episode of one action: it stays the same from the night it opens to the end of its rest."""
    return sha256_text(canonical_json([account_key, requirement_id, opened_on]))


# --- the week's hours -----------------------------------------------------------------------------------------------


def fill_weeks(rows: list[dict[str, Any]], as_of: date, due_days: Mapping[str, int]) -> list[dict[str, Any]]:
    """Rank the rows of status `ranked` in each queue and give the week's hours to the best; they become `open`, the others `cut`.

    As in `signals.selection`, an action that has hours keeps them for the ISO week, and hours of one that is over stay used: the work
    was begun. What does not fit any more is passed over for the next that does. Best first: score (unknown ones last, by the product of
    the other factors), nearer deadline, account, requirement.
    """
    week = as_of - timedelta(days=as_of.weekday())
    queues: dict[str, list[dict[str, Any]]] = {}
    used: dict[str, float] = {}
    by_account: dict[str, int] = {}
    for row in rows:
        row |= {"as_of_date": as_of, "queue_week": week, "queue_rank": None, "account_rank": None, "is_in_capacity": False}
        if row["status"] != "ranked" and row["taken_week"] == week:
            used[row["taken_by"]] = used.get(row["taken_by"], 0.0) + row["effort_hours"]
    for row in sorted((row for row in rows if row["status"] == "ranked"), key=_place):
        by_account[row["account_key"]] = row["account_rank"] = by_account.get(row["account_key"], 0) + 1
        queues.setdefault(row["queue_owner"], []).append(row)
    for owner, queue in queues.items():
        for place, row in enumerate(queue, 1):
            row["queue_rank"] = place
        free = queue[0]["weekly_hours"] - used.get(owner, 0.0)
        begun = [row for row in queue if row["taken_week"] == week and row["taken_by"] == owner]
        fresh = [row for row in queue if not (row["taken_week"] == week and row["taken_by"] == owner)]
        for row in (*begun, *fresh):
            if row["effort_hours"] <= free + 1e-9:
                free -= row["effort_hours"]
                _show(row, as_of, week, owner, due_days[row["requirement_id"]])
            else:
                row |= {"status": "cut", "status_reason": f"beyond the {row['weekly_hours']:g} hours of the week"}
    return rows


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    known = row["score"] is not None
    size = row["score"] if known else row["stake_share"] * row["urgency"] * row["chance"]
    days = row["business_days_left"]
    return (not known, -size, days is None, days or 0, row["account_key"], row["requirement_id"])


def _show(row: dict[str, Any], as_of: date, week: date, owner: str, due_days: int) -> None:
    due = row["due_on"] if row["due_on"] is not None and row["due_on"] >= as_of else as_of + timedelta(days=due_days)
    due = min(due, row["deadline_on"]) if row["deadline_on"] is not None else due
    row |= {
        "status": "open", "status_reason": None, "is_in_capacity": True, "taken_week": week, "taken_by": owner, "due_on": due,
        "first_shown_on": row["first_shown_on"] or as_of, "last_shown_on": as_of,
    }  # fmt: skip


# --- words and counts -----------------------------------------------------------------------------------------------


def _worded(rows: list[dict[str, Any]], rules: ActionRules, lifecycle: LifecycleMap) -> pd.DataFrame:
    """The rows of the table, with the map's words."""
    by_id = {requirement.requirement_id: requirement for requirement in lifecycle.requirements}
    version = f"{lifecycle.rule_version}/{rules.version}"
    words: dict[tuple[str, bool, str | None], dict[str, str]] = {}
    for row in rows:
        item = by_id[row["requirement_id"]]
        asked = (item.requirement_id, bool(row["asks_requirement"]), row["risk_ids"])
        row |= words.get(asked) or words.setdefault(asked, _criterion(item.title, *asked))
        row |= {
            "phase": item.phase, "title": item.title, "action": item.action, "yields": item.yields, "document": item.document,
            "who_is_chased": item.who_is_chased, "rule_version": version,
        }  # fmt: skip
    return typed(rows)


def _criterion(title: str, requirement_id: str, asks_requirement: bool, risk_ids: str | None) -> dict[str, str]:
    """When the action has reached its end, in words and as JSON: `requirement` must be in one of `statuses`, and no risk of `closed` be open."""
    risks = risk_ids.split(", ") if risk_ids else []
    parts = ([f"'{title}' is met or waived"] if asks_requirement else []) + ([f"no open risk {' or '.join(risks)}"] if risks else [])
    test: dict[str, Any] = {"requirement": requirement_id, "statuses": sorted(PASSING)} if asks_requirement else {}
    return {"success_criterion": " and ".join(parts), "success_test": canonical_json(test | ({"closed": risks} if risks else {}))}


def _counted(before: pd.DataFrame, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The outcomes up to yesterday with those of tonight: each action that was carried out counts once."""
    import pandas as pd

    sums = {(row["requirement_id"], row["segment"]): [int(row["tried"]), int(row["helped"])] for row in _records(before)}
    for row in rows:
        if counted := row.get("counted_now"):
            entry = sums.setdefault((row["requirement_id"], row["segment"]), [0, 0])
            entry[0] += 1
            entry[1] += counted == "helped"
    found = [{"requirement_id": key[0], "segment": key[1], "tried": tried, "helped": helped} for key, (tried, helped) in sorted(sums.items())]
    return pd.DataFrame(found, columns=["requirement_id", "segment", "tried", "helped"])


def typed(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a frame with the columns and types of computed.next_best_actions."""
    import pandas as pd

    kinds = {"bigint": "Int64", "boolean": "boolean", "double": "Float64"}
    table = ACTION_TABLES["next_best_actions"]
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=kinds.get(kind, "object")) for name, kind in table.items()}, columns=list(COLUMNS))


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with plain Python values: None for whatever is missing, dates for whatever has a date."""
    columns = {}
    for name in map(str, frame.columns):
        values = frame[name]
        if str(values.dtype).startswith("datetime"):
            columns[name] = values.to_numpy(dtype="datetime64[D]").astype(object).tolist()
        else:
            plain = values.astype(object).where(values.notna(), None).tolist()
            is_date = name.endswith(("_on", "_until", "_week", "_date")) or name == "on"
            columns[name] = [value.date() if isinstance(value, datetime) else value for value in plain] if is_date else plain
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
