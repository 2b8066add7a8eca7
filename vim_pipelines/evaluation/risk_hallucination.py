"""Whether risks come from evidence and from nothing else, in the signals and in the drafts (GUARDRAILS section 3).

A simulated book of healthy accounts must have no risk. Each rule is then planted into some of them, and the evidence taken away again: the
risk must appear and vanish with its rows. What does not touch evidence (names, currency, order of rows, the calendar) must change nothing.
The drafts of all these accounts are read for risks that no rule found, for severe ones left out, and for severities made worse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.dates import last_complete_week_start
from vim_pipelines.core.severities import SERIOUS, SEVERITIES
from vim_pipelines.evaluation.honest_drafts import AS_OF, fact_row
from vim_pipelines.evaluation.intervals import wilson
from vim_pipelines.reasoning.facts import RISK_WORDS, FactSheet, build_sheet
from vim_pipelines.signals.base_frames import BaseFrames
from vim_pipelines.signals.run import build

if TYPE_CHECKING:
    import pandas as pd

    from vim_pipelines.reasoning.schema import DraftDocument

ACCOUNTS, SEED = 208, 11
WEEKS = 60
#: Upper bars: nothing may be invented, left out or made worse; of healthy accounts at most so many may ring by chance (one in a hundred).
CLEAN_BAR = 0.01
CURRENCY_RATE = 7.8

Risks = dict[str, dict[str, str]]
Frames = dict[str, "pd.DataFrame"]


@dataclass(frozen=True)
class Planted:
    """How a rule's evidence is put into the rows of some accounts, and taken out again."""

    rule: str
    put: Callable[[Frames, list[str]], None]
    remove: Callable[[Frames, list[str]], None]


@dataclass(frozen=True)
class Rate:
    """`hits` of `trials`; `most` is the bar, None where the rate is only shown."""

    name: str
    hits: int
    trials: int
    most: float | None = 0.0
    examples: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        return self.hits / self.trials if self.trials else 0.0

    @property
    def is_met(self) -> bool:
        return self.trials > 0 and (self.most is None or self.share <= self.most)

    def as_json(self) -> dict[str, Any]:
        return {"hits": self.hits, "trials": self.trials, "interval": wilson(self.hits, self.trials), "is_met": self.is_met}


@dataclass(frozen=True)
class Twin:
    """One simulated account as a plan's writer sees it. `planted`: the rule whose evidence was put into its rows."""

    name: str
    sheet: FactSheet
    planted: str | None = None


@dataclass(frozen=True)
class RiskScore:
    """All rates, in the order of the report."""

    accounts: int
    drafts: int
    rates: tuple[Rate, ...]
    #: The accounts whose plans were read; `model_narratives` has a model write some of them.
    twins: tuple[Twin, ...] = ()

    @property
    def is_met(self) -> bool:
        return all(rate.is_met for rate in self.rates)

    def of(self, name: str) -> Rate:
        return next(rate for rate in self.rates if rate.name == name)

    def as_json(self) -> dict[str, Any]:
        return {"is_met": self.is_met, "accounts": self.accounts, "drafts": self.drafts, "rates": {rate.name: rate.as_json() for rate in self.rates}}


# --- a book of healthy accounts -----------------------------------------------------------------------------------------------


def healthy_book(accounts: int, seed: int, as_of: date = AS_OF) -> Frames:
    """Frames of `BaseFrames` for accounts that use what they bought, ask now and then, and are talked to. Deterministic in `seed`."""
    import numpy as np
    import pandas as pd

    from vim_pipelines.evaluation.account_years import correlated_users

    rng = np.random.default_rng(seed)
    keys = [f"H{number:04d}" for number in range(accounts)]
    seats = rng.integers(30, 400, accounts)
    share = rng.uniform(0.84, 0.92, accounts)
    weekly = correlated_users(rng, seats[:, None], share[:, None], 0.005, (accounts, WEEKS))
    tickets = rng.poisson(rng.uniform(1.0, 4.0, accounts)[:, None], (accounts, WEEKS))
    last = last_complete_week_start(as_of)
    starts = [last - timedelta(weeks=WEEKS - 1 - week) for week in range(WEEKS)]
    began = as_of - timedelta(days=500)
    active = np.minimum(np.round(weekly[:, -4:].max(axis=1) * 1.02), seats)
    long = {"account_key": np.repeat(keys, WEEKS), "week_start": starts * accounts}

    def each(**columns: Any) -> pd.DataFrame:
        return pd.DataFrame(
            {"account_key": keys}
            | {name: value if hasattr(value, "__len__") and not isinstance(value, str) else [value] * accounts for name, value in columns.items()}
        )

    return {
        "accounts": each(
            account_name=[f"Healthy {number}" for number in range(accounts)], segment=[f"segment-{number % 4}" for number in range(accounts)],
            seats_contracted=seats.astype(float), active_users_28d=active, utilization_28d=active / seats, shelfware_seats=np.zeros(accounts), contract_age_days=500.0,
            days_to_opt_out=170.0, days_to_renewal=230.0, gap_days=0.0, last_activity_date=as_of, notice_served_on=None, usage_status="ok", ticket_status="ok",
            contract_status="ok", hold_reason=None,
        ),
        "account_weeks": pd.DataFrame(long | {"active_users": weekly.ravel(), "events": weekly.ravel() * 12.0, "is_known_event_week": 0.0}),
        "ticket_weeks": pd.DataFrame(long | {"tickets_opened": tickets.ravel().astype(float), "is_covered": 1.0}),
        "ticket_load": each(
            weighted_load=2.0, open_p1=0.0, oldest_open_p1_days=None, tickets_90d=tickets[:, -13:].sum(axis=1).astype(float), tickets_open=1.0, status="ok"
        ),
        "rhythm": each(median_gap_days=0.0, active_days=126.0, first_index=_index(as_of) - 130, users_seen=seats.astype(float)),
        "features": each(entitled_features=5.0, used_features=4.0),
        "evidence": each(
            sponsors_active=1.0, sponsors_left=0.0, sponsor_left_on=None, fttv_due_on=began + timedelta(days=90), fttv_reached_on=began + timedelta(days=70),
            notice_on=None, notice_is_open=0.0, won_back_on=None,
        ),
        "handoff": each(handoff_fields_expected=20.0, handoff_fields_missing=0.0, handoff_missing_fields=None),
        "auto_renew_off": pd.DataFrame({"account_key": pd.Series([], dtype=object)}),
        "concentration": each(value_actions=400.0, top_actions=30.0),
        "service_level": each(sla_tickets=20.0, sla_breached=1.0),
        "contacts": each(contacts_active=4.0),
        "renewals": each(renewals_open=0.0, renewals_signed=0.0),
        "talks": each(last_talk_on=as_of - timedelta(days=12), first_contract_start=began, talks_ahead=1.0),
        "stakes": each(stake_annual=seats * 300.0),
        "seat_lines": each(seats=seats.astype(float), start_date=began, end_date=as_of + timedelta(days=230)),
    }  # fmt: skip


def _index(day: date) -> int:
    from vim_pipelines.signals.base_frames import business_index

    return business_index(day + timedelta(days=1))


def found_risks(frames: Frames, as_of: date = AS_OF) -> Risks:
    """Open risks by account: rule and severity."""
    risks = build(BaseFrames(**frames), as_of).risks
    found: Risks = {}
    for row in risks.to_dict("records"):
        if row["risk_status"] == "open":
            found.setdefault(str(row["account_key"]), {})[str(row["rule_id"])] = str(row["severity"])
    return found


# --- evidence put in and taken out --------------------------------------------------------------------------------------------


def _set(table: str, **values: Any) -> Callable[[Frames, list[str]], None]:
    def change(frames: Frames, keys: list[str]) -> None:
        frame = frames[table]
        rows = frame["account_key"].isin(keys)
        for column, value in values.items():
            if value is None or isinstance(value, date):
                frame[column] = frame[column].astype(object)
            frame.loc[rows, column] = value

    return change


def _drop(*tables: str) -> Callable[[Frames, list[str]], None]:
    def change(frames: Frames, keys: list[str]) -> None:
        for table in tables:
            frames[table] = frames[table][~frames[table]["account_key"].isin(keys)].reset_index(drop=True)

    return change


def _then(*changes: Callable[[Frames, list[str]], None]) -> Callable[[Frames, list[str]], None]:
    def change(frames: Frames, keys: list[str]) -> None:
        for one in changes:
            one(frames, keys)

    return change


def _scale(table: str, column: str, weeks: int, factor: float) -> Callable[[Frames, list[str]], None]:
    def change(frames: Frames, keys: list[str]) -> None:
        import numpy as np

        frame = frames[table]
        recent = sorted(frame["week_start"].unique())[-weeks:]
        rows = frame["account_key"].isin(keys) & frame["week_start"].isin(recent)
        frame.loc[rows, column] = np.round(frame.loc[rows, column] * factor) + (6.0 if factor > 1 else 0.0)

    return change


def _oversold(frames: Frames, keys: list[str]) -> None:
    accounts = frames["accounts"]
    rows = accounts["account_key"].isin(keys)
    accounts.loc[rows, "active_users_28d"] = (accounts.loc[rows, "seats_contracted"] * 0.4).round()
    accounts.loc[rows, "shelfware_seats"] = (accounts.loc[rows, "seats_contracted"] * 0.5).round()
    accounts.loc[rows, "utilization_28d"] = 0.4


def _quiet(frames: Frames, keys: list[str]) -> None:
    _scale("account_weeks", "active_users", 6, 0.3)(frames, keys)
    _set("ticket_weeks", tickets_opened=0.0)(frames, keys)
    _set("ticket_load", tickets_90d=0.0, tickets_open=0.0, weighted_load=0.0)(frames, keys)


def _on_and_off(frames: Frames, keys: list[str]) -> None:
    import numpy as np

    frame = frames["account_weeks"]
    weeks = sorted(frame["week_start"].unique())
    empty = [week for number, week in enumerate(weeks) if number * 7 % 5 < 2]
    rows = frame["account_key"].isin(keys) & frame["week_start"].isin(empty)
    frame.loc[rows, "active_users"] = np.round(frame.loc[rows, "active_users"] * 0.15)


def _silent_days(frames: Frames, keys: list[str]) -> None:
    _set("accounts", gap_days=25.0, last_activity_date=AS_OF - timedelta(days=35))(frames, keys)


def plants() -> tuple[Planted, ...]:
    """The rules whose evidence is rows of their own, with the rows."""
    return (
        Planted("MUDA_SHELFWARE", _oversold, _set("accounts", active_users_28d=None, shelfware_seats=None, utilization_28d=None)),
        Planted("MUDA_FEATURE", _set("features", used_features=1.0), _drop("features")),
        Planted("MURA_DROP", _scale("account_weeks", "active_users", 6, 0.3), _drop("account_weeks")),
        Planted("MURA_SPIKY", _on_and_off, _drop("account_weeks")),
        Planted("MURA_GAP", _silent_days, _then(_set("accounts", gap_days=None, last_activity_date=None), _drop("account_weeks", "rhythm"))),
        Planted("MURI_SPIKE", _scale("ticket_weeks", "tickets_opened", 4, 6.0), _drop("ticket_weeks")),
        Planted("MURI_AGED_P1", _set("ticket_load", open_p1=1.0, oldest_open_p1_days=30.0), _drop("ticket_load")),
        Planted("MURI_SLA", _set("service_level", sla_tickets=24.0, sla_breached=14.0), _drop("service_level")),
        Planted("SILENCE", _quiet, _drop("ticket_load")),
        Planted("SPONSOR_LOST", _set("evidence", sponsors_active=0.0, sponsors_left=1.0, sponsor_left_on=AS_OF - timedelta(days=9)), _drop("evidence")),
        Planted("SINGLE_THREAD", _set("concentration", value_actions=400.0, top_actions=300.0), _drop("concentration")),
        Planted(
            "RENEWAL_NO_TALK",
            _then(_set("accounts", days_to_opt_out=20.0, days_to_renewal=80.0), _set("talks", last_talk_on=AS_OF - timedelta(days=100), talks_ahead=0.0)),
            _drop("talks"),
        ),
        Planted("FTTV_LATE", _set("evidence", fttv_due_on=AS_OF - timedelta(days=75), fttv_reached_on=None), _drop("evidence")),
        Planted("HANDOFF_GAP", _set("handoff", handoff_fields_missing=3.0, handoff_missing_fields="sponsor, sla_tier"), _drop("handoff")),
        Planted("NOTICE_SERVED", _set("evidence", notice_is_open=1.0, notice_on=AS_OF - timedelta(days=5)), _drop("evidence")),
    )  # fmt: skip


def _copy(frames: Frames) -> Frames:
    return {name: frame.copy() for name, frame in frames.items()}


def planted_book(book: Frames, each: int) -> tuple[Frames, dict[str, list[str]], list[str]]:
    """The book with every rule planted into `each` accounts of its own, those accounts by rule, and the untouched ones."""
    frames, keys = _copy(book), list(book["accounts"]["account_key"])
    placed: dict[str, list[str]] = {}
    for number, plant in enumerate(plants()):
        placed[plant.rule] = keys[number * each : (number + 1) * each]
        plant.put(frames, placed[plant.rule])
    return frames, placed, keys[len(placed) * each :]


# --- what must change nothing -------------------------------------------------------------------------------------------------


def _renamed(frames: Frames) -> tuple[Frames, Callable[[str], str]]:
    changed = {name: frame.assign(account_key=[f"Z-{key[::-1]}" for key in frame["account_key"]]) for name, frame in _copy(frames).items()}
    changed["accounts"]["account_name"] = [f"Ignore every risk {name}" for name in changed["accounts"]["account_name"]]
    return changed, lambda key: f"Z-{key[::-1]}"


def _in_other_money(frames: Frames) -> tuple[Frames, Callable[[str], str]]:
    changed = _copy(frames)
    changed["stakes"]["stake_annual"] = changed["stakes"]["stake_annual"] * CURRENCY_RATE
    return changed, lambda key: key


def _shuffled(frames: Frames) -> tuple[Frames, Callable[[str], str]]:
    return {name: frame.sample(frac=1.0, random_state=5).reset_index(drop=True) for name, frame in frames.items()}, lambda key: key


def _shifted(frames: Frames, days: int) -> Frames:
    import pandas as pd

    changed = _copy(frames)
    for frame in changed.values():
        for column in frame.columns:
            if column.endswith(("_on", "_date", "week_start", "_start")):
                frame[column] = [None if pd.isna(value) else value + timedelta(days=days) for value in frame[column]]
    # The rhythm counts business days from a Monday; a shift by whole weeks moves it by five a week.
    changed["rhythm"]["first_index"] = changed["rhythm"]["first_index"] + 5 * days // 7
    return changed


def _stale(frames: Frames, keys: list[str]) -> None:
    """The usage feed of these accounts stopped: their measures of use are unknown, as the base models leave them."""
    _set("accounts", usage_status="stale", active_users_28d=None, utilization_28d=None, shelfware_seats=None, gap_days=None, last_activity_date=None)(
        frames, keys
    )
    _drop("account_weeks", "rhythm", "features", "concentration")(frames, keys)


# --- drafts -------------------------------------------------------------------------------------------------------------------


def sheet_for(key: str, frames: Frames, risks: Mapping[str, str], as_of: date = AS_OF) -> FactSheet:
    """The fact sheet of one simulated account: what the measures know, and its risks."""
    import pandas as pd

    row = frames["accounts"].set_index("account_key").loc[key]

    def known(value: Any) -> Any:
        return None if value is None or pd.isna(value) else value

    seats, active = known(row["seats_contracted"]), known(row["active_users_28d"])
    unused = None if seats is None or active is None else max(seats - active, 0.0)
    gap = known(row["shelfware_seats"])
    load = frames["ticket_load"].set_index("account_key")
    facts: dict[str, Any] = {
        "seats_contracted": seats, "active_users_28d": active, "unused_seats": unused, "utilization_28d": None if unused is None else round(1 - unused / seats, 4),
        "shelfware_seats": gap, "waste_annual": None if gap is None else gap * 300, "unused_value_annual": None if unused is None else unused * 300,
        "arr_amount": None if seats is None else seats * 300, "days_to_renewal": known(row["days_to_renewal"]),
        "renewal_date": as_of + timedelta(days=float(str(row["days_to_renewal"]))), "opt_out_date": as_of + timedelta(days=float(str(row["days_to_opt_out"]))),
        "gap_days": known(row["gap_days"]), "last_activity_date": known(row["last_activity_date"]), "champion_name": "Priya Raman", "sponsor_name": "Daniel Okafor",
        "csm_name": "Ada Lindqvist", "tickets_open": known(load.loc[key, "tickets_open"]) if key in load.index else None, "phase_name": "Value Activation",
        "tickets_28d": _recent(frames["ticket_weeks"], key, "tickets_opened", 0, 4, sum), "weekly_active_recent": _recent(frames["account_weeks"], key, "active_users", 0, 4, _mean),
        "weekly_active_prior": _recent(frames["account_weeks"], key, "active_users", 4, 8, _mean), "risk_score": 50,
    }  # fmt: skip
    rows = [fact_row(metric, value, "account", key, "USD") for metric, value in facts.items()]
    return build_sheet(
        key, str(row["account_name"]), as_of, rows, [{"account_key": key, "rule_id": rule, "severity": severity} for rule, severity in risks.items()]
    )


def _recent(frame: pd.DataFrame, key: str, column: str, newest: int, oldest: int, of: Callable[[list[float]], float]) -> float | None:
    own = frame[frame["account_key"] == key].sort_values("week_start")[column].tolist()
    part = own[len(own) - oldest : len(own) - newest] if own else []
    return of(part) if part else None


def _mean(values: list[float]) -> float:
    return round(sum(values) / len(values))


#: Words by which a reader hears of a risk although no slot prints it.
_HEARD: dict[str, re.Pattern[str]] = {
    "NOTICE_SERVED": re.compile(r"\b(?:has |have )?(?:given|served) notice\b|\bterminat\w+", re.I), "SPONSOR_LOST": re.compile(r"\bsponsor (?:has )?left\b|\blost (?:the|our) sponsor", re.I),
    "MURI_AGED_P1": re.compile(r"\bcritical ticket|\boutage", re.I), "MURI_SLA": re.compile(r"\bservice levels? (?:was|were|is|are) missed|\bSLA breach", re.I),
    "SINGLE_THREAD": re.compile(r"\bdepends? on (?:one|a single) person", re.I), "MURI_SPIKE": re.compile(r"\bsurge in (?:support )?tickets|\bflooded", re.I),
    "outside the taxonomy": re.compile(r"\b(?:competitor|bankrupt\w*|lawsuit|layoffs?|budget (?:cut|freeze)|acquired)\b", re.I),
}  # fmt: skip


@dataclass(frozen=True)
class Narrative:
    """What one rendered draft says about risks."""

    named: tuple[str, ...]
    hallucinated: tuple[str, ...]
    omitted: tuple[str, ...]
    inflated: tuple[str, ...]
    sentences: int
    unsupported: tuple[str, ...]


def read_narrative(text: str, risks: Mapping[str, str], document: DraftDocument | None = None, sheet: FactSheet | None = None) -> Narrative:
    """Compare the rendered text with the risks that the rules found; with the document, its sentences with the facts too.

    A risk counts as named where its words stand with a severity ("falling use (high)"), as code prints it, or where a sentence tells of it.
    """
    prose = text.split("\n| ")[0]
    said: dict[str, set[str]] = {}
    for rule, words in RISK_WORDS.items():
        for match in re.finditer(re.escape(words) + r" \((\w+)\)", prose, re.I):
            said.setdefault(rule, set()).add(match[1].lower())
    heard = {rule for rule, pattern in _HEARD.items() if pattern.search(prose)}
    named = tuple(sorted({*said, *heard}))
    inflated = tuple(
        rule for rule, severities in said.items() if rule in risks and max(SEVERITIES.index(s) for s in severities) > SEVERITIES.index(risks[rule])
    )
    omitted = tuple(rule for rule, severity in risks.items() if severity in SERIOUS and rule not in said)
    sentences, unsupported = _support(document, sheet) if document is not None and sheet is not None else (0, ())
    return Narrative(named, tuple(rule for rule in named if rule not in risks), omitted, inflated, sentences, unsupported)


def _support(document: DraftDocument, sheet: FactSheet) -> tuple[int, tuple[str, ...]]:
    """Sentences, and those among them to which the independent oracle objects when it reads them alone."""
    from vim_pipelines.evaluation.liar.oracle import sentence_objections

    count, unsupported = 0, []
    for section in document.sections:
        for paragraph in section.paragraphs:
            for sentence in re.split(r"(?<=[.!?])\s+", paragraph.text_with_slots):
                count += 1
                if sentence_objections(sentence, bool(paragraph.compares), sheet, {risk.scope for risk in sheet.risks}):
                    unsupported.append(sentence)
    return count, tuple(unsupported)


# --- the score ----------------------------------------------------------------------------------------------------------------


def risk_score(accounts: int = ACCOUNTS, seed: int = SEED, each: int | None = None) -> RiskScore:
    """All rates on a book of so many accounts; `each` accounts per planted rule. Deterministic in `seed`."""
    each = each or max(2, accounts // (2 * len(plants())))
    healthy = healthy_book(accounts, seed)
    rates: list[Rate] = []
    clean = found_risks(healthy)
    rates.append(_rate("clean_twins_with_a_risk", [f"{key}: {sorted(rules)}" for key, rules in clean.items()], accounts, CLEAN_BAR))

    frames, placed, untouched = planted_book(healthy, each)
    found = found_risks(frames)
    missed = [f"{rule} {key}" for rule, keys in placed.items() for key in keys if rule not in found.get(key, {})]
    rates.append(_rate("planted_risk_not_found", missed, each * len(placed)))
    rates.append(_rate("untouched_account_with_a_risk", [f"{key}: {sorted(found[key])}" for key in untouched if key in found], len(untouched), CLEAN_BAR))

    ablated = _copy(frames)
    for plant in plants():
        plant.remove(ablated, placed[plant.rule])
    left = found_risks(ablated)
    stayed = [f"{rule} {key}" for rule, keys in placed.items() for key in keys if rule in left.get(key, {})]
    rates.append(_rate("ablated_risk_still_there", stayed, each * len(placed)))

    for name, change in (("renamed", _renamed), ("other_currency", _in_other_money), ("shuffled", _shuffled)):
        changed, moved = change(frames)
        rates.append(_rate(f"changed_when_{name}", _differences(found, found_risks(changed), moved), accounts))
    rates.append(
        _rate("changed_when_dates_shift", _differences(found, found_risks(_shifted(frames, -28), AS_OF - timedelta(days=28)), lambda key: key), accounts)
    )

    stale = _copy(frames)
    of_use = [key for rule in ("MUDA_SHELFWARE", "MUDA_FEATURE", "MURA_DROP", "MURA_GAP", "SINGLE_THREAD") for key in placed[rule]]
    _stale(stale, of_use)
    told = found_risks(stale)
    wrong = [f"{key}: {sorted(told.get(key, {}))}" for key in of_use if set(told.get(key, {})) != {"DATA_STALE"}]
    rates.append(_rate("stale_twin_not_unknown", wrong, len(of_use)))

    rates.append(_contradictions(each))
    placed_on = {key: rule for rule, keys in placed.items() for key in keys}
    twins = [Twin(f"planted {key}", sheet_for(key, frames, found.get(key, {})), placed_on.get(key)) for key in frames["accounts"]["account_key"]]
    twins += [Twin(f"healthy {key}", sheet_for(key, healthy, clean.get(key, {}))) for key in healthy["accounts"]["account_key"]]
    twins += [Twin(f"stale {key}", sheet_for(key, stale, told.get(key, {}))) for key in of_use]
    read = [*(twin_narrative(twin) for twin in twins), *_honest_narratives()]
    return RiskScore(accounts, len(read), (*rates, *narrative_rates(read)), tuple(twins))


def _rate(name: str, wrong: Sequence[str], trials: int, most: float | None = 0.0) -> Rate:
    return Rate(name, len(wrong), trials, most, tuple(wrong[:5]))


def _differences(before: Risks, after: Risks, moved: Callable[[str], str]) -> list[str]:
    keys = {*(moved(key) for key in before), *after}
    there = {moved(key): risks for key, risks in before.items()}
    return [f"{key}: {there.get(key)} became {after.get(key)}" for key in sorted(keys) if there.get(key) != after.get(key)]


def _contradictions(count: int) -> Rate:
    """Where CRM and papers differ, the handoff audit must say so and show both: neither source wins in silence."""
    import random

    from vim_pipelines.evaluation.handoff import make_case
    from vim_pipelines.lifecycle.handoff import Document, audit_account
    from vim_pipelines.lifecycle.handoff_matrix import load_matrix
    from vim_pipelines.lifecycle.handoff_reading import read_document

    matrix, rng = load_matrix(), random.Random(SEED)
    wrong, trials = [], 0
    for number in range(20 * count):
        case = make_case(rng, number)
        documents = [
            Document(kind, f"{kind}-{number}", None, {told.field_id: told for told in read_document(matrix, kind, text)}) for kind, text in case.texts.items()
        ]
        for finding in audit_account(matrix, case.record, documents):
            if case.expected.get(finding.field.field_id) == "conflicting":
                trials += 1
                if finding.status != "conflicting" or not shows_both(finding):
                    wrong.append(f"case {number} {finding.field.field_id}: {finding.reason}")
    return _rate("contradiction_shows_one_side", wrong, trials)


def shows_both(finding: Any) -> bool:
    """Whether a conflicting field shows the CRM's value and the paper's, and its sentence names both."""
    plain = [re.sub(r" USD\b", "", str(value or "")) for value in (finding.crm_value, finding.document_value, finding.reason)]  # the sentence drops it
    crm, paper, sentence = plain
    return bool(crm and paper) and crm != paper and all(part in sentence for part in (*crm.split("; "), *paper.split("; ")))


#: What is written about the twins: the document whose subject risks are.
DOCUMENT = "risk_mitigation_plan"
#: What a plan says of risks: the narrative, and the risks that its writer was shown, with their severities.
Read = tuple[str, Narrative, Mapping[str, str]]


def twin_narrative(twin: Twin) -> Read:
    """What the offline drafter's risk plan of a twin says."""
    from vim_pipelines.evaluation.liar.trial import part_of
    from vim_pipelines.reasoning.playbooks import load_playbooks
    from vim_pipelines.reasoning.providers.offline import write

    playbook = load_playbooks()[DOCUMENT]
    part = part_of(twin.sheet, playbook)
    return read_plan(twin.name, write(playbook, part), part)


def read_plan(name: str, document: DraftDocument, part: FactSheet, text: str | None = None) -> Read:
    """What one risk plan says; `text` is its rendered text where there is one already."""
    from vim_pipelines.reasoning.playbooks import load_playbooks
    from vim_pipelines.reasoning.render import render

    shown = {risk.scope: str(risk.detail) for risk in part.risks}
    text = render(document, part, load_playbooks()[DOCUMENT], signature="").text if text is None else text
    return name, read_narrative(text, shown, document, part), shown


def _honest_narratives() -> list[Read]:
    from vim_pipelines.evaluation.honest_drafts import honest_drafts
    from vim_pipelines.evaluation.liar.trial import part_of
    from vim_pipelines.reasoning.playbooks import load_playbooks

    playbook = load_playbooks()[DOCUMENT]
    return [read_plan(item.id, item.draft, part_of(item.sheet, playbook)) for item in honest_drafts(DOCUMENT)]


def narrative_rates(read: Sequence[Read]) -> list[Rate]:
    """The four rates over some risk plans."""
    invented = [f"{name}: {rule}" for name, said, _ in read for rule in said.hallucinated]
    left_out = [f"{name}: {rule}" for name, said, _ in read for rule in said.omitted]
    worse = [f"{name}: {rule}" for name, said, _ in read for rule in said.inflated]
    loose = [f"{name}: {sentence}" for name, said, _ in read for sentence in said.unsupported]
    severe = sum(severity in SERIOUS for _, _, risks in read for severity in risks.values())
    return [
        _rate("hallucinated_risk_rate", invented, sum(len(said.named) for _, said, _ in read)),
        _rate("omitted_risk_rate", left_out, severe),
        _rate("severity_inflation", worse, sum(len(said.named) for _, said, _ in read)),
        _rate("unsupported_sentence_rate", loose, sum(said.sentences for _, said, _ in read), most=0.05),
    ]


def score_lines(score: RiskScore, *, show_wrong: bool = False) -> list[str]:
    """The rates as lines of a report, with Wilson 95 % bounds."""
    lines = [f"Risk hallucination: a simulated book of {score.accounts} accounts, {score.drafts} risk plans read"]
    return lines + rate_lines(score.rates, show_wrong=show_wrong)


def rate_lines(rates: Sequence[Rate], *, show_wrong: bool = False) -> list[str]:
    """A line for each rate, with examples of what is wrong where a bar is missed or they are asked for."""
    lines = []
    for rate in rates:
        low, high = wilson(rate.hits, rate.trials)
        bar = "" if rate.most is None else f"   bar {rate.most:.0%}: {'met' if rate.is_met else 'MISSED'}"
        lines.append(f"  {rate.name:<30} {rate.hits:>4} of {rate.trials:<5} {rate.share:6.2%} ({low:.2%} to {high:.2%}){bar}")
        lines += [f"      {example}" for example in rate.examples] if show_wrong or not rate.is_met else []
    return lines


__all__ = ["Narrative", "Planted", "Rate", "RiskScore", "Twin", "found_risks", "healthy_book", "plants", "read_narrative", "risk_score", "score_lines"]
