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


#: From the least to the most: whoever may approve for a role may approve for those before it. The roles of approvals/policy.yaml.
ROLES = ("csm", "director")


class Offer(_Strict):
    """One sentence that may be said, for how long, and who must approve it.

    `discount` is the share of the net price that the sentence grants, `max_discount_by_role` how much of one each role may grant; a role that is not listed
    grants none.
    """

    id: str = Field(pattern=r"^[a-z][a-z_]+$")
    wording: str = Field(min_length=10)
    category: str
    discount: Decimal = Decimal(0)
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
        if any(not 0 <= share <= 1 for share in (self.discount, *self.max_discount_by_role.values())):
            raise ValueError("a discount is a share between 0 and 1")
        if unknown := [role for role in (self.approver_role, *self.max_discount_by_role) if role not in ROLES]:
            raise ValueError(f"there is no role {unknown[0]}; the roles are {', '.join(ROLES)}")
        return self

    def why_not(self, on: datetime.date, role: str | None) -> str | None:
        """Why nobody may say it on that day in a document that `role` approves; None: it may be said. No role, no offer."""
        if not self.valid_from <= on <= self.valid_until:
            return f"it is valid from {self.valid_from} to {self.valid_until}"
        if role is None or role not in ROLES or ROLES.index(role) < ROLES.index(self.approver_role):
            return f"a {self.approver_role} must approve it, and {role or 'nobody named'} approves this document"
        limit = max((share for name, share in self.max_discount_by_role.items() if ROLES.index(name) <= ROLES.index(role)), default=Decimal(0))
        if self.discount > limit:
            return f"it grants {self.discount:%} and a {role} may grant {limit:%}"
        return None


class Offers(_Strict):
    """The policy: which offers exist. `sha256` is its identity."""

    version: int
    offers: tuple[Offer, ...] = ()
    sha256: str = ""

    def without(self, text: str, on: datetime.date, role: str | None) -> str:
        """`text` without the sentences that may be said on that day where `role` approves."""
        for offer in self.offers:
            if offer.why_not(on, role) is None:
                text = text.replace(offer.wording, " ").replace(fold(offer.wording), " ")
        return text

    def forbidden(self, text: str, on: datetime.date, role: str | None) -> list[str]:
        """What is wrong with the offers of the policy that `text` holds, one line for each that may not be made."""
        folded = fold(text)
        whys = ((offer.id, offer.why_not(on, role)) for offer in self.offers if fold(offer.wording) in folded)
        return [f"the offer {name} may not be made here: {why}" for name, why in whys if why is not None]


@lru_cache
def load_offers(path: Path | None = None) -> Offers:
    """The policy of `path` (default: the file beside the gates). Raises VIM-E030 for a file that is wrong: without a policy nothing may be said."""
    path = path or Path(__file__).resolve().parents[1] / "offers.yaml"
    text = path.read_text(encoding="utf-8")
    try:
        return Offers.model_validate((yaml.safe_load(text) or {}) | {"sha256": sha256_text(text)})
    except (yaml.YAMLError, ValidationError, TypeError) as error:
        raise VimError("VIM-E030", f"The offers file {path.name} is wrong: {error}", fix=f"Correct {path.name}") from None
