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
from typing import Any, Literal

import yaml

Provider = Literal["anthropic", "openai"]

_MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Usage:
    """Tokens of one call by kind. `input_tokens` excludes what went through the cache, as Anthropic counts; the two kinds of writes are apart."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0

    @property
    def prompt_tokens(self) -> int:
        """All tokens of the prompt, whatever way they were read."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens + self.cache_write_1h_tokens


@dataclass(frozen=True)
class Price:
    """Prices of a model from a day on, in US dollars for a million tokens. A model without a one-hour cache has no price for it."""

    effective: date
    input: Decimal
    output: Decimal
    cache_write: Decimal
    cache_read: Decimal
    cache_write_1h: Decimal | None = None


@dataclass(frozen=True)
class ModelSpec:
    """How a model is called. `thinking` is `omit` or `disabled`; a model that `models.yaml` does not know has no prices."""

    name: str
    thinking: str
    effort: str | None
    prices: tuple[Price, ...]
    long_prompt_tokens: int | None = None
    long_prompt_multiplier: Decimal = Decimal(1)
    long_prompt_output_multiplier: Decimal = Decimal(1)
    batch_multiplier: Decimal | None = None
    provider: Provider = "anthropic"

    def price_on(self, day: date) -> Price | None:
        """The prices in force on `day`; before the first known day, the first known ones."""
        if not self.prices:
            return None
        return next((price for price in reversed(self.prices) if price.effective <= day), self.prices[0])

    def cost(self, usage: Usage, day: date, *, is_batch: bool = False) -> Decimal | None:
        """US dollars for `usage`, or None when the price (of a batch, of a cache kept for an hour) is not known."""
        price = self.price_on(day)
        if price is None or (is_batch and self.batch_multiplier is None) or (usage.cache_write_1h_tokens and price.cache_write_1h is None):
            return None
        is_long = self.long_prompt_tokens is not None and usage.prompt_tokens > self.long_prompt_tokens
        prompt = (
            usage.input_tokens * price.input + usage.cache_read_tokens * price.cache_read + usage.cache_write_tokens * price.cache_write
            + usage.cache_write_1h_tokens * (price.cache_write_1h or Decimal(0))
        )  # fmt: skip
        total = prompt * (self.long_prompt_multiplier if is_long else 1) + usage.output_tokens * price.output * (
            self.long_prompt_output_multiplier if is_long else 1
        )
        share = self.batch_multiplier if is_batch and self.batch_multiplier is not None else Decimal(1)
        return (total * share / _MILLION).quantize(Decimal("0.000001"))


@dataclass(frozen=True)
class ModelCatalogue:
    """All of `models.yaml`. `tiers` and `judges` name models by provider."""

    tiers: Mapping[str, Mapping[str, str]]
    judges: Mapping[str, str]
    max_tokens: int
    judge_max_tokens: int
    models: Mapping[str, ModelSpec]

    def spec(self, name: str) -> ModelSpec:
        """How to call `name`; a model that is not listed is called plainly, at an unknown price."""
        return self.models.get(name) or ModelSpec(name, "omit", None, (), provider="anthropic" if name.startswith("claude") else "openai")

    def dearest(self, day: date) -> ModelSpec:
        """The listed model with the highest output price: what the budget guard reckons with for an unknown one."""
        return max(self.models.values(), key=lambda spec: price.output if (price := spec.price_on(day)) else Decimal(0))

    def most(self, model: str, usage: Usage, day: date, *, is_batch: bool = False) -> Decimal:
        """US dollars for `usage`, reckoned with the dearest listed model where the price of `model` is not known. For budgets, never for books."""
        known = self.spec(model).cost(usage, day, is_batch=is_batch)
        return known if known is not None else self.dearest(day).cost(usage, day) or Decimal(0)


@lru_cache
def load_models(path: Path | None = None) -> ModelCatalogue:
    """The catalogue that ships with the package, or that of `path`."""
    data = yaml.safe_load((path or Path(__file__).with_name("models.yaml")).read_text(encoding="utf-8"))
    models = {name: _spec(name, row) for name, row in data["models"].items()}
    return ModelCatalogue(data["tiers"], data["judges"], int(data["max_tokens"]), int(data["judge_max_tokens"]), models)


def _spec(name: str, row: Mapping[str, Any]) -> ModelSpec:
    prices = sorted((_price(item) for item in row["prices"]), key=lambda price: price.effective)
    long_prompt = row.get("long_prompt") or {}
    share, factor = row.get("batch_multiplier"), Decimal(str(long_prompt.get("multiplier", 1)))
    return ModelSpec(
        name, row["thinking"], row.get("effort"), tuple(prices), long_prompt.get("above_tokens"), factor,
        Decimal(str(long_prompt.get("output_multiplier", factor))), None if share is None else Decimal(str(share)), row["provider"],
    )  # fmt: skip


def _price(item: Mapping[str, Any]) -> Price:
    def amount(kind: str) -> Decimal:
        return Decimal(str(item[kind]))

    hour = amount("cache_write_1h") if "cache_write_1h" in item else None
    return Price(item["effective"], amount("input"), amount("output"), amount("cache_write"), amount("cache_read"), hour)
