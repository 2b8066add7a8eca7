"""Which phase an account is in tonight, and why.

Kept free of Dagster and of the warehouse so that a year of states can be rebuilt from facts and argued about in a test. An account
never skips a mandatory gate and never falls back for want of data: only met or waived requirements open a gate, and nothing but
notice, a win-back or a person's word moves an account backwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from vim_pipelines.lifecycle.phases import LifecycleMap, Requirement
from vim_pipelines.lifecycle.rules.proof import PASSING


@dataclass(frozen=True)
class State:
    """Where an account stands. `entered_on`: as-of date on which it was seen to enter; `as_of`: date of this state."""

    phase: int
    entered_on: date
    as_of: date


@dataclass(frozen=True)
class Pin:
    """A person's word that the account is in a phase, while it is in force."""

    phase: int
    actor: str
    role: str
    note: str


@dataclass(frozen=True)
class Facts:
    """What can move an account besides requirements, on one day."""

    as_of: date
    notice_is_open: bool = False
    notice_on: date | None = None
    won_back_on: date | None = None
    pin: Pin | None = None


@dataclass(frozen=True)
class Transition:
    """One step. `from_phase` is None for the first assessment; `gate`: the requirements that opened it."""

    from_phase: int | None
    to_phase: int
    reason: str
    gate: tuple[str, ...] = ()


def first_state(lifecycle: LifecycleMap, as_of: date) -> tuple[State, Transition]:
    """Before the first audit nothing is known: the account starts in phase 1, and the gates it has passed are walked on evidence."""
    return State(lifecycle.first.number, as_of, as_of), Transition(None, lifecycle.first.number, "first assessment")


def next_phase(lifecycle: LifecycleMap, state: State, requirements: Mapping[str, str], facts: Facts) -> Transition | None:
    """The one step that tonight's evidence allows from `state`, or None.

    `requirements`: requirement id to status. In this order: a person's word, open notice, a relation that was lost and won back,
    the gate of the spine.
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
    phase = lifecycle.phases[state.phase]
    if phase.kind != "spine" or phase.successor is None or blocking(lifecycle, state.phase, requirements) is not None:
        return None
    return Transition(
        state.phase, phase.successor, f"{phase.name}: every mandatory requirement is met or waived", tuple(r.requirement_id for r in phase.mandatory)
    )


def walk(lifecycle: LifecycleMap, previous: State | None, requirements: Mapping[str, str], facts: Facts) -> tuple[State, list[Transition]]:
    """The state on `facts.as_of` and every step to it, one per gate, so that the way can be explained."""
    steps: list[Transition] = []
    if previous is None:
        state, step = first_state(lifecycle, facts.as_of)
        steps.append(step)
    else:
        state = previous
    for _ in range(2 * len(lifecycle.phases)):
        step_or_none = next_phase(lifecycle, state, requirements, facts)
        if step_or_none is None:
            return replace(state, as_of=facts.as_of), steps
        steps.append(step_or_none)
        # The loss between two audits happened before the win-back; it must not hide it.
        is_passed_through = step_or_none.to_phase == lifecycle.exception.number and not facts.notice_is_open and facts.pin is None
        state = State(step_or_none.to_phase, state.entered_on if is_passed_through else facts.as_of, state.as_of if is_passed_through else facts.as_of)
    raise AssertionError("the map leads in a circle")


def blocking(lifecycle: LifecycleMap, phase: int, requirements: Mapping[str, str]) -> Requirement | None:
    """The requirement to work on next: the first mandatory one known to be unmet, else the first that is not known to be met. None: the gate is open."""
    open_ones = [requirement for requirement in lifecycle.phases[phase].mandatory if requirements.get(requirement.requirement_id, "unknown") not in PASSING]
    known = [requirement for requirement in open_ones if requirements.get(requirement.requirement_id) == "unmet"]
    return next(iter(known or open_ones), None)
