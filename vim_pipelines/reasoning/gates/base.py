"""What all gates share: a finding with its stage, what a document is asked for, how a text is cut into sentences.

The stages run in the order of `STAGES` and their findings stand in that order in one list, so that a reader sees first what makes a
draft unreadable and last what makes it unwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from vim_pipelines.reasoning.schema import DraftDocument, Paragraph

Audience = Literal["internal", "customer"]
Stage = Literal["schema", "numbers", "labels", "directions", "risks", "safety", "judge", "human"]

STAGES: tuple[Stage, ...] = ("schema", "numbers", "labels", "directions", "risks", "safety", "judge", "human")

SLOT = re.compile(r"\{\{(F\d{2})\}\}")
#: Stands where a slot stood, so that words before and after it stay apart. A private-use character: no text of people holds it.
HOLE = "\ue000"
MAX_TITLE, MAX_PARAGRAPH, MAX_STEP_TEXT = 160, 1200, 400
MAX_SECTIONS, MAX_STEPS, MAX_SLOTS = 9, 14, 14

#: Which stage a gate belongs to. A gate that is not listed here would have no place in the order, so `Finding` refuses its name.
STAGE_OF: dict[str, Stage] = {
    **dict.fromkeys(("missing_section", "unknown_section", "missing_step", "length", "due", "undeclared_fact", "render", "broken_gate"), "schema"),
    **dict.fromkeys(("digit", "number_word", "currency", "month", "slot", "hedge", "unknown_handle", "unknown_fact"), "numbers"),
    **dict.fromkeys(("internal_fact", "money", "label", "group_label", "name_label"), "labels"),
    "direction": "directions",
    **dict.fromkeys(("invented_risk", "claim", "omitted_risk", "severity"), "risks"),
    **dict.fromkeys(("commitment", "offer", "internal_word", "likeness", "link", "steering", "markup", "language"), "safety"),
    "judge": "judge",
    "feedback": "human",
}

#: Gates that guess from words what a sentence means. They hold a text as long as nobody has read it; where they alone object, a judge that says no
#: to every question lets it go on to the person, with their doubts beside it. What the other gates find is no matter of opinion.
#: `claim` is what `invented_risk` is in an internal document, where no judge reads: words of trouble in a text for the customer, whose own trade is full of them.
DOUBTS = frozenset({"commitment", "internal_word", "likeness", "claim"})


@dataclass(frozen=True)
class Finding:
    """Why a draft is held: which gate, what it saw, where in the document."""

    gate: str
    what: str
    where: str

    def __post_init__(self) -> None:
        if self.gate not in STAGE_OF:
            raise ValueError(f"there is no gate {self.gate}")

    @property
    def stage(self) -> Stage:
        """The stage that the gate belongs to."""
        return STAGE_OF[self.gate]

    def row(self) -> dict[str, Any]:
        """As JSON for the operations store."""
        return {"gate": self.gate, "stage": self.stage, "what": self.what, "where": self.where}


class Judge(Protocol):
    """A second reader, of another family or at least with another prompt: asked last, about a text that every other gate let pass."""

    async def findings(self, text: str, *, account_key: str, document: str, as_of: date) -> list[Finding]:
        """What it objects to in the rendered `text`; findings of the gate `judge`. May raise: the caller then holds the draft."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...


@dataclass(frozen=True)
class Demands:
    """What a playbook wants of a document besides being true: sections, words, cited risks, a step for each group.

    `own_wording` are the sentences that the playbook itself says (`risks.worded`): gates that guess from words do not doubt them. `approver_role`
    is who decides on the document, for offers that need a higher role.
    """

    audience: Audience
    required_sections: tuple[str, ...] = ()
    allowed_sections: tuple[str, ...] = ()
    max_words: int = 1200
    cite_risks_from: str | None = None
    step_for_each_group: str | None = None
    own_wording: frozenset[str] = frozenset()
    approver_role: str | None = None


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Findings by stage, each once, otherwise as they came."""
    return sorted(dict.fromkeys(findings), key=lambda finding: STAGES.index(finding.stage))


def rows(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings as JSON."""
    return [finding.row() for finding in findings]


def paragraphs(document: DraftDocument) -> Iterator[tuple[str, Paragraph]]:
    """All paragraphs with the name of their place."""
    for section in document.sections:
        for number, paragraph in enumerate(section.paragraphs, 1):
            yield f"section {section.kind}, paragraph {number}", paragraph


def sentences(text: str) -> list[str]:
    """Sentences of a text with slots. A colon or semicolon does not end one: a value may stand before it and its word behind."""
    return [part for part in re.split(r"(?<=[.!?])[\"')\]]*\s+", text) if part.strip()]


def clauses(text: str) -> list[str]:
    """Sentences, cut at semicolons and colons too."""
    return [part for part in re.split(r"(?<=[.!?;:])\s+", text) if part.strip()]
