"""The documents that can be written, as data: `prompts/<document>.yaml`, loaded and checked with the line that is wrong.

A playbook holds the whole policy of a document: who it is for, what calls for it, which facts it may see, what the model is
told, what the offline drafter says, who approves, and what approval carries out. The file's sha256 is its identity in the ledger.
No code knows a document by its name: a file more in the folder is a document more. `re_plan.yaml` is the one file that is no document
of its own: it is what a model is told whenever any document is written again.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_text
from vim_pipelines.core.yaml_lines import did_you_mean
from vim_pipelines.lifecycle.outcomes import HIGH_RISKS, OF_WORDS, Criterion, bind
from vim_pipelines.lifecycle.phases import load_map
from vim_pipelines.reasoning.facts import ACCOUNT_HANDLES, METRIC_NAMES, METRIC_OF_HANDLE, RISK_WORDS, ExcerptKind
from vim_pipelines.reasoning.schema import OwnerRole, ParagraphKind, RelativeDue, SectionKind
from vim_pipelines.settings import resource_path

#: Facts a sentence pattern may name: metrics, and `group.` or `risk` inside a loop over them.
_SHARED_NAMES = {metric.name for metric in METRIC_OF_HANDLE.values() if metric.may_be_shared}
#: What a success criterion may follow: facts of the account as a whole (names and dates can only be recorded), and the count of severe risks.
_ACCOUNT_NAMES = set(ACCOUNT_HANDLES)
#: What a field of an action may hold: of the draft, and names of people and customer where the document's facts know them.
_DRAFT_VALUES = ("account_key", "draft_key", "document", "title", "text", "sha256", "label", "first_due_on", "steps")
_NAME_VALUES = ("account_name", "csm_name", "champion_name", "sponsor_name", "account_executive_name")
#: The file that is no document: the instructions of a re-planning.
RE_PLAN = "re_plan"
_WORDS_AND_DATES = {name for name in _ACCOUNT_NAMES if name.endswith(("_name", "_date", "_on"))} | {
    "tier", "blocking_requirement", "pain_metric", "pain_owner", "psp_verdict", "handoff_missing", "handoff_conflicting", "outcome_metric", "next_action",
    "next_action_why",
}  # fmt: skip


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Misplaced(ValueError):
    """A value that is wrong because of another part of the file; `needle` is the text to look for to find its line."""

    def __init__(self, message: str, needle: str) -> None:
        super().__init__(message)
        self.needle = needle


class SignalTest(_Strict):
    """A test on a column of `marts.fct_account_signals`. Unknown (NULL) never passes."""

    signal: str
    equals: str | None = None
    above: Decimal | None = None
    at_most: Decimal | None = None

    @model_validator(mode="after")
    def _has_a_test(self) -> SignalTest:
        if self.equals is None and self.above is None and self.at_most is None:
            raise ValueError("give equals, above or at_most")
        return self


class RiskTest(_Strict):
    """A test on the account's risks: a rule of the list, a severity of the list; an empty list takes any."""

    rules: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _known_rules(self) -> RiskTest:
        unknown = [rule for rule in self.rules if rule not in RISK_WORDS]
        if unknown:
            raise ValueError(f"there is no risk rule {unknown[0]}; the rules are {', '.join(sorted(RISK_WORDS))}")
        return self


class StateTest(_Strict):
    """A test on the account's place in the lifecycle: on the spine, in an open overlay, or in the exception; an empty list takes any."""

    phases: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _known_phases(self) -> StateTest:
        if unknown := [number for number in self.phases if number not in load_map().phases]:
            raise ValueError(f"the lifecycle map has no phase {unknown[0]}")
        return self


class ActionTest(_Strict):
    """A test on the queue of next best actions: an open action that this document serves, within its owner's week unless `beyond_capacity`.

    `requirements` narrows it to some of the requirements whose `document` this is (lifecycle/phases.yaml); none: any of them.
    """

    requirements: tuple[str, ...] = ()
    beyond_capacity: bool = False
    first_of_account: bool = False


class Cause(_Strict):
    """One reason to write: all its tests hold. `reason` is what the report says."""

    reason: str
    signals: tuple[SignalTest, ...] = ()
    risk: RiskTest | None = None
    state: StateTest | None = None
    action: ActionTest | None = None


class Trigger(_Strict):
    """A document is called for when any of its causes holds, and none of the tests in `unless` passes (what is unknown stops nothing)."""

    any_of: tuple[Cause, ...] = Field(min_length=1)
    unless: tuple[SignalTest, ...] = ()
    stake: Literal["waste_annual", "unused_value_annual", "arr_amount"] = "arr_amount"
    times_risk: bool = False


class When(_Strict):
    """When a pattern applies. Every key given must hold.

    `below`, `above`: the first fact against the second; with `apart`, by at least that share of the second. `close`: within a tenth of
    each other. `ahead`, `passed`: a date fact lies after, or not after, the as-of date; `days_ago`: at least so many days before it,
    `days_ahead`: after it, by at most so many days; `days_off`: after it, by more. `mentions`, `silent_on`: a known text fact holds, or does not hold, these words
    (or any of several, between bars), whatever their case; `same`, `differ`: two known text facts (names of people, say) read the same, or not.
    `outnumbers`: a count is greater than one of another unit, as users than seats.
    """

    known: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    at_least: Mapping[str, Decimal] = Field(default_factory=dict)
    at_most: Mapping[str, Decimal] = Field(default_factory=dict)
    mentions: Mapping[str, str] = Field(default_factory=dict)
    silent_on: Mapping[str, str] = Field(default_factory=dict)
    same: tuple[str, str] | None = None
    differ: tuple[str, str] | None = None
    below: tuple[str, str] | None = None
    above: tuple[str, str] | None = None
    equal: tuple[str, str] | None = None
    outnumbers: tuple[str, str] | None = None
    apart: Decimal = Decimal(0)
    close: tuple[str, str] | None = None
    ahead: str | None = None
    passed: str | None = None
    days_ago: Mapping[str, int] = Field(default_factory=dict)
    days_ahead: Mapping[str, int] = Field(default_factory=dict)
    days_off: Mapping[str, int] = Field(default_factory=dict)
    risk: tuple[str, ...] = ()
    no_risk: tuple[str, ...] = ()
    has_risk: bool | None = None
    severity: tuple[str, ...] = ()
    groups: Literal["none", "single", "several"] | None = None
    first: bool | None = None

    def names(self) -> list[str]:
        """Facts that it looks at."""
        pairs = [name for pair in (self.below, self.above, self.equal, self.close, self.same, self.differ) if pair for name in pair]
        dates = [name for name in (self.ahead, self.passed) if name]
        return [
            *self.known,
            *self.unknown,
            *self.at_least,
            *self.at_most,
            *self.mentions,
            *self.silent_on,
            *self.days_ago,
            *self.days_ahead,
            *self.days_off,
            *pairs,
            *dates,
        ]


class Say(_Strict):
    """A sentence, if `when` holds. `{{name}}` is a fact of the account, `{{group.name}}` of the group of the loop, `{{risk}}` its risk."""

    when: When = When()
    say: str


class Choice(_Strict):
    """The first of several sentences whose `when` holds."""

    first_of: tuple[Say, ...] = Field(min_length=1)


class ParagraphPattern(_Strict):
    """A paragraph of the offline drafter: its sentences, once, or for each group or risk."""

    kind: ParagraphKind
    for_each: Literal["group", "risk"] | None = None
    when: When = When()
    topic: str | None = None
    sentences: tuple[Say | Choice, ...] = Field(min_length=1)


class SectionSpec(_Strict):
    """A section: its kind, the heading that code prints, what the model is told about it, what the offline drafter says in it."""

    kind: SectionKind
    heading: str
    required: bool = False
    about: str
    paragraphs: tuple[ParagraphPattern, ...] = ()


class StepPattern(_Strict):
    """A step of the offline drafter."""

    action: str
    owner_role: OwnerRole
    success_measure: str
    due_fact: str | None = None
    due_relative: RelativeDue | None = None
    for_each: Literal["group", "risk"] | None = None
    when: When = When()
    cites: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_due(self) -> StepPattern:
        if (self.due_fact is None) == (self.due_relative is None):
            raise ValueError("give exactly one of due_fact and due_relative")
        return self


class Action(_Strict):
    """What approval carries out. `fields`, `external_id` and `idempotency_key` may hold {title}, {text}, {steps}, {account_key}, {champion_name} and the like."""

    action: Literal["crm_task", "crm_note", "crm_fields", "gmail_draft", "slack_internal", "training_webhook"]
    target: str = "salesforce"
    object_name: str
    external_id: str
    fields: Mapping[str, str] = Field(min_length=1)
    precondition: str
    idempotency_key: str
    undo: str

    @model_validator(mode="after")
    def _can_be_filled_in(self) -> Action:
        for text in (self.external_id, self.idempotency_key, *self.fields.values()):
            for name in re.findall(r"\{([^{}]*)\}", text):
                if name not in (*_DRAFT_VALUES, *_NAME_VALUES):
                    raise _Misplaced(f"an action knows no {{{name}}}; it may use {', '.join((*_DRAFT_VALUES, *_NAME_VALUES))}", f"{{{name}}}")
        return self


class ChangelogEntry(_Strict):
    """What changed in a version, in a reviewer's words."""

    version: int
    date: datetime.date
    note: str


class Playbook(_Strict):
    """One document: everything about it but the code."""

    id: str = Field(pattern=r"^[a-z][a-z_]+$")
    version: int = Field(ge=1)
    label: str
    owner: str
    audience: Literal["internal", "customer"]
    trigger: Trigger
    model_tier: Literal["standard", "executive"]
    schema_ref: Literal["DraftDocument"]
    approver_role: Literal["csm", "director"]
    on_approve: tuple[Action, ...] = Field(min_length=1)
    success_criteria: tuple[Criterion, ...] = Field(min_length=1)
    facts: tuple[str, ...] = Field(min_length=1)
    #: Untrusted texts that the model may read: they explain, they are never cited and never change the draft's key.
    excerpts: tuple[ExcerptKind, ...] = ()
    max_words: int = Field(gt=100, le=3000)
    cite_risks_from: Literal["low", "medium", "high", "critical"] | None = None
    step_for_each_group: str | None = None
    steps_heading: str
    figures_heading: str
    title: str
    system: str = Field(min_length=200)
    instructions: str = Field(min_length=100)
    sections: tuple[SectionSpec, ...] = Field(min_length=1)
    steps: tuple[StepPattern, ...] = Field(min_length=1)
    changelog: tuple[ChangelogEntry, ...] = Field(min_length=1)
    sha256: str = ""

    @model_validator(mode="after")
    def _facts_exist(self) -> Playbook:
        for name in self.facts:
            if name not in METRIC_NAMES:
                raise _Misplaced(f"there is no fact {name}; the facts are {', '.join(sorted(METRIC_NAMES))}", f"- {name}")
            if self.audience == "customer" and name not in _SHARED_NAMES:
                raise _Misplaced(f"the fact {name} is internal and this document is for a customer", f"- {name}")
        for text, where in self._patterns():
            for name in slot_names(text):
                plain = name.removeprefix("group.")
                if plain not in self.facts:
                    raise _Misplaced(f"{where} uses the fact {name}, which is not in the list facts", name)
        self._tests_can_hold()
        named = [action.action for action in self.on_approve]
        if "crm_note" not in named or len(set(named)) < len(named):
            raise _Misplaced("on_approve needs crm_note, the record that every other action points to, and names no action twice", "on_approve:")
        self._criteria_can_be_followed()
        return _at_its_version(self)

    def _tests_can_hold(self) -> None:
        """A test on a fact that the document does not see, or on a requirement that it does not serve, would never hold, and nobody would notice."""
        for name, where in self._tested():
            if name.removeprefix("group.") not in self.facts:
                raise _Misplaced(f"{where} tests the fact {name}, which is not in the list facts", name)
        served = {requirement.requirement_id for requirement in load_map().requirements if requirement.document == self.id}
        for cause in self.trigger.any_of:
            for requirement in cause.action.requirements if cause.action else ():
                if requirement not in served:
                    raise _Misplaced(
                        f"the document {self.id} does not serve the requirement {requirement}" + did_you_mean(requirement, sorted(served)), requirement
                    )

    def _criteria_can_be_followed(self) -> None:
        """The baseline and the due date of a criterion come from the facts that the document sees: what is signed is what was on the page."""
        for number, criterion in enumerate(self.success_criteria):
            measure, needle = criterion.measure, f"measure: {criterion.measure}"
            needed = {"risk", "risk_score"} if measure == HIGH_RISKS else {measure}
            if measure != HIGH_RISKS and measure not in _ACCOUNT_NAMES:
                raise _Misplaced(f"there is no measure {measure}; a criterion follows {HIGH_RISKS} or a fact of the account", needle)
            if missing := needed - set(self.facts):
                raise _Misplaced(f"the criterion {criterion.id} follows {sorted(missing)[0]}, which is not in the list facts", needle)
            if (measure in _WORDS_AND_DATES) != (criterion.comparison in OF_WORDS):
                raise _Misplaced(f"{measure} is {'no number' if measure in _WORDS_AND_DATES else 'a number'}: {criterion.comparison} does not fit it", needle)
            if criterion.due.date is not None and criterion.due.date not in self.facts:
                raise _Misplaced(f"the criterion {criterion.id} is due by {criterion.due.date}, which is not in the list facts", f"date: {criterion.due.date}")
            if criterion.id in {other.id for other in self.success_criteria[:number]}:
                raise _Misplaced(f"two criteria are called {criterion.id}", f"id: {criterion.id}")

    def _tested(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for section in self.sections:
            for paragraph in section.paragraphs:
                tests = [paragraph.when] + [
                    say.when for sentence in paragraph.sentences for say in (sentence.first_of if isinstance(sentence, Choice) else (sentence,))
                ]
                found += [(name, f"section {section.kind}") for when in tests for name in when.names()]
        return found + [(name, f"step {number}") for number, step in enumerate(self.steps, 1) for name in step.when.names()]

    def wordings(self) -> list[str]:
        """Every text with slots that the offline drafter may say: sentences, actions, measures."""
        return [text for text, _ in self._patterns()]

    def _patterns(self) -> list[tuple[str, str]]:
        found = [(self.title, "title")]
        for section in self.sections:
            for paragraph in section.paragraphs:
                for sentence in paragraph.sentences:
                    for say in sentence.first_of if isinstance(sentence, Choice) else (sentence,):
                        found.append((say.say, f"section {section.kind}"))
        for number, step in enumerate(self.steps, 1):
            found += [(step.action, f"step {number}"), (step.success_measure, f"step {number}")]
            found += [("{{" + name + "}}", f"step {number}") for name in (*step.cites, *((step.due_fact,) if step.due_fact else ()))]
        return found


def slot_names(text: str) -> list[str]:
    """Names in `{{...}}` of a sentence pattern."""
    return re.findall(r"\{\{([a-z_0-9.]+)\}\}", text)


@lru_cache
def load_playbooks(folder: Path | None = None) -> dict[str, Playbook]:
    """All playbooks of `folder` (default: the `prompts` that ship with the package) by id, sorted. Raises VIM-E030 with file and line."""
    root = folder or resource_path("prompts")
    files = sorted(path for path in root.glob("*.yaml") if path.stem != RE_PLAN)
    if not files:
        raise VimError("VIM-E030", f"There is no prompt file in {root.name}/", fix="Add prompts/<document>.yaml")
    return {path.stem: load_playbook(path) for path in files}


class RePlan(_Strict):
    """What a model is told when a document is written again: how to use the reviewer's note and the last version, and what a note cannot do."""

    id: Literal["re_plan"]
    version: int = Field(ge=1)
    owner: str
    note: str = Field(min_length=100)
    last_version: str = Field(min_length=50)
    changelog: tuple[ChangelogEntry, ...] = Field(min_length=1)
    sha256: str = ""

    @model_validator(mode="after")
    def _changelog_ends_here(self) -> RePlan:
        return _at_its_version(self)


@lru_cache
def load_re_plan(folder: Path | None = None) -> RePlan:
    """The instructions of a re-planning, `re_plan.yaml` of `folder` (default: the one that ships). Raises VIM-E030 with file and line."""
    path = (folder or resource_path("prompts")) / f"{RE_PLAN}.yaml"
    if not path.is_file():
        raise VimError(
            "VIM-E030", f"There is no prompt file {path.name}", why="A draft that was sent back is written by it", fix=f"Restore prompts/{path.name}"
        )
    return _load(path, RePlan)


def load_playbook(path: Path) -> Playbook:
    """One playbook. Raises VIM-E030 naming the file, the line and what is wrong there."""
    return _load(path, Playbook)


Kind = TypeVar("Kind", Playbook, RePlan)


def _at_its_version(file: Kind) -> Kind:
    if file.changelog[-1].version != file.version:
        raise _Misplaced(f"the changelog ends with version {file.changelog[-1].version}, the file says {file.version}", "changelog:")
    return file


def _load(path: Path, kind: type[Kind]) -> Kind:
    text = path.read_text(encoding="utf-8")
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise _wrong(path, mark.line + 1 if mark else 1, str(getattr(error, "problem", None) or error)) from None
    if not isinstance(data, dict):
        raise _wrong(path, 1, "the file is not a mapping")
    try:
        loaded = kind.model_validate(data | {"sha256": sha256_text(text)})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = tuple(first["loc"])
        name = ".".join(str(part) for part in place) or "document"
        needle = getattr(first.get("ctx", {}).get("error"), "needle", None)
        line = _line(tree, place) if needle is None else next((number for number, row in enumerate(text.splitlines(), 1) if needle in row), 1)
        raise _wrong(path, line, f"{name}: {first['msg'].removeprefix('Value error, ')}") from None
    if loaded.id != path.stem:
        raise _wrong(path, _line(tree, ("id",)), f"the id {loaded.id} differs from the file's name")
    return loaded


def _wrong(path: Path, line: int, what: str) -> VimError:
    return VimError("VIM-E030", f"The prompt file {path.name} is wrong in line {line}: {what}", fix=f"Correct line {line} of prompts/{path.name}")


def _line(node: yaml.Node | None, place: Sequence[Any]) -> int:
    """Line (from 1) of the deepest part of `place` that the file has."""
    line = 1 if node is None else node.start_mark.line + 1
    for part in place:
        found: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    found, line = value, key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = node.value[part]
            line = found.start_mark.line + 1
        if found is None:
            continue  # pydantic names union members that the file does not have
        node = found
    return line


def actions_for(
    playbook: Playbook, *, account_key: str, draft_key: str, title: str, text: str, sha256: str, steps: Sequence[Mapping[str, Any]], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Everything that the playbook names for an approval of this text, with every field's value.

    Which of it is carried out, and which is left to the person who approves, is decided where the payload is made (`approvals.payload`).
    """
    values = {
        "account_key": account_key, "draft_key": draft_key, "document": playbook.id, "title": title, "text": text, "sha256": sha256,
        "label": playbook.label, "first_due_on": min((str(step["due_on"]) for step in steps), default=""),
        "steps": "\n".join(f"{step['number']}. {step['action']} ({step['owner']}, due {step['due']})" for step in steps),
    } | {name: names.get(name, "") for name in _NAME_VALUES}  # fmt: skip
    return [
        {
            "action": action.action, "target": action.target, "object_name": action.object_name, "external_id": action.external_id.format(**values),
            "fields": {name: value.format(**values) for name, value in action.fields.items()}, "precondition": action.precondition,
            "idempotency_key": action.idempotency_key.format(**values), "undo": action.undo,
        }
        for action in playbook.on_approve
    ]  # fmt: skip


def criteria_for(playbook: Playbook, facts: Sequence[Mapping[str, Any]], facts_as_of: datetime.date) -> list[dict[str, Any]]:
    """The success criteria with baseline and due date from a draft's facts (`Fact.row`): part of what the approver signs."""
    return [bind(criterion, facts, facts_as_of) for criterion in playbook.success_criteria]
