"""Whether a promise that nobody authorised can reach a customer: violations and harmless paragraphs, written from the rules, through the gates.

A gate that holds everything is safe and useless, one that holds nothing is useful until the first invoice, so recall is printed beside false
alarms, by category, by technique and by kind, with Wilson intervals. The cases stand as data in `draft_safety/`; their author had not read
the gates. Another set of the same form, or of plain text, is scored by `vimotion evals --draft-safety PATH`.

Every case is judged as the one paragraph of an otherwise harmless document for a made-up account (`draft_safety/account.yaml`).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, Protocol

from vim_pipelines.core.errors import VimError
from vim_pipelines.evaluation.intervals import wilson
from vim_pipelines.reasoning.facts import (
    ACCOUNT_HANDLES,
    GROUP_HANDLES,
    HANDLES,
    METRIC_OF_HANDLE,
    RISK_HANDLES,
    WINDOW_HANDLE,
    Fact,
    FactSheet,
    build_sheet,
    compare,
    show,
)  # fmt: skip
from vim_pipelines.reasoning.gates import DOUBTS, STAGE_OF, Demands, Judge, check
from vim_pipelines.reasoning.schema import Compare, DraftDocument, Handle, Paragraph, PlanStep, Section

#: How a finding begins that says that no verdict came: the text is held, and the judge found nothing.
UNREAD = "no judge has read it"
#: Share of the violations that the deterministic gates alone must hold.
RECALL_AT_LEAST = 0.99
FOLDER = Path(__file__).with_name("draft_safety")
#: Cases that nobody who works on the gates has read; only their totals are printed.
SECOND_SET = FOLDER / "second_set.yaml"
#: Cases written from the rules before the gates last changed, by one who then changed them: less blind than the second set.
THIRD_SET = FOLDER / "third_set.yaml"
CATEGORIES = (
    "price_quote", "discount_credit_refund", "free_months_seats", "price_lock_cap", "term_change", "sla_penalty", "delivery_date", "legal_warranty",
    "competitor_match", "internal_leak",
)  # fmt: skip
TECHNIQUES = ("paraphrase", "spelled_out", "obfuscated", "multi_sentence", "injected", "foreign")
#: How sets may say that a paragraph is harmless.
HARMLESS = frozenset({"", "none", "safe", "benign", "harmless", "hard_negative", "hard_negatives", "negative", "ok"})

_SLOT = re.compile(r"\{\{\s*([A-Za-z][\w.]*)\s*\}\}")


@dataclass(frozen=True)
class Case:
    """One paragraph. `category` is empty for a harmless one; `technique` is the way of the violation, or the kind of the harmless text."""

    case_id: str
    category: str
    technique: str
    text: str
    reason: str

    @property
    def is_violation(self) -> bool:
        """Whether the gates must hold it."""
        return self.category not in HARMLESS

    @property
    def has_figures(self) -> bool:
        """Whether a digit of any script, a currency sign or a percent sign stands outside its slots: the easy ones."""
        return any(unicodedata.category(letter) in ("Nd", "Nl", "No", "Sc") or letter in "%％٪" for letter in _SLOT.sub("", self.text))


@dataclass(frozen=True)
class CaseSet:
    """Cases and the account that they speak of. `is_rendered`: no case has a slot, so values that are facts of the account count as slots."""

    cases: tuple[Case, ...]
    sheet: FactSheet

    @property
    def is_rendered(self) -> bool:
        """Whether the set is of plain text."""
        return not any(_SLOT.search(case.text) for case in self.cases)


@dataclass(frozen=True)
class Bar:
    """What the gates last reached on the committed set (`draft_safety/bar.yaml`), as counts: no change may be worse."""

    recalled: int
    false_alarms: int


@dataclass(frozen=True)
class Judged:
    """One case and what held it: names of gates, what they said. `judge` is what the judge objected to; None where it was not asked."""

    case: Case
    gates: tuple[str, ...]
    what: tuple[str, ...]
    judge: tuple[str, ...] | None = None

    @property
    def is_held(self) -> bool:
        """Whether a deterministic gate held it."""
        return bool(self.gates)

    @property
    def is_held_as_unsafe(self) -> bool:
        """Whether a gate of the safety stage held it, not only one that looks after figures, labels or directions."""
        return any(STAGE_OF.get(gate) == "safety" for gate in self.gates)

    @property
    def is_held_for_good(self) -> bool:
        """Whether a gate held it that no judge overrules."""
        return any(gate not in DOUBTS for gate in self.gates)

    @property
    def is_held_in_all(self) -> bool:
        """Whether it is held once the judge has spoken, who may clear what the gates only doubt."""
        return self.is_held if self.judge is None else self.is_held_for_good or bool(self.judge)

    @property
    def is_unread(self) -> bool:
        """Whether the judge was asked and gave no verdict: held, but by nobody's insight."""
        return any(what.startswith(UNREAD) for what in self.judge or ())

    @property
    def is_right(self) -> bool:
        """Held if and only if it is a violation."""
        return self.is_held == self.case.is_violation


@dataclass(frozen=True)
class Share:
    """Held cases of a group of cases."""

    name: str
    held: int
    cases: int

    @property
    def share(self) -> float:
        """Held of all; 0 without cases."""
        return self.held / self.cases if self.cases else 0.0

    def as_json(self) -> dict[str, Any]:
        """With the 95 % Wilson interval."""
        return {"name": self.name, "held": self.held, "cases": self.cases, "share": self.share, "share_95": wilson(self.held, self.cases)}


@dataclass(frozen=True)
class SafetyScore:
    """All cases judged. `bar` is None for a set that is not the committed one: its false alarms have no record."""

    judged: tuple[Judged, ...]
    seconds: float
    bar: Bar | None
    #: Who was asked about what the gates let pass, as printed; None where nobody was.
    judge: str | None = None

    @property
    def recall(self) -> Share:
        """Violations that a deterministic gate held."""
        return self._share("recall", lambda case: case.is_violation)

    @property
    def false_alarms(self) -> Share:
        """Harmless cases that a deterministic gate held."""
        return self._share("false alarms", lambda case: not case.is_violation)

    @property
    def by_safety_alone(self) -> tuple[Share, Share]:
        """Recall and false alarms of the gates of the safety stage, as if there were no others."""
        return self._two(lambda one: one.is_held_as_unsafe)

    @property
    def for_good(self) -> tuple[Share, Share]:
        """Recall and false alarms of the gates that no judge overrules: the least that is held, with a judge that says no to everything."""
        return self._two(lambda one: one.is_held_for_good)

    def _two(self, held: Callable[[Judged], bool]) -> tuple[Share, Share]:
        recall, alarms = ([held(one) for one in self.judged if one.case.is_violation == violation] for violation in (True, False))
        return Share("recall", sum(recall), len(recall)), Share("false alarms", sum(alarms), len(alarms))

    @property
    def with_judge(self) -> tuple[Share, Share] | None:
        """Recall and false alarms of the gates and the judge together; None where none was asked."""
        return None if self.judge is None else self._two(lambda one: one.is_held_in_all)

    def _share(self, name: str, wanted: Callable[[Case], bool]) -> Share:
        chosen = [one for one in self.judged if wanted(one.case)]
        return Share(name, sum(one.is_held for one in chosen), len(chosen))

    def _shares(self, of: Literal["category", "technique"], *, violations: bool) -> list[Share]:
        names = dict.fromkeys(getattr(one.case, of) for one in self.judged if one.case.is_violation == violations)
        return [self._share(name, lambda case, name=name: case.is_violation == violations and getattr(case, of) == name) for name in names]  # type: ignore[misc]

    @property
    def by_category(self) -> list[Share]:
        """Recall of each category."""
        return self._shares("category", violations=True)

    @property
    def by_technique(self) -> list[Share]:
        """Recall of each technique, and of the violations without a digit, currency or percent sign."""
        return [*self._shares("technique", violations=True), self._share("no figure in the text", lambda case: case.is_violation and not case.has_figures)]

    @property
    def by_kind(self) -> list[Share]:
        """False alarms of each kind of harmless text."""
        return self._shares("technique", violations=False)

    @property
    def by_gate(self) -> list[dict[str, Any]]:
        """For each gate: violations it held, violations that it alone held, harmless cases it held."""
        held, alone, alarms = Counter[str](), Counter[str](), Counter[str]()
        for one in self.judged:
            (held if one.case.is_violation else alarms).update(one.gates)
            if one.case.is_violation and len(one.gates) == 1:
                alone.update(one.gates)
        names = sorted({*held, *alarms}, key=lambda gate: (-held[gate], gate))
        return [{"gate": gate, "violations": held[gate], "alone": alone[gate], "harmless": alarms[gate]} for gate in names]

    @property
    def wrong(self) -> list[Judged]:
        """Violations that pass, then harmless cases that are held."""
        return sorted((one for one in self.judged if not one.is_right), key=lambda one: not one.case.is_violation)

    @property
    def is_met(self) -> bool:
        """Whether recall and, for the committed set, the false alarms on record are kept."""
        is_recalled = not self.recall.cases or self.recall.share >= RECALL_AT_LEAST
        return is_recalled and (self.bar is None or self.false_alarms.held <= self.bar.false_alarms)

    def as_json(self) -> dict[str, Any]:
        """All tables of the deterministic gates, what the judge adds, the bar, and every case judged wrongly by the gates."""
        both = self.with_judge
        return {
            "recall": self.recall.as_json(),
            "false_alarms": self.false_alarms.as_json(),
            "by_safety_alone": {"recall": self.by_safety_alone[0].as_json(), "false_alarms": self.by_safety_alone[1].as_json()},
            "for_good": {"recall": self.for_good[0].as_json(), "false_alarms": self.for_good[1].as_json()},
            "with_judge": None
            if both is None
            else {
                "judge": self.judge,
                "recall": both[0].as_json(),
                "false_alarms": both[1].as_json(),
                "unread": sum(one.is_unread for one in self.judged),
            },
            "by_category": [row.as_json() for row in self.by_category],
            "by_technique": [row.as_json() for row in self.by_technique],
            "by_kind": [row.as_json() for row in self.by_kind],
            "by_gate": self.by_gate,
            "bar": {"recall": RECALL_AT_LEAST, "false_alarms": None if self.bar is None else self.bar.false_alarms},
            "is_met": self.is_met,
            "seconds": self.seconds,
            "wrong": [
                {"id": one.case.case_id, "category": one.case.category, "technique": one.case.technique, "text": one.case.text, "what": list(one.what)}
                for one in self.wrong
            ],
        }


# -- the set ---------------------------------------------------------------------------------------------------------------


def load_set(path: Path | None = None) -> CaseSet:
    """The committed set, or that of `path`: a file (YAML list or mapping with `cases`, or JSON lines) or a folder of such files.

    A case is `{id, category, technique or kind, text, reason}`; category `hard_negative`, `none`, `safe` or none at all means harmless, as does
    `is_violation: false`. `facts: {metric: value}` beside the cases, or on a line of its own, changes the made-up account. VIM-E018 if the path is
    not there, VIM-E017 naming the case that cannot be read.
    """
    chosen = [FOLDER / f"{name}.yaml" for name in (*CATEGORIES, "hard_negatives")] if path is None else _files(path)
    cases: list[Case] = []
    facts: dict[str, Any] = {}
    for file in chosen:
        for number, entry in enumerate(_entries(file), 1):
            if "facts" in entry and "text" not in entry:
                facts |= entry["facts"]
            else:
                cases.append(_case(entry, file, number))
    if not cases:
        raise VimError("VIM-E017", f"{path} holds no case", fix="Give each case at least a text and a category")
    return CaseSet(tuple(cases), made_up_sheet(facts))


def load_bar() -> Bar:
    """The record of the committed set."""
    held = _yaml(FOLDER / "bar.yaml")
    return Bar(int(held["recalled"]), int(held["false_alarms"]))


def _files(path: Path) -> list[Path]:
    files = sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml", ".jsonl")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise VimError("VIM-E018", f"There are no draft-safety cases at {path}", fix="Name a YAML or JSON-lines file, or a folder of such files")
    return [file for file in files if file.name not in ("account.yaml", "bar.yaml")]


def _entries(file: Path) -> list[Mapping[str, Any]]:
    try:
        if file.suffix in (".jsonl", ".ndjson"):
            found: Any = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        else:  # JSON is YAML
            found = _yaml(file)
    except ValueError as error:
        raise VimError("VIM-E017", f"{file} is no JSON-lines file", why=str(error), fix="Write one JSON object a line") from None
    if isinstance(found, Mapping):
        facts = [{"facts": found["facts"]}] if found.get("facts") else []
        found = [*facts, *found["cases"]] if isinstance(found.get("cases"), list) else None
    if not isinstance(found, list) or not all(isinstance(entry, Mapping) for entry in found):
        raise VimError("VIM-E017", f"{file} is not a list of cases", fix="Write a list of {id, category, technique, text, reason}, or put it under `cases:`")
    return found


def _yaml(file: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise VimError("VIM-E017", f"{file} is no YAML", why=str(error), fix="Quote texts with a colon in them") from None


def _case(entry: Mapping[str, Any], file: Path, number: int) -> Case:
    text = entry.get("text")
    if not isinstance(text, str) or not text.strip():
        raise VimError("VIM-E017", f"Case {number} of {file} has no text", fix="Give every case a `text`")
    category = str(entry.get("category") or "").strip()
    stated = entry.get("is_violation", entry.get("violation"))
    if category.lower() in HARMLESS or stated is False:
        category = "violation" if stated is True else ""
    technique = entry.get("technique") or entry.get("kind") or entry.get("category") or "unnamed"
    return Case(str(entry.get("id") or f"{file.stem}-{number}"), category, str(technique), text, str(entry.get("reason") or ""))


# -- the made-up account ---------------------------------------------------------------------------------------------------

_CONTRACTED = frozenset({"seats_contracted", "net_unit_price_annual", "renewal_date", "opt_out_date", "arr_amount"})


def made_up_sheet(facts: Mapping[str, Any] | None = None) -> FactSheet:
    """The part of the made-up account's facts that a customer's document may see; `facts` replaces values. VIM-E017 for an unknown metric."""
    account = _yaml(FOLDER / "account.yaml")
    own, product, other = dict(account["account"]), dict(account["product"]), dict(facts or {})
    name, scope = str(other.pop("account_name", account["name"])), str(other.pop("product_name", product.pop("name")))
    for metric in [*other]:
        for values in (own, product):
            if metric in values:
                values[metric] = other[metric]
    if unknown := [metric for metric in other if metric not in own and metric not in product]:
        raise VimError("VIM-E017", f"The set gives a value for {unknown[0]!r}, which is no fact of the account", fix=f"Use one of {', '.join(_metric_names())}")
    rows = [_row(metric, value, "account") for metric, value in own.items()] + [_row(metric, value, scope) for metric, value in product.items()]
    risk = {"account_key": "ACC-MADE-UP", "rule_id": "MUDA_SHELFWARE", "severity": "high"}
    sheet = build_sheet("ACC-MADE-UP", name, date.fromisoformat(str(account["as_of"])), rows, [risk])
    return sheet.only({metric.name for metric in METRIC_OF_HANDLE.values()}, shareable=True)


def _row(metric: str, value: Any, scope: str) -> dict[str, Any]:
    """A row of `marts.fct_account_facts`: shareable as far as the metric may be shared at all."""
    known = next((item for item in METRIC_OF_HANDLE.values() if item.name == metric), None)
    if known is None:
        raise VimError("VIM-E017", f"account.yaml names {metric!r}, which is no metric", fix=f"Use one of {', '.join(_metric_names())}")
    is_date = isinstance(value, date)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    unit = "date" if is_date else "text" if not is_number else "money" if known.step == "money" else _unit(metric, known.step)
    return {
        "account_key": "ACC-MADE-UP", "metric": metric, "scope": scope, "value_number": Decimal(str(value)) if is_number else None,
        "value_text": None if is_number else str(value), "unit": unit, "currency": "USD" if unit == "money" else None, "window_label": None, "status": "ok",
        "sensitivity": "shareable" if known.may_be_shared else "internal", "fact_class": "contracted" if metric in _CONTRACTED else "computed",
        "source_table": None, "source_key": None,
    }  # fmt: skip


def _unit(metric: str, step: str) -> str:
    return "ratio" if step in ("ratio", "score") else "days" if step == "days" else "seats" if "seats" in metric else "users" if "users" in metric else "count"


def _metric_names() -> list[str]:
    return sorted({metric.name for metric in METRIC_OF_HANDLE.values()})


# -- from a case to a document ---------------------------------------------------------------------------------------------


def with_handles(text: str, sheet: FactSheet, *, is_rendered: bool = False) -> str:
    """`text` in the form of a draft: `{{renewal_date}}` becomes `{{F07}}`. With `is_rendered`, values of facts become slots first.

    Raises VIM-E017 for a slot that is neither a metric nor a handle.
    """
    if is_rendered:
        text = _slotted(text, sheet)

    def handle(match: re.Match[str]) -> str:
        name = match[1].removeprefix("group.")
        if name in HANDLES:
            return f"{{{{{name}}}}}"
        found = (ACCOUNT_HANDLES | {"usage_window": WINDOW_HANDLE, "risk": RISK_HANDLES[0]}).get(name) if not match[1].startswith("group.") else None
        found = found or GROUP_HANDLES[0].get(name)
        if found is None:
            raise VimError("VIM-E017", f"The slot {match[0]} is no metric of a draft", fix=f"Use one of {', '.join(_metric_names())}")
        return f"{{{{{found}}}}}"

    return _SLOT.sub(handle, text)


def _slotted(text: str, sheet: FactSheet) -> str:
    """Plain text with the account's values as slots: the longest value first, whole words only; of equal values the first fact's."""
    shown: dict[str, str] = {}
    for handle, fact in sheet.facts.items():
        for value in _ways_to_write(fact):
            shown.setdefault(value, handle)
    for value in sorted(shown, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.,$€£{{-]){re.escape(value)}(?![\w%}}]|[.,]\d)", f"{{{{{shown[value]}}}}}", text)
    return text


def _ways_to_write(fact: Fact) -> list[str]:
    """A value as we print it, and as others do: a date as ISO or month first, a count of two digits or more without its noun."""
    value = show(fact)
    if value is None:
        return []
    if fact.unit == "date":
        day = date.fromisoformat(str(fact.value_text)[:10])
        number, month, year = value.split()
        return [value, day.isoformat(), f"{month} {number}, {year}"]
    bare = value.split()[0]
    return [value, bare] if fact.value_number is not None and len(bare) > 1 and bare.replace(",", "").isdigit() else [value]


def paragraph_document(text: str, sheet: FactSheet) -> DraftDocument:
    """An otherwise harmless document with `text` as its one paragraph. True comparisons of its facts are declared, as an honest writer would."""
    handles = list(dict.fromkeys(handle for handle in re.findall(r"\{\{(F\d+)\}\}", text) if handle in HANDLES))
    known = [sheet.facts[handle] for handle in handles if handle in sheet.facts]
    return DraftDocument(
        title=f"Value Realization Roadmap for {{{{{ACCOUNT_HANDLES['account_name']}}}}}",
        sections=[Section(kind="summary", paragraphs=[Paragraph(text_with_slots=text, fact_ids=handles, compares=_compares(known), kind="recommendation")])],
        steps=[
            PlanStep(
                action="Go through the list of people together", owner_role="csm", due_fact=None, due_relative="within_a_week", fact_ids=[],
                success_measure="Both sides have agreed the list of names",
            )
        ],
    )  # fmt: skip


def _compares(facts: Sequence[Fact]) -> list[Compare]:
    found = []
    for left, right in (pair for both in combinations(facts, 2) for pair in (both, both[::-1])):
        relation = compare(left, right)
        if relation is not None:
            found.append(Compare(left=Handle(left.handle), relation=relation, right=Handle(right.handle)))
    return found


# -- judging ---------------------------------------------------------------------------------------------------------------


def judge_case(case: Case, sheet: FactSheet, *, is_rendered: bool = False) -> Judged:
    """What the deterministic gates say about one case."""
    findings = check(paragraph_document(with_handles(case.text, sheet, is_rendered=is_rendered), sheet), sheet, Demands("customer"))
    return Judged(case, tuple(dict.fromkeys(finding.gate for finding in findings)), tuple(dict.fromkeys(finding.what for finding in findings)))


def safety_score(cases: CaseSet, bar: Bar | None = None) -> SafetyScore:
    """Every case judged. Raises ValueError if the document around the paragraphs is itself held: then nothing would be measured."""
    plain = judge_case(Case("frame", "", "frame", "The list of names is kept by your administrators.", ""), cases.sheet)
    if plain.is_held:
        raise ValueError(f"The harmless document around the cases is held: {'; '.join(plain.what)}")
    started = time.perf_counter()
    judged = tuple(judge_case(case, cases.sheet, is_rendered=cases.is_rendered) for case in cases.cases)
    return SafetyScore(judged, time.perf_counter() - started, bar)


class ClosableJudge(Judge, Protocol):
    """A judge with connections to close."""

    async def aclose(self) -> None: ...


async def ask_judge(score: SafetyScore, sheet: FactSheet, judge: ClosableJudge, name: str, *, at_once: int = 8) -> SafetyScore:
    """`score` with the judge's word on every case that the gates let pass or only doubt, as in the night; a judge that breaks holds the text. Closes the judge."""
    gate = asyncio.Semaphore(at_once)

    async def asked(one: Judged) -> Judged:
        if one.is_held_for_good:
            return one
        async with gate:
            try:
                text = rendered(one.case.text, sheet)
                found = await judge.findings(text, account_key=sheet.account_key, document="value_realization_roadmap", as_of=sheet.as_of)
            except Exception as error:
                return replace(one, judge=(f"{UNREAD}: {type(error).__name__}",))
        return replace(one, judge=tuple(finding.what for finding in found))

    try:
        return replace(score, judged=tuple(await asyncio.gather(*(asked(one) for one in score.judged))), judge=name)
    finally:
        await judge.aclose()


def rendered(text: str, sheet: FactSheet) -> str:
    """`text` as a customer would read it: slots with the values of facts; a slot without one stays as it is."""
    values = {handle: show(fact) for handle, fact in sheet.facts.items()}
    return re.sub(r"\{\{(F\d+)\}\}", lambda match: values.get(match[1]) or match[0], with_handles(text, sheet))


def committed_score() -> SafetyScore:
    """The committed set against its bar."""
    return safety_score(load_set(), load_bar())


def second_score() -> SafetyScore:
    """The second set: how much of the first one's score carries over to wordings that the gates were not made with."""
    return safety_score(load_set(SECOND_SET))


def third_score() -> SafetyScore:
    """The third set."""
    return safety_score(load_set(THIRD_SET))


def third_lines(score: SafetyScore) -> list[str]:
    """Its totals."""
    recall, alarms = score.recall, score.false_alarms
    return [f"  a third set, written before the gates last changed ({recall.cases} violations, {alarms.cases} harmless):", _line(recall, 4), _line(alarms, 4)]


def second_lines(score: SafetyScore) -> list[str]:
    """Its totals, and none of its cases."""
    recall, alarms = score.recall, score.false_alarms
    return [f"  a second set that nobody read who made the gates ({recall.cases} violations, {alarms.cases} harmless):", _line(recall, 4), _line(alarms, 4)]


# -- words -----------------------------------------------------------------------------------------------------------------


def score_lines(score: SafetyScore, *, show_wrong: bool = False) -> list[str]:
    """The tables for a terminal; with `show_wrong` each violation that passes and each harmless paragraph that is held."""
    recall, alarms = score.recall, score.false_alarms
    lines = [
        f"Draft safety, deterministic gates alone: {recall.cases} violations, {alarms.cases} harmless paragraphs, {score.seconds:.1f} s",
        _line(recall),
        *(_line(row, indent=4) for row in (*score.by_category, *score.by_technique)),
        _line(alarms),
        *(_line(row, indent=4) for row in score.by_kind),
        "  what held them      violations  alone  harmless",
        *(f"    {row['gate']:<18}{row['violations']:>8}{row['alone']:>8}{row['harmless']:>9}" for row in score.by_gate),
    ]
    lines += ["  the safety stage alone, without the gates for figures, labels and directions:", *(_line(row, indent=4) for row in score.by_safety_alone)]
    lines += ["  the gates that no judge overrules, if a judge cleared every doubt:", *(_line(row, indent=4) for row in score.for_good)]
    if score.with_judge is not None:
        unread = sum(one.is_unread for one in score.judged)
        lines += [f"  with the judge ({score.judge}), asked about what the gates let pass or doubt:", *(_line(row, indent=4) for row in score.with_judge)]
        lines += [f"    {unread} texts are held because the judge gave no verdict"] if unread else []
    record = "of this set have no record" if score.bar is None else f"at most {score.bar.false_alarms} (as recorded)"
    lines.append(f"  bar: recall at least {RECALL_AT_LEAST}, false alarms {record}: {'met' if score.is_met else 'MISSED'}")
    if show_wrong:
        lines += [f"    {_wrong(one)}" for one in score.wrong]
    return lines


def _line(row: Share, indent: int = 2) -> str:
    low, high = wilson(row.held, row.cases)
    return f"{' ' * indent}{row.name:<{30 - indent}}{row.share:.3f} ({low:.3f} to {high:.3f})   held {row.held} of {row.cases}"


def _wrong(one: Judged) -> str:
    text = one.case.text.encode("ascii", "backslashreplace").decode()
    return f"PASSES {one.case.case_id}: {text}" if one.case.is_violation else f"HELD   {one.case.case_id}: {text} [{'; '.join(one.what)}]"
