"""How far long work is, told to whoever listens, without the work knowing who that is.

Drafting a portfolio with a language model takes minutes and costs money; a command line shows both as they grow. A context variable carries the
listener, so that no function between the command and the call has a parameter for it, and a night in Dagster, where nobody listens, pays nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal

#: (what, done, total, US dollars so far or None where a price is not known)
Listener = Callable[[str, int, int, Decimal | None], None]

_LISTENER: ContextVar[Listener | None] = ContextVar("progress listener", default=None)


def report(what: str, done: int, total: int, cost_usd: Decimal | None = None) -> None:
    """Tell the listener, if there is one, that `done` of `total` are there."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(what, done, total, cost_usd)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hear `report` of this thread and of the tasks that it starts, during the block."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)
