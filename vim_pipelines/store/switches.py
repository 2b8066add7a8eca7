"""Switches that people turn while the system runs: `llm` off, and no language model is called from that second on; `write_back` off, and
nothing more is sent to a CRM.

Append-only: who turned it, in which role, when and why stays on record. A switch that nobody has turned is on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from vim_pipelines.store.models import Switch

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store

LLM = "llm"
WRITE_BACK = "write_back"
#: A run looks at the switch before every call, at most so often at the table.
FRESH_SECONDS = 1.0


@dataclass(frozen=True)
class SwitchState:
    """How a switch stands, and who turned it last (None: nobody ever did)."""

    name: str
    is_on: bool
    actor: str | None = None
    role: str | None = None
    note: str | None = None
    at: datetime | None = None


def read_switch(store: Store, name: str) -> SwitchState:
    """How the switch `name` stands."""
    with store.session() as session:
        row = session.scalar(select(Switch).where(Switch.name == name).order_by(Switch.switch_number.desc()).limit(1))
    return SwitchState(name, True) if row is None else SwitchState(name, row.is_on, row.actor, row.role, row.note, row.at)


def why_not_on(state: SwitchState, role: str, rank: Callable[[str], int]) -> str | None:
    """Why somebody in `role` may not turn a switch on that stands as `state`, or None. `rank` orders the roles; one it does not know ranks lowest.

    Anybody may turn off what may do harm; turning it on again takes at least the role of whoever turned it off.
    """
    if state.is_on or state.role is None or rank(role) >= rank(state.role):
        return None
    return f"{state.actor} turned it off as {state.role}"


def turn(store: Store, name: str, *, on: bool, actor: str, role: str, note: str, now: datetime) -> SwitchState:
    """Turn a switch; turning it to where it stands is recorded too, because somebody said so."""
    with store.session() as session:
        session.add(Switch(name=name, is_on=on, note=note, actor=actor, role=role, at=now))
    return read_switch(store, name)


def why_nothing_is_written(store: Store, settings: Settings) -> str | None:
    """Why nothing is sent to a CRM at this moment, by mode or by switch; None if something may be."""
    if settings.write_mode == "off":
        return "VIMOTION_WRITE_MODE is off"
    state = read_switch(store, WRITE_BACK)
    return None if state.is_on else f"write-back is switched off by {state.actor}" + (f": {state.note}" if state.note else "")


class LlmSwitch:
    """The `llm` switch as a run sees it: at most a second old. `tick` is a monotonic clock."""

    def __init__(self, store: Store, *, tick: Callable[[], float] = time.monotonic) -> None:
        self._store, self._tick = store, tick
        self._read_at: float | None = None
        self._why: str | None = None

    def why_off(self) -> str | None:
        """Why no model may be called, or None."""
        moment = self._tick()
        if self._read_at is None or moment - self._read_at >= FRESH_SECONDS:
            state = read_switch(self._store, LLM)
            self._why = None if state.is_on else f"language models are switched off by {state.actor}" + (f": {state.note}" if state.note else "")
            self._read_at = moment
        return self._why
