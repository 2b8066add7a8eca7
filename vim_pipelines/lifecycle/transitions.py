"""Which phase an account is in tonight, and why.

Kept free of Dagster and of the warehouse so that a year of states can be rebuilt from facts and argued about in a test. An account
never skips a mandatory gate and never falls back for want of data: only met or waived requirements open a gate, and nothing but
notice, a win-back, a known event (a new contract, a sponsor or champion who left) or a person's word moves an account backwards.

The state has regions: the spine (where the account stands), the exception (phase 11, which lies over the spine and remembers where that
stood), and the overlays 5, 6 and 7, each open or clear. No region moves another, but that the exception opens and ends on the spine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Literal

from vim_pipelines.lifecycle.phases import LifecycleMap, ReEntry, Requirement
from vim_pipelines.lifecycle.rules.proof import PASSING

#: A contract that is heard of this long after it began is no new deal any more: a source was added, or its history came late.
NEWS_DAYS = 90
#: The roles whose loss is an event.
SPONSORS = ("sponsor", "champion")

Presence = Literal["present", "left"]


@dataclass(frozen=True)
class Seen:
    """What an account's state remembers of events, so that each sends it back once: who was there, who has left when, the newest contract."""

    sponsor: Presence | None = None
    sponsor_left_on: date | None = None
    champion: Presence | None = None
    champion_left_on: date | None = None
    new_contract_on: date | None = None


@dataclass(frozen=True)
class State:
    """Where an account stands. `entered_on`: as-of date on which it was seen to enter; `as_of`: date of this state.

    `spine`: the spine's phase under an open exception, None outside it. `asked_again`: requirements whose proofs count from a day on.
    """

    phase: int
    entered_on: date
    as_of: date
    spine: int | None = None
    seen: Seen = Seen()
    asked_again: Mapping[str, date] = field(default_factory=dict)


@dataclass(frozen=True)
class Pin:
    """A person's word that the account is in a phase, while it is in force."""

    phase: int
    actor: str
    role: str
    note: str


@dataclass(frozen=True)
class Facts:
    """What can move an account besides requirements, on one day. None is unknown, and moves nobody.

    `sponsor`, `champion`: present, or left (known to have gone, and nobody else named). `new_contract_on`: first day of the newest contract of
    a product that the account did not have; `line_begun_on`: that of the newest line without notice, renewals included.
    """

    as_of: date
    notice_is_open: bool = False
    notice_on: date | None = None
    won_back_on: date | None = None
    pin: Pin | None = None
    sponsor: Presence | None = None
    sponsor_left_on: date | None = None
    champion: Presence | None = None
    champion_left_on: date | None = None
    new_contract_on: date | None = None
    line_begun_on: date | None = None


@dataclass(frozen=True)
class Transition:
    """One step. `from_phase` is None for the first assessment; `gate`: the requirements that opened it; `event`: what sent the account back."""

    from_phase: int | None
    to_phase: int
    reason: str
    gate: tuple[str, ...] = ()
    event: str | None = None


def first_state(lifecycle: LifecycleMap, as_of: date) -> tuple[State, Transition]:
    """Before the first audit nothing is known: the account starts in phase 1, and the gates it has passed are walked on evidence."""
    return State(lifecycle.first.number, as_of, as_of), Transition(None, lifecycle.first.number, "first assessment")


def next_phase(lifecycle: LifecycleMap, state: State, requirements: Mapping[str, str], facts: Facts) -> Transition | None:
    """The one step that tonight's evidence allows from `state`, or None.

    `requirements`: requirement id to status. In this order: a person's word, open notice, a relation that was lost and won back,
    an event that sends back, the gate of the spine.
    """
    exception = lifecycle.exception.number
    if facts.pin is not None:
        if facts.pin.phase == state.phase:
            return None
        return Transition(state.phase, facts.pin.phase, f"set by {facts.pin.actor} ({facts.pin.role}): {facts.pin.note}")
    if facts.notice_is_open:
        on = f" on {facts.notice_on.isoformat()}" if facts.notice_on else ""
        return None if state.phase == exception else Transition(state.phase, exception, f"notice received{on}")
    if facts.won_back_on is not None and facts.won_back_on > state.entered_on:
        if state.phase == exception:
            return Transition(exception, lifecycle.first.number, f"won back on {facts.won_back_on.isoformat()}")
        if facts.won_back_on > state.as_of:
            # Lost and won back between two audits: it passes through phase 11 so that the loss is on record.
            return Transition(state.phase, exception, f"lost before the win-back on {facts.won_back_on.isoformat()}")
    if state.phase == exception and facts.line_begun_on is not None and facts.line_begun_on > state.entered_on:
        # The notice was taken back, or there never was one: a line that begins now shows that the customer stays.
        return Transition(exception, lifecycle.first.number, f"won back: a contract line began on {facts.line_begun_on.isoformat()}")
    sent_back = re_entry(lifecycle, state, facts)
    if sent_back is not None:
        rule, reason, _ = sent_back
        return Transition(state.phase, rule.to, reason, event=rule.event)
    phase = lifecycle.phases[state.phase]
    if phase.kind != "spine" or phase.successor is None or blocking(lifecycle, state.phase, requirements) is not None:
        return None
    return Transition(
        state.phase, phase.successor, f"{phase.name}: every mandatory requirement is met or waived", tuple(r.requirement_id for r in phase.mandatory)
    )


def re_entry(lifecycle: LifecycleMap, state: State, facts: Facts) -> tuple[ReEntry, str, date] | None:
    """The event of tonight that sends the account back: its rule, the reason in words, and the day from which proofs count again; or None.

    Each event sends back once: what `state.seen` knows already is no news. A sponsor counts as lost only where one was known to be there, is
    known to have left, and nobody else is named; a contact that vanished from the CRM is want of data. Under a person's word, open notice or
    the exception nobody is sent back, and what happened meanwhile is not caught up with afterwards.
    """
    if facts.pin is not None or facts.notice_is_open or lifecycle.phases[state.phase].kind != "spine":
        return None
    if facts.won_back_on is not None and facts.won_back_on > max(state.as_of, state.entered_on):
        return None  # goes through the exception to phase 1 anyway
    place = lifecycle.spine.index(state.phase)
    rule = lifecycle.re_entries["new_contract"]
    new = facts.new_contract_on
    is_news = new is not None and (state.seen.new_contract_on is None or new > state.seen.new_contract_on) and new > state.as_of - timedelta(days=NEWS_DAYS)
    if new is not None and is_news and place >= lifecycle.spine.index(rule.start):
        return rule, f"a new contract began on {new.isoformat()}", new - timedelta(days=rule.days_before)
    rule = lifecycle.re_entries["sponsor_left"]
    lost = [role for role in SPONSORS if _is_lost(role, state.seen, facts)]
    if lost and place >= lifecycle.spine.index(rule.start):
        days = [left_on for role in lost if (left_on := getattr(facts, f"{role}_left_on")) is not None]
        said = [f"the {role} left" + (f" on {left.isoformat()}" if (left := getattr(facts, f"{role}_left_on")) is not None else "") for role in lost]
        return rule, " and ".join(said), (min(days) if days else facts.as_of) - timedelta(days=rule.days_before)
    return None


def asked_again(lifecycle: LifecycleMap, state: State | None, facts: Facts) -> Mapping[str, date]:
    """Requirements whose proofs count from a day on, tonight's event included. Asked before the requirements are judged. A win-back asks everything
    anew by itself: what proved the lost relation is no evidence any more."""
    if state is None:
        return {}
    if facts.won_back_on is not None and facts.won_back_on > state.entered_on and not facts.notice_is_open:
        return {}
    sent_back = re_entry(lifecycle, state, facts)
    if sent_back is None:
        return state.asked_again
    rule, _, since = sent_back
    return {**state.asked_again, **dict.fromkeys(rule.asks_again, since)}


def _is_lost(role: str, seen: Seen, facts: Facts) -> bool:
    left_on = getattr(facts, f"{role}_left_on")
    return getattr(seen, role) == "present" and getattr(facts, role) == "left" and (left_on is None or left_on != getattr(seen, f"{role}_left_on"))


def remembered(seen: Seen, facts: Facts) -> Seen:
    """What is known of events after tonight. Unknown takes nothing away."""
    known = [day for day in (seen.new_contract_on, facts.new_contract_on) if day is not None]
    return Seen(
        facts.sponsor or seen.sponsor,
        facts.sponsor_left_on if facts.sponsor == "left" and facts.sponsor_left_on else seen.sponsor_left_on,
        facts.champion or seen.champion,
        facts.champion_left_on if facts.champion == "left" and facts.champion_left_on else seen.champion_left_on,
        max(known) if known else None,
    )


def walk(lifecycle: LifecycleMap, previous: State | None, requirements: Mapping[str, str], facts: Facts) -> tuple[State, list[Transition]]:
    """The state on `facts.as_of` and every step to it, one per gate, so that the way can be explained."""
    steps: list[Transition] = []
    exception = lifecycle.exception.number
    if previous is None:
        state, step = first_state(lifecycle, facts.as_of)
        state = replace(state, seen=remembered(state.seen, facts))
        steps.append(step)
    else:
        state = previous
    asked = asked_again(lifecycle, previous, facts)
    for _ in range(2 * len(lifecycle.phases)):
        step_or_none = next_phase(lifecycle, state, requirements, facts)
        if step_or_none is None:
            return replace(state, as_of=facts.as_of, seen=remembered(state.seen, facts), asked_again=asked), steps
        steps.append(step_or_none)
        # The loss between two audits happened before the win-back; it must not hide it.
        is_passed_through = step_or_none.to_phase == exception and not facts.notice_is_open and facts.pin is None
        state = State(
            step_or_none.to_phase,
            state.entered_on if is_passed_through else facts.as_of,
            state.as_of if is_passed_through else facts.as_of,
            spine=state.phase if step_or_none.to_phase == exception else None,
            seen=remembered(state.seen, facts),
        )
    raise AssertionError("the map leads in a circle")


def region_of(lifecycle: LifecycleMap, step: Transition) -> str:
    """The region that a step belongs to: `exception` where phase 11 is entered or left, else `spine`."""
    return "exception" if lifecycle.exception.number in (step.from_phase, step.to_phase) else "spine"


def blocking(lifecycle: LifecycleMap, phase: int, requirements: Mapping[str, str]) -> Requirement | None:
    """The requirement to work on next: the first mandatory one known to be unmet, else the first that is not known to be met. None: the gate is open."""
    open_ones = [requirement for requirement in lifecycle.phases[phase].mandatory if requirements.get(requirement.requirement_id, "unknown") not in PASSING]
    known = [requirement for requirement in open_ones if requirements.get(requirement.requirement_id) == "unmet"]
    return next(iter(known or open_ones), None)
