"""The offers that may be made, as data (`offers.yaml`): nothing else is one, and by default there is none."""

from __future__ import annotations

import datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_text
from vim_pipelines.reasoning.gates.words import fold

CATEGORIES = (
    "price_quote", "discount_credit_refund", "free_months_seats", "price_lock_cap", "term_change", "sla_penalty", "delivery_date", "legal_warranty", "competitor_match",
    "internal_leak",
)  # fmt: skip


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Offer(_Strict):
    """One sentence that may be said, for how long, and who must approve it. `max_discount_by_role` are shares of the net price."""

    id: str = Field(pattern=r"^[a-z][a-z_]+$")
    wording: str = Field(min_length=10)
    category: str
    max_discount_by_role: dict[str, Decimal] = Field(default_factory=dict)
    approver_role: str
    valid_from: datetime.date
    valid_until: datetime.date

    @model_validator(mode="after")
    def _makes_sense(self) -> Offer:
        if self.category not in CATEGORIES:
            raise ValueError(f"there is no category {self.category}; the categories are {', '.join(CATEGORIES)}")
        if self.valid_until < self.valid_from:
            raise ValueError("valid_until lies before valid_from")
        if any(not 0 <= share <= 1 for share in self.max_discount_by_role.values()):
            raise ValueError("a discount is a share between 0 and 1")
        return self


class Offers(_Strict):
    """The policy: which offers exist. `sha256` is its identity."""

    version: int
    offers: tuple[Offer, ...] = ()
    sha256: str = ""

    def without(self, text: str, on: datetime.date) -> str:
        """`text` without the sentences that are allowed on that day."""
        for offer in self.offers:
            if offer.valid_from <= on <= offer.valid_until:
                text = text.replace(fold(offer.wording), " ")
        return text


@lru_cache
def load_offers(path: Path | None = None) -> Offers:
    """The policy of `path` (default: the file beside the gates). Raises VIM-E030 for a file that is wrong: without a policy nothing may be said."""
    path = path or Path(__file__).resolve().parents[1] / "offers.yaml"
    text = path.read_text(encoding="utf-8")
    try:
        return Offers.model_validate((yaml.safe_load(text) or {}) | {"sha256": sha256_text(text)})
    except (yaml.YAMLError, ValidationError, TypeError) as error:
        raise VimError("VIM-E030", f"The offers file {path.name} is wrong: {error}", fix=f"Correct {path.name}") from None
