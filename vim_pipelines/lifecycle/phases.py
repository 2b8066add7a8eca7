"""The lifecycle map as data, read once and checked, with the line of what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.yaml_lines import check_keys, did_you_mean, load_with_lines, without_lines, wrong_line

PATH = Path(__file__).with_name("phases.yaml")

Kind = Literal["spine", "overlay", "exception"]
WHO = ("account_executive", "csm", "director", "customer", "support", "data")
WAIVERS = ("csm", "director")
MANUAL = "manual"
#: Words of persons that the map has a rule for; a waiver's role stands at each requirement.
WORDS = ("phase", "exception", "answer", "dispute", "snooze")
#: Events that send an account back on the spine (`transitions.re_entry`).
RE_ENTRIES = ("new_contract", "sponsor_left")


@dataclass(frozen=True)
class Requirement:
    """One thing that must be true. `rule` is a name of `rules.RULES`, or `manual`; `values` are its numbers.

    `action` says what is to be done while it is not, `yields` which kind of action an approval of that executes, `document` what serves it.
    """

    requirement_id: str
    phase: int
    title: str
    is_mandatory: bool
    rule: str
    who_is_chased: str
    action: str
    waived_by: str
    yields: str
    document: str
    values: Mapping[str, Any] = field(default_factory=dict)
    freshness_days: int | None = None


@dataclass(frozen=True)
class Phase:
    """One phase of the map. `successor` is None for overlays and for the end of the spine."""

    number: int
    name: str
    kind: Kind
    goal: str
    successor: int | None
    requirements: tuple[Requirement, ...]

    @property
    def mandatory(self) -> tuple[Requirement, ...]:
        return tuple(requirement for requirement in self.requirements if requirement.is_mandatory)


@dataclass(frozen=True)
class Action:
    """Something to be done for an account. The only way to one is `LifecycleMap.action`: what the map does not yield cannot be made."""

    requirement_id: str
    text: str
    yields: str
    document: str
    who: str


@dataclass(frozen=True)
class WordRule:
    """Who may say a word about an account (the lowest role), and after how many days it runs out where no end is said."""

    by: str
    days: int | None = None


@dataclass(frozen=True)
class ReEntry:
    """What sends an account back: from phase `start` of the spine on to phase `to`, where the named requirements are asked again."""

    event: str
    start: int
    to: int
    asks_again: tuple[str, ...]
    days_before: int


@dataclass(frozen=True)
class LifecycleMap:
    """All phases by number, the version of their rules, the words that requirements may yield and be served by, and what persons and events may do."""

    rule_version: str
    phases: Mapping[int, Phase]
    actions: tuple[str, ...]
    documents: tuple[str, ...]
    words: Mapping[str, WordRule]
    re_entries: Mapping[str, ReEntry]

    @cached_property
    def by_id(self) -> Mapping[str, Requirement]:
        return {requirement.requirement_id: requirement for requirement in self.requirements}

    @cached_property
    def spine(self) -> tuple[int, ...]:
        """Numbers of the spine's phases in their order."""
        walked = [self.first]
        while walked[-1].successor is not None:
            walked.append(self.phases[walked[-1].successor])
        return tuple(phase.number for phase in walked)

    def action(self, requirement_id: str) -> Action:
        """What is to be done for a requirement. KeyError for one that the map does not have: there is no other source of actions."""
        requirement = self.by_id[requirement_id]
        return Action(requirement.requirement_id, requirement.action, requirement.yields, requirement.document, requirement.who_is_chased)

    @property
    def first(self) -> Phase:
        return self.phases[1]

    @property
    def exception(self) -> Phase:
        return next(phase for phase in self.phases.values() if phase.kind == "exception")

    @cached_property
    def requirements(self) -> tuple[Requirement, ...]:
        return tuple(requirement for phase in self.phases.values() for requirement in phase.requirements)


@lru_cache
def load_map(path: Path = PATH) -> LifecycleMap:
    """Read and check phases.yaml; VIM-E005 names the line and what is wrong there."""
    from vim_pipelines.lifecycle.rules import RULES

    data = load_with_lines(path)
    entries = data.get("phases") if isinstance(data, Mapping) else None
    if not isinstance(entries, list) or not data.get("rule_version"):
        raise VimError("VIM-E005", f"{path.name} needs `rule_version` and a list called `phases`", fix=f"Restore {path.name}")
    actions, documents = (_words(data, name, path) for name in ("actions", "documents"))
    vocabulary = {"who": WHO, "waived_by": WAIVERS, "yields": actions, "document": documents}
    phases: dict[int, Phase] = {}
    seen: dict[str, int] = {}
    for entry in entries:
        phase = _phase(entry, path, RULES, vocabulary, seen)
        if phase.number in phases:
            raise wrong_line(path, entry, f"phase {phase.number} stands there twice")
        phases[phase.number] = phase
    _check_ways(phases, entries, path)
    lifecycle = LifecycleMap(str(data["rule_version"]), dict(sorted(phases.items())), actions, documents, _word_rules(data, path), _re_entries(data, path))
    _check_re_entries(lifecycle, data["re_entries"], path)
    return lifecycle


def _word_rules(data: Mapping[str, Any], path: Path) -> dict[str, WordRule]:
    entries = _block(data, "words", WORDS, path)
    rules = {}
    for name in WORDS:
        entry = entries[name]
        check_keys(entry, ("by",), ("days",), path)
        if entry["by"] not in WAIVERS:
            raise wrong_line(path, entry, f"`by` of {name} is {entry['by']!r}; it must be one of {', '.join(WAIVERS)}")
        if entry.get("days") is not None and not _is_count(entry["days"]):
            raise wrong_line(path, entry, f"`days` of {name} must be a positive whole number")
        rules[name] = WordRule(entry["by"], entry.get("days"))
    return rules


def _re_entries(data: Mapping[str, Any], path: Path) -> dict[str, ReEntry]:
    entries = _block(data, "re_entries", RE_ENTRIES, path)
    for name in RE_ENTRIES:
        check_keys(entries[name], ("from", "to", "asks_again", "days_before"), (), path)
    return {
        name: ReEntry(name, entry["from"], entry["to"], tuple(entry["asks_again"]), entry["days_before"])
        for name, entry in ((name, entries[name]) for name in RE_ENTRIES)
    }


def _check_re_entries(lifecycle: LifecycleMap, entries: Mapping[str, Any], path: Path) -> None:
    """Each leads backwards on the spine, and asks again only what its phase holds: anything else would ask it where nobody can answer."""
    for name, entry in lifecycle.re_entries.items():
        places = {number: place for place, number in enumerate(lifecycle.spine)}
        if entry.start not in places or entry.to not in places or places[entry.to] >= places[entry.start]:
            raise wrong_line(path, entries[name], f"{name} leads from phase {entry.start} to {entry.to}, which is not backwards on the spine")
        for requirement_id in entry.asks_again:
            requirement = lifecycle.by_id.get(requirement_id)
            if requirement is None or requirement.phase != entry.to:
                raise wrong_line(
                    path,
                    entries[name],
                    f"phase {entry.to} has no requirement {requirement_id}"
                    + did_you_mean(str(requirement_id), [item.requirement_id for item in lifecycle.phases[entry.to].requirements]),
                )
        if not isinstance(entry.days_before, int) or entry.days_before < 0:
            raise wrong_line(path, entries[name], f"`days_before` of {name} must be a whole number of days, 0 or more")


def _block(data: Mapping[str, Any], name: str, expected: tuple[str, ...], path: Path) -> Mapping[str, Any]:
    block = data.get(name)
    if not isinstance(block, Mapping) or set(block) - {"__line__"} != set(expected):
        raise VimError("VIM-E005", f"{path.name} needs `{name}` with {', '.join(expected)}, and no other", fix=f"Restore {path.name}")
    return block


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _phase(entry: Any, path: Path, rules: Mapping[str, Any], vocabulary: Mapping[str, tuple[str, ...]], seen: dict[str, int]) -> Phase:
    check_keys(entry, ("number", "name", "kind", "goal", "requirements"), ("next",), path)
    if not isinstance(entry["number"], int) or isinstance(entry["number"], bool):
        raise wrong_line(path, entry, f"the number of a phase must be a whole number, not {entry['number']!r}")
    if entry["kind"] not in ("spine", "overlay", "exception"):
        raise wrong_line(path, entry, f"the kind of phase {entry['number']} is {entry['kind']!r}; it must be spine, overlay or exception")
    requirements = []
    for item in entry["requirements"]:
        check_keys(item, ("id", "title", "mandatory", "rule", "who", "waived_by", "action", "yields", "document"), ("with", "freshness_days"), path)
        if item["id"] in seen:
            raise wrong_line(path, item, f"the requirement {item['id']} stands there twice; first in line {seen[item['id']]}")
        seen[item["id"]] = item["__line__"]
        if item["rule"] != MANUAL and item["rule"] not in rules:
            raise wrong_line(path, item, f"there is no rule called {item['rule']!r}" + did_you_mean(item["rule"], [MANUAL, *rules]))
        for name, words in vocabulary.items():
            if item[name] not in words:
                raise wrong_line(path, item, f"`{name}` is {item[name]!r}; it must be one of {', '.join(words)}" + did_you_mean(str(item[name]), list(words)))
        if not isinstance(item["mandatory"], bool):
            raise wrong_line(path, item, f"`mandatory` of {item['id']} must be true or false")
        freshness = item.get("freshness_days")
        if freshness is not None and not _is_count(freshness):
            raise wrong_line(path, item, f"`freshness_days` of {item['id']} must be a positive whole number")
        values = without_lines(item.get("with", {}))
        expected = set() if item["rule"] == MANUAL else rules[item["rule"]].needs
        if set(values) != expected:
            raise wrong_line(
                path,
                item,
                f"the rule {item['rule']} takes {', '.join(sorted(expected)) or 'no values'} under `with`, not {', '.join(sorted(values)) or 'none'}",
            )
        requirements.append(
            Requirement(
                str(item["id"]),
                entry["number"],
                str(item["title"]),
                item["mandatory"],
                str(item["rule"]),
                item["who"],
                str(item["action"]),
                item["waived_by"],
                item["yields"],
                item["document"],
                values,
                freshness,
            )
        )
    return Phase(entry["number"], str(entry["name"]), entry["kind"], str(entry["goal"]), entry.get("next"), tuple(requirements))


def _words(data: Mapping[str, Any], name: str, path: Path) -> tuple[str, ...]:
    words = data.get(name)
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise VimError("VIM-E005", f"{path.name} needs a list of words called `{name}`", fix=f"Restore {path.name}")
    return tuple(words)


def _check_ways(phases: Mapping[int, Phase], entries: list[Any], path: Path) -> None:
    """Every way leads to a phase of the map, starts in 1, and no gate of the spine is without a mandatory requirement."""
    lines = {entry["number"]: entry for entry in entries}
    exceptions = [phase for phase in phases.values() if phase.kind == "exception"]
    if 1 not in phases or phases[1].kind != "spine" or len(exceptions) != 1:
        raise VimError("VIM-E005", f"{path.name} needs a spine that starts with phase 1 and exactly one exception phase", fix=f"Restore {path.name}")
    walked, at = [1], phases[1]
    while at.successor is not None:
        if at.successor not in phases or phases[at.successor].kind != "spine" or at.successor in walked:
            raise wrong_line(path, lines[at.number], f"phase {at.number} leads to {at.successor}, which is no further phase of the spine")
        if not at.mandatory:
            raise wrong_line(path, lines[at.number], f"phase {at.number} has no mandatory requirement: every account would pass it unseen")
        at = phases[at.successor]
        walked.append(at.number)
    lost = [phase.number for phase in phases.values() if phase.kind == "spine" and phase.number not in walked]
    if lost:
        raise wrong_line(path, lines[lost[0]], f"no way leads to phase {lost[0]}")
    for phase in phases.values():
        if phase.kind == "overlay" and phase.successor is not None:
            raise wrong_line(path, lines[phase.number], f"phase {phase.number} is an overlay and cannot have a `next`")
    if exceptions[0].successor != 1:
        raise wrong_line(path, lines[exceptions[0].number], "the exception phase leads back to phase 1")
