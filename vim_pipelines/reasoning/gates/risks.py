"""Risks come from rules. What the prose adds, leaves out or makes worse is found here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vim_pipelines.core.severities import SEVERITIES
from vim_pipelines.reasoning.facts import FactSheet
from vim_pipelines.reasoning.gates.base import Demands, Finding, paragraphs

if TYPE_CHECKING:
    from vim_pipelines.reasoning.schema import DraftDocument


def unfounded(document: DraftDocument, sheet: FactSheet, demands: Demands) -> Iterator[Finding]:
    """Risks without a rule, and severe risks that the document does not name although its playbook wants them."""
    for where, paragraph in paragraphs(document):
        if paragraph.kind == "risk" and not any((fact := sheet.facts.get(handle)) is not None and fact.metric == "risk" for handle in paragraph.fact_ids):
            yield Finding("invented_risk", "a paragraph of kind risk cites no risk that a rule found", where)
    if demands.cite_risks_from is not None:
        yield from _omitted(document, sheet, demands.cite_risks_from)


def _omitted(document: DraftDocument, sheet: FactSheet, least: str) -> Iterator[Finding]:
    cited = {handle for _, paragraph in paragraphs(document) for handle in paragraph.fact_ids} | {handle for step in document.steps for handle in step.fact_ids}
    for risk in sheet.risks:
        if risk.detail in SEVERITIES[SEVERITIES.index(least) :] and risk.handle not in cited:
            yield Finding("omitted_risk", f"{risk.handle} ({risk.value_text}) is not mentioned", "document")
