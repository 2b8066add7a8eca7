"""The drafter that needs no model: the playbook's sentence patterns, chosen by the facts of the account.

It is the default without a key and the fallback for every failure, so its text has to stand on its own in front of a customer.
It says nothing it has no fact for, and signs itself, so that nobody takes it for a model's reading of the account.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from vim_pipelines.reasoning.facts import ACCOUNT_HANDLES, GROUP_HANDLES, WINDOW_HANDLE, Fact, FactSheet, compare, show_list
from vim_pipelines.reasoning.gates import MAX_STEPS, SLOT
from vim_pipelines.reasoning.playbooks import Choice, ParagraphPattern, Playbook, Say, StepPattern, When
from vim_pipelines.reasoning.providers.base import DraftRequest, DraftResult
from vim_pipelines.reasoning.providers.wishes import read_wishes
from vim_pipelines.reasoning.render import fill
from vim_pipelines.reasoning.schema import Compare, DraftDocument, Paragraph, PlanStep, Section

#: Part of a draft's key: a change of the code below that changes texts needs a new number.
OFFLINE_MODEL = "offline-2"
SIGNATURE = "Written by the offline drafter (no language model)."

_NAME = re.compile(r"\{\{([a-z_0-9.]+)\}\}")

#: Two counts this near to each other are spoken of as much the same.
CLOSE = Decimal("0.1")
#: Steps that are left when a reviewer wants fewer of them.
FEW_STEPS = 3
_DUE_ORDER = ("within_days", "within_a_week", "within_two_weeks", "within_a_month", "within_two_months", "within_a_quarter")


@dataclass(frozen=True)
class _Scope:
    """What the names of a pattern mean here: the account, and the group or the risk of the loop."""

    sheet: FactSheet
    group: int | None = None
    risk: Fact | None = None
    is_first: bool = False

    def handle(self, name: str) -> str | None:
        if name == "risk":
            return self.risk.handle if self.risk is not None else None
        if name.startswith("group."):
            return GROUP_HANDLES[self.group].get(name.removeprefix("group.")) if self.group is not None else None
        return WINDOW_HANDLE if name == "usage_window" else ACCOUNT_HANDLES.get(name)

    def known(self, name: str) -> Fact | None:
        fact = self.sheet.facts.get(self.handle(name) or "")
        return fact if fact is not None and fact.is_known else None


class OfflineDrafter:
    """Deterministic: the same facts and playbook give the same text."""

    def model_for(self, playbook: Playbook) -> str:
        return OFFLINE_MODEL

    async def draft(self, request: DraftRequest) -> DraftResult:
        return offline_result(request)

    async def aclose(self) -> None:
        return None


def offline_result(request: DraftRequest, *, outcome: Any = "ok", reason: str | None = None) -> DraftResult:
    """The offline draft as a result; `reason` says why no model wrote it.

    A note that asks for more than was done leaves `unmet_feedback`, and a person must write. A text for a customer answers the whole note:
    every wish changes something and nothing is left over. One for the house prints the note, so there it is enough that something of it
    was done, or that nothing in it was taken for a wish that can be carried out.
    """
    document = write(request.playbook, request.sheet)
    if not request.feedback:
        return DraftResult(document, "offline", None, outcome, reason=reason)
    actions = [fill(step.action, request.sheet) for step in document.steps]
    wishes = read_wishes(request.feedback, actions, _printed_actions(request.previous_text))
    changed = write(request.playbook, request.sheet, wishes.directives)
    if request.playbook.audience == "customer":
        without_effect = [wish for wish in wishes.directives if write(request.playbook, request.sheet, wishes.directives - {wish}) == changed]
        unmet = bool(wishes.left_over or without_effect or not wishes.directives)
    else:
        unmet = bool(wishes.directives) and changed == document
    return DraftResult(changed, "offline", None, outcome, reason=reason, unmet_feedback=unmet)


def read_directives(feedback: str | None) -> frozenset[str]:
    """Those wishes of a note that the offline drafter can follow."""
    return read_wishes(feedback).directives


def _printed_actions(text: str | None) -> list[str]:
    """Actions of the numbered steps of a rendered text, in their order."""
    return re.findall(r"^\d+\. (.+)\n   - Owner: ", text or "", re.M)


def write(playbook: Playbook, sheet: FactSheet, directives: frozenset[str] = frozenset()) -> DraftDocument:
    """The document that the playbook's patterns give for these facts."""
    dropped = {wish.removeprefix("without ") for wish in directives if wish.startswith("without ")}
    if "shorter" in directives:
        dropped |= {"trend", "features", "detail"}
    sections = []
    for spec in playbook.sections:
        if f"section {spec.kind}" in dropped and not spec.required:
            continue
        paragraphs = [paragraph for pattern in spec.paragraphs if pattern.topic not in dropped for paragraph in _paragraphs(pattern, sheet)]
        if paragraphs:
            sections.append(Section(kind=spec.kind, paragraphs=paragraphs))
    account = _Scope(sheet)
    title, _ = _resolve(playbook.title, account) or (playbook.label, set())
    steps = _as_wished(_steps(playbook.steps, sheet, directives), directives, playbook, sheet)
    return DraftDocument(title=title, sections=sections, steps=steps)


def _as_wished(steps: list[PlanStep], directives: frozenset[str], playbook: Playbook, sheet: FactSheet) -> list[PlanStep]:
    """Steps with another owner, without some, in another order. A step that a gate asks for is dropped only by its number: the gate then holds the draft."""
    owners, gone, first = {}, set(), None
    for kind, *values in (wish.split() for wish in sorted(directives)):
        if kind == "owner":
            owners[int(values[0]) % max(1, len(steps))] = values[1]
        elif kind == "drop":
            gone.add(int(values[0]) % max(1, len(steps)))
        elif kind == "first":
            first = int(values[0]) % max(1, len(steps))
    if "fewer steps" in directives:
        metric = playbook.step_for_each_group
        asked = {fact.handle for group in sheet.groups if metric and (fact := sheet.known(metric, group)) is not None}
        gone |= {place for place, step in enumerate(steps) if place >= FEW_STEPS and not asked & set(step.fact_ids)}
    order = sorted(range(len(steps)), key=lambda place: (place != first, place))
    return [steps[place].model_copy(update={"owner_role": owners[place]} if place in owners else {}) for place in order if place not in gone]


@dataclass
class _Sentences:
    texts: list[str] = field(default_factory=list)
    handles: list[str] = field(default_factory=list)
    compares: list[Compare] = field(default_factory=list)


def _paragraphs(pattern: ParagraphPattern, sheet: FactSheet) -> list[Paragraph]:
    """The paragraphs of a pattern. Risks of which the same is to be said share one, at the place of the worst of them."""
    found: dict[str, Paragraph] = {}
    for number, scope in enumerate(_scopes(pattern.for_each, sheet)):
        if not _applies(pattern.when, scope):
            continue
        built = _Sentences()
        for item in pattern.sentences:
            _say(item, scope, built)
        if not built.texts:
            continue
        own = [scope.risk.handle] if scope.risk is not None else []
        paragraph = Paragraph(text_with_slots=" ".join(built.texts), fact_ids=_in_order(built.handles + own), compares=built.compares, kind=pattern.kind)
        said = paragraph.text_with_slots.removeprefix("{{" + own[0] + "}}. ") if own else f"{number}"
        found[said] = _with_risk(found[said], own[0], said) if said in found else paragraph
    return list(found.values())


def _with_risk(paragraph: Paragraph, risk: str, said: str) -> Paragraph:
    """`paragraph` opening with one risk more: `{{F28}}, {{F29}} and {{F31}}. Said of all.`"""
    risks = [*SLOT.findall(paragraph.text_with_slots.removesuffix(said)), risk]
    opening = show_list(["{{" + handle + "}}" for handle in risks])
    return paragraph.model_copy(update={"text_with_slots": f"{opening}. {said}", "fact_ids": _in_order([*paragraph.fact_ids, risk])})


def _say(item: Say | Choice, scope: _Scope, built: _Sentences) -> None:
    for say in item.first_of if isinstance(item, Choice) else (item,):
        resolved = _resolve(say.say, scope) if _applies(say.when, scope) else None
        if resolved is None:
            continue
        text, handles = resolved
        built.texts.append(text)
        built.handles += handles
        for relation, pair in (("below", say.when.below), ("above", say.when.above), ("equal", say.when.equal)):
            if pair is not None:
                left, right = (scope.handle(name) for name in pair)
                built.compares.append(Compare(left=left, relation=relation, right=right))  # type: ignore[arg-type]
                built.handles += [handle for handle in (left, right) if handle]
        return


def _resolve(text: str, scope: _Scope) -> tuple[str, list[str]] | None:
    """The pattern with handles for names, or None if one of its facts is not known."""
    names = _NAME.findall(text)
    facts = {name: scope.known(name) for name in names}
    if any(fact is None for fact in facts.values()):
        return None
    return _NAME.sub(lambda match: "{{" + (scope.handle(match[1]) or "") + "}}", text), [scope.handle(name) or "" for name in names]


def _applies(when: When, scope: _Scope) -> bool:
    if any(scope.known(name) is None for name in when.known) or any(scope.known(name) is not None for name in when.unknown):
        return False
    for name, least in when.at_least.items():
        fact = scope.known(name)
        if fact is None or fact.value_number is None or fact.value_number < least:
            return False
    for name, most in when.at_most.items():
        fact = scope.known(name)
        if fact is None or fact.value_number is None or fact.value_number > most:
            return False
    for wanted, is_there in ((when.mentions, True), (when.silent_on, False)):
        for name, words in wanted.items():
            fact = scope.known(name)
            said = (fact.value_text or "").casefold() if fact is not None else ""
            if fact is None or any(word.strip().casefold() in said for word in words.split("|")) is not is_there:
                return False
    for pair, are_alike in ((when.same, True), (when.differ, False)):
        if pair is not None:
            left, right = scope.known(pair[0]), scope.known(pair[1])
            if left is None or right is None or ((left.value_text or "").casefold() == (right.value_text or "").casefold()) is not are_alike:
                return False
    for relation, pair in (("below", when.below), ("above", when.above), ("equal", when.equal)):
        if pair is not None:
            left, right = scope.known(pair[0]), scope.known(pair[1])
            if left is None or right is None or compare(left, right) != relation or _distance(left, right) < when.apart:
                return False
    if when.outnumbers is not None:
        left, right = scope.known(when.outnumbers[0]), scope.known(when.outnumbers[1])
        if left is None or right is None or left.value_number is None or right.value_number is None or left.value_number <= right.value_number:
            return False
    if when.close is not None:
        left, right = scope.known(when.close[0]), scope.known(when.close[1])
        if left is None or right is None or compare(left, right) is None or _distance(left, right) > CLOSE:
            return False
    for date_name, lies_ahead in ((when.ahead, True), (when.passed, False)):
        if date_name is not None:
            fact = scope.known(date_name)
            if fact is None or not fact.value_text or (date.fromisoformat(fact.value_text[:10]) > scope.sheet.as_of) is not lies_ahead:
                return False
    for name, days in when.days_ago.items():
        distance = _days_to(name, scope)
        if distance is None or -distance < days:
            return False
    for name, days in when.days_ahead.items():
        distance = _days_to(name, scope)
        if distance is None or not 0 < distance <= days:
            return False
    for name, days in when.days_off.items():
        distance = _days_to(name, scope)
        if distance is None or distance <= days:
            return False
    risks = (scope.risk,) if scope.risk is not None else scope.sheet.risks
    named = [risk for risk in risks if (not when.risk or risk.scope in when.risk) and (not when.severity or risk.detail in when.severity)]
    if ((when.risk or when.severity) and not named) or any(risk.scope in when.no_risk for risk in risks):
        return False
    if when.has_risk is not None and when.has_risk != bool(scope.sheet.risks):
        return False
    count = len(scope.sheet.groups)
    if when.groups is not None and when.groups != ("none" if count == 0 else "single" if count == 1 else "several"):
        return False
    return when.first is None or when.first == scope.is_first


def _days_to(name: str, scope: _Scope) -> int | None:
    """Days from the as-of date to a date fact; negative for the past, None where it is not known."""
    fact = scope.known(name)
    return None if fact is None or not fact.value_text else (date.fromisoformat(fact.value_text[:10]) - scope.sheet.as_of).days


def _distance(left: Fact, right: Fact) -> Decimal:
    """How far `left` is from `right`, as a share of `right`."""
    if left.value_number is None or right.value_number is None:
        return Decimal(0)
    return abs(left.value_number - right.value_number) / max(abs(right.value_number), Decimal(1))


def _scopes(loop: str | None, sheet: FactSheet) -> Iterator[_Scope]:
    if loop == "group":
        for position, group in enumerate(sheet.groups):
            yield _Scope(sheet, group=group, is_first=position == 0)
    elif loop == "risk":
        for position, risk in enumerate(sheet.risks):
            yield _Scope(sheet, risk=risk, is_first=position == 0)
    else:
        yield _Scope(sheet, is_first=True)


def _steps(patterns: Sequence[StepPattern], sheet: FactSheet, directives: frozenset[str]) -> list[PlanStep]:
    """Steps in the playbook's order; within a loop the group with most money, or the worst risk, comes first. The same action is not asked for twice."""
    by_action: dict[str, PlanStep] = {}
    for pattern in patterns:
        for scope in _scopes(pattern.for_each, sheet):
            step = _step(pattern, scope, directives)
            if step is None:
                continue
            known = by_action.get(step.action)
            by_action[step.action] = step if known is None else known.model_copy(update={"fact_ids": _in_order([*known.fact_ids, *step.fact_ids])})
    return list(by_action.values())[:MAX_STEPS]


def _step(pattern: StepPattern, scope: _Scope, directives: frozenset[str]) -> PlanStep | None:
    if not _applies(pattern.when, scope):
        return None
    action, measure = _resolve(pattern.action, scope), _resolve(pattern.success_measure, scope)
    if action is None or measure is None:
        return None
    handles = action[1] + measure[1] + [handle for name in pattern.cites if scope.known(name) and (handle := scope.handle(name))]
    handles += [scope.risk.handle] if scope.risk is not None else []
    due_fact, due_relative = _due(pattern, scope)
    if due_relative is not None:
        shift = ("sooner" in directives and -1) or ("later" in directives and 1) or 0
        due_relative = _DUE_ORDER[min(max(_DUE_ORDER.index(due_relative) + shift, 0), len(_DUE_ORDER) - 1)]
    handles += [due_fact] if due_fact else []
    return PlanStep.model_validate(
        {
            "action": action[0], "owner_role": pattern.owner_role, "due_fact": due_fact, "due_relative": due_relative, "fact_ids": _in_order(handles),
            "success_measure": measure[0],
        }
    )  # fmt: skip


def _due(pattern: StepPattern, scope: _Scope) -> tuple[str | None, str | None]:
    """The date fact while it lies ahead; a past or unknown one becomes a date soon after the as-of date."""
    if pattern.due_fact is None:
        return None, pattern.due_relative
    fact = scope.known(pattern.due_fact)
    if fact is None or not fact.value_text:
        return None, "within_a_month"
    if date.fromisoformat(fact.value_text[:10]) <= scope.sheet.as_of:
        return None, "within_days"
    return fact.handle, None


def _in_order(handles: Sequence[str]) -> list[Any]:
    return sorted({handle for handle in handles if handle})
