"""From a structured draft to the text that a person approves: values, dates, headings and the table of figures are printed here.

Deterministic: the approval is bound to the hash of this text, so the same draft and facts must give the same bytes in every
process (replan, inbox, write-back).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_text
from vim_pipelines.reasoning.facts import HANDLES, METRIC_OF_HANDLE, Fact, FactSheet, show, show_date
from vim_pipelines.reasoning.gates import SLOT

if TYPE_CHECKING:
    from vim_pipelines.reasoning.playbooks import Playbook
    from vim_pipelines.reasoning.schema import DraftDocument, PlanStep

RELATIVE_DUE_DAYS = {
    "within_days": 3, "within_a_week": 7, "within_two_weeks": 14, "within_a_month": 30, "within_two_months": 60, "within_a_quarter": 90,
}  # fmt: skip
#: A step that is due by a date fact is due so many days before it: on the opt-out deadline itself it would be too late.
LEAD_DAYS = 14
ROLE_WORDS = {
    "csm": "Customer Success Manager", "director": "Director of Customer Success", "account_executive": "Account executive", "support_lead": "Support lead",
    "customer_champion": "Customer: champion", "customer_sponsor": "Customer: sponsor", "customer_admin": "Customer: administrator",
}  # fmt: skip
#: Roles that have a name when the fact is known.
_ROLE_FACTS = {
    "csm": "csm_name", "account_executive": "account_executive_name", "customer_champion": "champion_name", "customer_sponsor": "sponsor_name",
}  # fmt: skip


@dataclass(frozen=True)
class Rendered:
    """The text with its hash, the title alone, and where each value stands: one entry for each slot printed, with the label of its metric."""

    text: str
    sha256: str
    title: str
    steps: tuple[Mapping[str, Any], ...]
    values: tuple[Mapping[str, str], ...]


def fill(text: str, sheet: FactSheet, *, continues: bool = False) -> str:
    """`text` with the values in place of its slots. Raises VIM-E099 for a slot without a known fact: the gates come first."""

    def value(handle: str) -> str:
        fact = sheet.facts.get(handle)
        shown = show(fact) if fact is not None else None
        if shown is None:
            raise VimError("VIM-E099", f"The slot {handle} has no known fact", why="A draft is rendered before it passed the gates", fix="Report this as a bug")
        return shown

    def printed(match: re.Match[str]) -> str:
        shown = value(match[1])
        if METRIC_OF_HANDLE[match[1]].name in _OUR_WORDS:
            shown = _at_start(shown, ("…" if continues else "") + text[: match.start()])
        following = _SAME_UNIT.match(text, match.end())
        # '150 of 200 seats', 'from 60 to 40 users': the noun is said once
        return shown.rpartition(" ")[0] if following and _noun(match[1]) and _noun(match[1]) == _noun(following[1]) else shown

    return SLOT.sub(printed, text)


#: Values that are plain words and may open a sentence; a name is written as its owner writes it, and so is a word with a capital inside (eNPS).
_OUR_WORDS = ("risk", "usage_window", "unused_feature_names", "blocking_requirement", "pain_metric", "outcome_metric")
_SAME_UNIT = re.compile(r" (?:of|to) \{\{(F\d{2})\}\}")


def _noun(handle: str) -> tuple[str, str] | None:
    return METRIC_OF_HANDLE[handle].nouns


def render(
    document: DraftDocument, sheet: FactSheet, playbook: Playbook, *, signature: str, feedback: str | None = None, decide_by: date | None = None
) -> Rendered:
    """The Markdown text of `document`. `signature` says who wrote it; `feedback` is a reviewer's note, printed in internal documents only.

    `decide_by`: the day until which a person may decide on it; no step is due before.
    """
    headings = {section.kind: section.heading for section in playbook.sections}
    order = [section.kind for section in playbook.sections]
    title = fill(document.title, sheet)
    lines = [f"# {title}", "", f"*{playbook.label} · facts as of {show_date(sheet.as_of)}*", ""]
    for section in sorted(document.sections, key=lambda item: order.index(item.kind)):
        lines += [f"## {headings[section.kind]}", ""]
        for paragraph in section.paragraphs:
            bullet = "- " if paragraph.kind == "risk" or (section.kind == "seat_groups" and len(section.paragraphs) > 1) else ""
            lines += [bullet + fill(paragraph.text_with_slots, sheet)] + ([] if bullet else [""])
        if lines[-1] != "":
            lines.append("")
    if feedback and playbook.audience == "internal":
        lines += ["## Reviewer's note on the last version", "", f"> {_one_line(feedback)}", ""]
    steps = [_step(number, step, sheet, decide_by) for number, step in enumerate(document.steps, 1)]
    lines += [f"## {playbook.steps_heading}", ""]
    for step in steps:
        lines += [
            f"{step['number']}. {step['action']}",
            f"   - Owner: {step['owner']} · due {step['due']}",
            f"   - Done when: {step['success_measure']}",
        ]
    lines.append("")
    shown = _shown(document)
    if any(sheet.facts[handle].unit != "text" for handle in shown):
        lines += [f"## {playbook.figures_heading}", "", *figures(sheet, shown, with_source=playbook.audience == "internal"), ""]
    lines += ["---", f"*{signature}*", ""]
    text = "\n".join(lines)
    values = tuple(
        {"handle": handle, "shown": str(show(sheet.facts[handle])), "label": sheet.facts[handle].label, "metric": sheet.facts[handle].metric}
        for handle in shown
    )
    return Rendered(text, sha256_text(text), title, tuple(steps), values)


def figures(sheet: FactSheet, handles: Iterable[str], *, with_source: bool) -> list[str]:
    """Markdown table of the figures that a text shows: what each is, its value, its window, and inside the house its source."""
    rows = ["| Figure | Value | Measured over |" + (" Source |" if with_source else ""), "|---|---|---|" + ("---|" if with_source else "")]
    for handle in handles:
        fact = sheet.facts[handle]
        if fact.unit == "text":
            continue
        label = fact.label if fact.scope == "account" else f"{fact.label}: {_group_name(fact, sheet)}"
        cells = [_cell(label), _cell(str(show(fact))), _cell(fact.window or f"as of {show_date(sheet.as_of)}")]
        rows.append("| " + " | ".join(cells + ([_cell(f"{fact.handle} {fact.source_table or 'computed'}")] if with_source else [])) + " |")
    return rows


def due_date(step: PlanStep, sheet: FactSheet, decide_by: date | None = None) -> date:
    """The day by which a step is due: two weeks before a date fact, or so many days from the as-of date, moved from a weekend to the Monday.

    A week is kept: what is due within a week moves back to the Friday, else the first step of a plan made on a Saturday was due nine days
    later. No step is due before `decide_by`: until then nobody may have said that it is to be done. Dates of the contract stand above that:
    no step passes its own date fact, nor a relative one the opt-out deadline while that still lies ahead; after it nothing can be saved.
    """
    if step.due_fact is not None:
        end = date.fromisoformat(str(sheet.facts[step.due_fact].value_text)[:10])
        early = end - timedelta(days=LEAD_DAYS)
        return min(max(early, decide_by or early), end) if early > sheet.as_of else end
    day = sheet.as_of + timedelta(days=RELATIVE_DUE_DAYS[step.due_relative or "within_a_month"])
    if day.weekday() >= 5:
        day += timedelta(days=4 - day.weekday() if step.due_relative == "within_a_week" else 7 - day.weekday())
    if decide_by is not None and day < decide_by:
        day = decide_by + timedelta(days=max(0, 7 - decide_by.weekday()) if decide_by.weekday() >= 5 else 0)
    deadline = sheet.known("opt_out_date")
    if deadline is not None and deadline.value_text:
        last = date.fromisoformat(deadline.value_text[:10])
        if sheet.as_of < last < day:
            return last
    return day


def _step(number: int, step: PlanStep, sheet: FactSheet, decide_by: date | None) -> dict[str, Any]:
    owner, due = ROLE_WORDS[step.owner_role], due_date(step, sheet, decide_by)
    name = sheet.known(_ROLE_FACTS.get(step.owner_role, ""))
    return {
        "number": number,
        "action": fill(step.action, sheet),
        "owner": f"{name.value_text} ({owner})" if name is not None else owner,
        "owner_role": step.owner_role,
        "due": show_date(due),
        "due_on": due.isoformat(),
        "success_measure": fill(_lower_first(step.success_measure), sheet, continues=True),
    }


def _shown(document: DraftDocument) -> list[str]:
    """Handles whose value is printed, in the order of the handles."""
    texts = [document.title, *(paragraph.text_with_slots for section in document.sections for paragraph in section.paragraphs)]
    texts += [text for step in document.steps for text in (step.action, step.success_measure)]
    used = {handle for text in texts for handle in SLOT.findall(text)}
    return [handle for handle in HANDLES if handle in used]


def _group_name(fact: Fact, sheet: FactSheet) -> str:
    names = (group.value_text for index in sheet.groups if (group := sheet.known("product_name", index)) is not None and group.scope == fact.scope)
    return next((name for name in names if name), fact.scope)


def _cell(text: str) -> str:
    return text.replace("|", "/")


def _at_start(shown: str, before: str) -> str:
    """A value that opens a sentence begins with a capital."""
    opens = not before.strip() or before.rstrip().endswith((".", "!", "?"))
    return shown[:1].upper() + shown[1:] if opens and shown.split(" ")[0].islower() else shown


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("<", "‹").replace(">", "›")[:600]


def _lower_first(text: str) -> str:
    """The text as it continues after `Done when:`; an abbreviation and a slot stay as they are."""
    return text[:1].lower() + text[1:] if not re.match(r"[A-Z]{2}", text) else text
