"""The one form that every draft of every document takes, whoever writes it.

One schema for all documents and all accounts (the handles are a closed list), so that the vendor's schema and prompt caches
hold for the whole night. Numbers, dates and headings have no field here: code prints them.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.reasoning.facts import HANDLES, Relation

Handle = StrEnum("Handle", {handle: handle for handle in HANDLES})  # type: ignore[misc]

SectionKind = Literal[
    "summary", "position", "seat_groups", "opportunity", "timing", "risks", "people", "unknowns", "measures",
    "goal", "handoff", "request", "value", "history", "lessons", "next",
]  # fmt: skip
ParagraphKind = Literal["finding", "explanation", "recommendation", "question", "risk"]
OwnerRole = Literal["csm", "director", "account_executive", "support_lead", "customer_champion", "customer_sponsor", "customer_admin"]
RelativeDue = Literal["within_days", "within_a_week", "within_two_weeks", "within_a_month", "within_two_months", "within_a_quarter"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", use_enum_values=True)


class Compare(_Strict):
    """Left is below, equal to or above right. Code checks the sign."""

    left: Handle = Field(description="Handle of the first fact.")
    relation: Relation
    right: Handle = Field(description="Handle of the second fact.")


class Paragraph(_Strict):
    """A paragraph. Numbers only as slots such as {{F12}}."""

    text_with_slots: str = Field(
        description="Plain English. Every number, amount, date and name is a slot like {{F12}}; no digit, number word, percent or month name."
    )
    fact_ids: list[Handle] = Field(description="Handles of all facts that the paragraph rests on, at least those of its slots.")
    compares: list[Compare] = Field(description="One entry for each statement of direction (fell, rose, below, above); empty if there is none.")
    kind: ParagraphKind


class Section(_Strict):
    """A section; its heading is printed by code."""

    kind: SectionKind
    paragraphs: list[Paragraph]


class PlanStep(_Strict):
    """A step somebody can do. Give either due_fact (a date fact) or due_relative, the other one null."""

    action: str = Field(description="What is done, as an instruction; slots for every number and name.")
    owner_role: OwnerRole
    due_fact: Handle | None
    due_relative: RelativeDue | None
    fact_ids: list[Handle] = Field(description="Handles of the facts that call for this step, at least those of its slots.")
    success_measure: str = Field(description="How anyone can see that it worked; slots for numbers.")


class DraftDocument(_Strict):
    """A whole document."""

    title: str = Field(description="Title, with {{F01}} for the customer's name.")
    sections: list[Section]
    steps: list[PlanStep]


@cache
def json_schema() -> dict[str, Any]:
    """JSON schema of `DraftDocument`."""
    return DraftDocument.model_json_schema()


@cache
def schema_sha256() -> str:
    """Identity of the schema, part of every draft's key."""
    return sha256_json(json_schema())
