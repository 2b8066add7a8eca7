"""The document as a whole: sections, steps, length, what the playbook wants to be taken up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vim_pipelines.reasoning.facts import GROUP_HANDLES, Fact, FactSheet
from vim_pipelines.reasoning.gates.base import MAX_SECTIONS, MAX_STEPS, Demands, Finding, paragraphs

if TYPE_CHECKING:
    from vim_pipelines.reasoning.schema import DraftDocument


def misshapen(document: DraftDocument, sheet: FactSheet, demands: Demands) -> Iterator[Finding]:
    """Missing, foreign and empty sections, missing steps, too much of anything."""
    kinds = [section.kind for section in document.sections]
    for kind in demands.required_sections:
        if kind not in kinds:
            yield Finding("missing_section", f"the section {kind} is missing", "document")
    for kind in dict.fromkeys(kinds):
        if demands.allowed_sections and kind not in demands.allowed_sections:
            yield Finding("unknown_section", f"the section {kind} does not belong to this document", "document")
        if kinds.count(kind) > 1:
            yield Finding("unknown_section", f"the section {kind} stands there twice", "document")
    if any(not section.paragraphs for section in document.sections):
        yield Finding("missing_section", "a section without a paragraph", "document")
    if not document.steps:
        yield Finding("missing_step", "the document has no step", "document")
    if len(document.steps) > MAX_STEPS or len(kinds) > MAX_SECTIONS:
        yield Finding("length", f"{len(document.steps)} steps and {len(kinds)} sections, at most {MAX_STEPS} and {MAX_SECTIONS}", "document")
    text = " ".join(paragraph.text_with_slots for _, paragraph in paragraphs(document)) + " " + " ".join(step.action for step in document.steps)
    if len(text.split()) > demands.max_words:
        yield Finding("length", f"{len(text.split())} words, at most {demands.max_words}", "document")
    if demands.step_for_each_group is not None:
        yield from _missing_group_steps(document, sheet, demands.step_for_each_group)


def _missing_group_steps(document: DraftDocument, sheet: FactSheet, metric: str) -> Iterator[Finding]:
    for group in sheet.groups:
        handle = GROUP_HANDLES[group][metric]
        fact: Fact | None = sheet.facts.get(handle)
        if fact is None or not fact.is_known or not fact.value_number:
            continue
        if not any(handle in step.fact_ids for step in document.steps):
            yield Finding("missing_step", f"no step takes up {handle} ({fact.label}, {fact.scope})", "document")
