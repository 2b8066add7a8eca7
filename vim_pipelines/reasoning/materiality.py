"""When has an account changed enough to write again? Values are hashed in steps, so that a user more or less costs nothing.

A step alone would flap: a value that swings around the edge between two steps would make a new draft every second night. So a
value keeps the step of the last draft until it has moved by a whole step (hysteresis); the step is stored with the draft's facts.
Days to a date count in bands, which time crosses once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.reasoning.facts import METRIC_OF_HANDLE, Fact, FactSheet

#: Upper ends of the bands of days: where the sentences of the prompt files change with the nearness of a deadline, and where the roadmap's time ends.
#: Each edge that a date passes writes every document anew that shows it: with seven a year the calendar alone rewrote half a percent of a book a night.
DAY_BANDS = (0, 60, 180)
SCORE_STEP = Decimal(10)
#: A tenth: in an account of ten seats that is one person.
RATIO_STEP = Decimal("0.1")
SMALLEST_COUNT_STEP = Decimal(2)
#: Money that follows a count of seats, whose own step says when it matters: one seat of five is a fifth of the amount, and no news.
FOLLOWING_WIDTHS = 4
#: Tickets come and go: one that is open tonight is no news (a surge, an old critical one or missed targets are risks, and those count exactly).
SMALLEST_LOAD_STEP = Decimal(5)
#: A list of names stays the same while no more than this many came or went: a feature that somebody opened once is no other list.
NAMES_HOLD = 1
#: A metric of the customer's own has any scale: its step is a share of the value, down to the last place that is printed.
SMALLEST_MEASURE_STEP = Decimal("0.0001")
#: A step is kept up to so many widths away. A value lies up to half a width from its own step, so this leaves a whole width to move.
HOLD = Decimal("1.5")


def settled(sheet: FactSheet, previous: Mapping[str, Mapping[str, Any]] | None = None) -> FactSheet:
    """`sheet` with each fact's `step` set; `previous` are the stored facts of the last draft by handle."""
    before = previous or {}
    return replace(sheet, facts={handle: replace(fact, step=_step(fact, before.get(handle))) for handle, fact in sheet.facts.items()})


def canonical_facts(sheet: FactSheet) -> list[dict[str, Any]]:
    """What the key of a draft is made of: every fact of the (settled) sheet, its value as a step. A volatile fact counts by presence only."""
    return [
        {
            "handle": fact.handle, "metric": fact.metric, "scope": fact.scope, "unit": fact.unit, "currency": fact.currency, "status": fact.status,
            "sensitivity": fact.sensitivity, "class": fact.fact_class, "step": fact.step,
        }
        for _, fact in sorted(sheet.facts.items())
    ]  # fmt: skip


def draft_key(sheet: FactSheet, *, document: str, prompt_sha256: str, schema_sha256: str, model: str, feedback: str | None = None) -> str:
    """Identity of the text that would be written: unchanged accounts have an unchanged key and cost nothing."""
    return sha256_json(
        {
            "account": sheet.account_key, "document": document, "facts": canonical_facts(sheet), "prompt": prompt_sha256, "schema": schema_sha256,
            "model": model, "feedback": feedback,
        }
    )  # fmt: skip


def width(value: Decimal, smallest: Decimal) -> Decimal:
    """Width of a step near `value`: 4 to 10 % of it, in round numbers (1, 2 or 5 times a power of ten), never below `smallest`."""
    size = abs(value)
    if size == 0:
        return smallest
    decade = Decimal(1).scaleb(size.adjusted())
    lead = size / decade
    return max(smallest, decade * (Decimal("0.1") if lead < 2 else Decimal("0.2") if lead < 5 else Decimal("0.5")))


def _step(fact: Fact, previous: Mapping[str, Any] | None) -> str | None:
    kind = METRIC_OF_HANDLE[fact.handle].step
    if kind == "names":
        return _names_step(fact, previous)
    if not fact.is_known:
        return None
    if kind == "volatile":
        return "present"
    value = fact.value_number
    if kind == "exact" or value is None:
        return fact.value_text if value is None else format(value.normalize(), "f")
    if kind == "days":
        return str(next((index for index, end in enumerate(DAY_BANDS) if value <= end), len(DAY_BANDS)))
    size_at = _SIZES[kind]
    last = _last_step(fact, previous)
    is_kept = last is not None and abs(value - last) < HOLD * size_at(last)
    if last is not None and is_kept and not (_none_is_special(kind, value, size_at(last)) and (value == 0) != (last == 0)):
        return format(last.normalize(), "f")
    size = size_at(value)
    rounded = (value / size).to_integral_value(ROUND_HALF_UP) * size
    if rounded == 0 and value != 0 and _none_is_special(kind, value, size):
        rounded = size.copy_sign(value)
    return format(rounded.normalize(), "f")


#: How wide a step is at a value, by the kind of the metric.
_SIZES: Mapping[str, Callable[[Decimal], Decimal]] = {
    "count": lambda value: width(value, SMALLEST_COUNT_STEP),
    "following": lambda value: FOLLOWING_WIDTHS * width(value, Decimal(100)),
    "load": lambda value: width(value, SMALLEST_LOAD_STEP),
    "measure": lambda value: width(value, SMALLEST_MEASURE_STEP),
    "money": lambda value: width(value, Decimal(100)),
    "ratio": lambda _: RATIO_STEP,
    "score": lambda _: SCORE_STEP,
}


def _none_is_special(kind: str, value: Decimal, size: Decimal) -> bool:
    """Whether none and some are never the same step. One seat is as good as none; of tickets and of the score more is."""
    return kind not in ("load", "score") and (value == 0 or abs(value) >= size)


def _names_step(fact: Fact, previous: Mapping[str, Any] | None) -> str | None:
    """The names in order, or those of the last draft while hardly any came or went; "" for a list with nothing in it, None for one that is not known."""
    if not (fact.is_known or fact.is_empty):
        return None
    names = _names(fact.value_text) if fact.is_known else frozenset()
    if previous is not None and previous.get("step") is not None and previous.get("metric") == fact.metric and previous.get("scope") == fact.scope:
        before = str(previous["step"])
        if len(names ^ _names(before)) <= NAMES_HOLD:
            return before
    return ", ".join(sorted(names))


def _names(text: str | None) -> frozenset[str]:
    return frozenset(part for part in re.split(r", | and ", text or "") if part)


def _last_step(fact: Fact, previous: Mapping[str, Any] | None) -> Decimal | None:
    if previous is None or previous.get("step") is None or previous.get("status") != "ok":
        return None
    same = all(previous.get(name) == getattr(fact, name) for name in ("metric", "scope", "unit", "currency"))
    return Decimal(str(previous["step"])) if same else None
