"""What a call costs and what a model refuses: data in `models.yaml`, dated, because prices change.

An unknown model has an unknown cost. Counting it as 0 would let the budget guard pass the dearest mistake of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

_MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Usage:
    """Tokens of one call by kind. `input_tokens` excludes what went through the cache, as the API counts."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


@dataclass(frozen=True)
class Price:
    """Prices of a model from a day on, in US dollars for a million tokens."""

    effective: date
    input: Decimal
    output: Decimal
    cache_write: Decimal
    cache_read: Decimal


@dataclass(frozen=True)
class ModelSpec:
    """How a model is called. `thinking` is `omit` or `disabled`; a model that `models.yaml` does not know has no prices."""

    name: str
    thinking: str
    effort: str | None
    prices: tuple[Price, ...]
    long_prompt_tokens: int | None = None
    long_prompt_multiplier: Decimal = Decimal(1)

    def price_on(self, day: date) -> Price | None:
        """The prices in force on `day`; before the first known day, the first known ones."""
        if not self.prices:
            return None
        return next((price for price in reversed(self.prices) if price.effective <= day), self.prices[0])

    def cost(self, usage: Usage, day: date) -> Decimal | None:
        """US dollars for `usage`, or None when the price is not known."""
        price = self.price_on(day)
        if price is None:
            return None
        prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
        factor = self.long_prompt_multiplier if self.long_prompt_tokens is not None and prompt > self.long_prompt_tokens else Decimal(1)
        total = (
            usage.input_tokens * price.input + usage.output_tokens * price.output + usage.cache_read_tokens * price.cache_read
            + usage.cache_write_tokens * price.cache_write
        )  # fmt: skip
        return (total * factor / _MILLION).quantize(Decimal("0.000001"))


@dataclass(frozen=True)
class ModelCatalogue:
    """All of `models.yaml`."""

    tiers: Mapping[str, str]
    max_tokens: int
    models: Mapping[str, ModelSpec]

    def spec(self, name: str) -> ModelSpec:
        """How to call `name`; a model that is not listed is called plainly, at an unknown price."""
        return self.models.get(name) or ModelSpec(name, "omit", None, ())

    def dearest(self, day: date) -> ModelSpec:
        """The listed model with the highest output price: what the budget guard reckons with for an unknown one."""
        return max(self.models.values(), key=lambda spec: price.output if (price := spec.price_on(day)) else Decimal(0))


@lru_cache
def load_models(path: Path | None = None) -> ModelCatalogue:
    """The catalogue that ships with the package, or that of `path`."""
    data = yaml.safe_load((path or Path(__file__).with_name("models.yaml")).read_text(encoding="utf-8"))
    return ModelCatalogue(data["tiers"], int(data["max_tokens"]), {name: _spec(name, row) for name, row in data["models"].items()})


def _spec(name: str, row: Mapping[str, Any]) -> ModelSpec:
    prices = sorted(
        (Price(item["effective"], *(Decimal(str(item[kind])) for kind in ("input", "output", "cache_write", "cache_read"))) for item in row["prices"]),
        key=lambda price: price.effective,
    )
    long_prompt = row.get("long_prompt") or {}
    return ModelSpec(name, row["thinking"], row.get("effort"), tuple(prices), long_prompt.get("above_tokens"), Decimal(str(long_prompt.get("multiplier", 1))))
