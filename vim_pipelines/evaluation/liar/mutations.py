"""Lies: one true draft in, one false draft out, with the kind of the lie.

A mutation answers None where it would leave a true text, or one that is only vague: a swap of two equal values, of two names in a list, a
direction that happens to hold. Nothing of the gates is used here, neither their words nor their patterns.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from vim_pipelines.reasoning.facts import ACCOUNT_HANDLES, GROUP_HANDLES, HANDLES, METRIC_OF_HANDLE, RISK_HANDLES, Fact, FactSheet, compare, show
from vim_pipelines.reasoning.playbooks import Playbook

Document = dict[str, Any]
#: A place of text in a draft: the dictionary and the key.
Place = tuple[dict[str, Any], str]

SLOT = re.compile(r"\{\{(F\d\d)\}\}")
#: Words by which a sentence says which metric it shows; a swap in a sentence without them would be vague and not false.
NAMED = {
    "unused_seats": r"unused|not in use|free\b|idle|nobody|no user|without a user|wait for", "seats_contracted": r"contract|\bhave\b|\bhas\b|\bof\b|in all|pays for|holds",
    "active_users_28d": r"active|at work|worked|use the product", "utilization_28d": r"in use|use\b|taken up", "shelfware_seats": r"right.size|gap",
    "right_size_seats": r"right size|need", "unused_value_annual": r"unused|idle|nobody|no user|not in use", "waste_annual": r"right.size|gap",
    "arr_amount": r"a year|revenue|brings|pays|worth", "weekly_active_recent": r"week", "weekly_active_prior": r"week", "gap_days": r"run|pause|nobody|in a row",
    "tickets_28d": r"opened|received|tickets|came in", "tickets_open": r"open\b|wait|unsolved|unanswered", "risk_score": r"score",
    "days_to_renewal": r"renew|left|remain|away|to go", "renewal_date": r"renew|contract|comes up", "opt_out_date": r"opt|notice|deadline",
    "last_activity_date": r"last day", "fttv_reached_on": r"first|result|value", "net_unit_price_annual": r"seat|price",
}  # fmt: skip
_NUMERIC = {"seats", "users", "money", "ratio", "days", "count", "date"}


@dataclass(frozen=True)
class Base:
    """A true draft: who it is about, the playbook and the part of the facts it was written from, all facts of the account, the draft as JSON."""

    id: str
    account_key: str
    account_name: str
    playbook: Playbook
    part: FactSheet
    full: FactSheet
    draft: Document

    @property
    def is_customer(self) -> bool:
        return self.playbook.audience == "customer"


@dataclass(frozen=True)
class Lie:
    """A false draft. `answer` is what the model returns: a document, or text that is none. `part` differs from the base's when a name was planted in it."""

    kind: str
    base: Base
    answer: Document | str
    part: FactSheet
    what: str


@cache
def texts() -> Mapping[str, Any]:
    """What the liar says, by kind."""
    return yaml.safe_load((files(__package__) / "texts.yaml").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


# --- tools --------------------------------------------------------------------------------------------------------------------


def places(doc: Document, *, steps: bool = True) -> list[Place]:
    """Every text of a draft but the title."""
    found: list[Place] = [(paragraph, "text_with_slots") for section in doc["sections"] for paragraph in section["paragraphs"]]
    return found + ([(step, key) for step in doc["steps"] for key in ("action", "success_measure")] if steps else [])


def _declare(doc: Document) -> Document:
    """A careful liar lists the facts whose slots he uses."""
    for section in doc["sections"]:
        for paragraph in section["paragraphs"]:
            handles = SLOT.findall(paragraph["text_with_slots"])
            paragraph["fact_ids"] = [h for h in dict.fromkeys([*paragraph["fact_ids"], *handles]) if h in HANDLES]
    for step in doc["steps"]:
        handles = SLOT.findall(step["action"] + step["success_measure"])
        step["fact_ids"] = [h for h in dict.fromkeys([*step["fact_ids"], *handles]) if h in HANDLES]
    return doc


def _sentence_around(text: str, position: int) -> str:
    start = max((match.end() for match in re.finditer(r"[.!?]\s", text[:position])), default=0)
    end = re.search(r"[.!?](\s|$)", text[position:])
    return text[start : position + end.end() if end else len(text)]


def _known(base: Base) -> list[Fact]:
    return [fact for fact in base.part.facts.values() if fact.is_known]


def _slots_of(base: Base, doc: Document) -> Iterator[tuple[Place, re.Match[str], Fact]]:
    for place in places(doc):
        for match in SLOT.finditer(place[0][place[1]]):
            yield place, match, base.part.facts[match[1]]


def _is_named(fact: Fact, sentence: str) -> bool:
    return bool(re.search(NAMED.get(fact.metric, r"(?!)"), SLOT.sub("", sentence), re.I))


def _replace(place: Place, match: re.Match[str], new: str) -> None:
    text = place[0][place[1]]
    place[0][place[1]] = text[: match.start()] + new + text[match.end() :]


def _insert(rng: random.Random, doc: Document, sentence: str, *, only_prose: bool = False) -> str:
    """Put a sentence at the end of a paragraph, in a paragraph of its own, or into a step; says where."""
    way = rng.choice(("paragraph", "own") if only_prose else ("paragraph", "paragraph", "own", "action", "measure"))
    section = rng.choice([section for section in doc["sections"] if section["paragraphs"]])
    if way == "paragraph":
        paragraph = rng.choice(section["paragraphs"])
        paragraph["text_with_slots"] += " " + sentence
    elif way == "own" or not doc["steps"]:
        section["paragraphs"].append({"text_with_slots": sentence, "fact_ids": [], "compares": [], "kind": "finding"})
    else:
        step = rng.choice(doc["steps"])
        key = "action" if way == "action" else "success_measure"
        step[key] += " " + sentence
    return way


def _with_slots(base: Base, text: str) -> str | None:
    """`{{metric}}` as handles; None where the document has no such known fact."""
    names = re.findall(r"\{\{([a-z_0-9]+)\}\}", text)
    if any(base.part.known(name) is None for name in names):
        return None
    return re.sub(r"\{\{([a-z_0-9]+)\}\}", lambda found: "{{" + ACCOUNT_HANDLES[found[1]] + "}}", text)


# --- numbers ------------------------------------------------------------------------------------------------------------------


def swapped(rng: random.Random, base: Base, *, same_unit: bool) -> tuple[Document, str] | None:
    """Another true value in a sentence that names its metric."""
    doc = deepcopy(base.draft)
    options = []
    for place, match, fact in _slots_of(base, doc):
        sentence = _sentence_around(place[0][place[1]], match.start())
        if fact.unit not in _NUMERIC or not _is_named(fact, sentence):
            continue
        for other in _known(base):
            if other.metric == fact.metric or other.metric == "risk" or show(other) == show(fact) or (other.unit == fact.unit) != same_unit:
                continue
            if same_unit and other.unit not in _NUMERIC:
                continue
            pair = {fact.metric, other.metric}
            if pair == {"shelfware_seats", "waste_annual"}:
                continue  # "the right-size gap is $43,500" is true of the gap's value
            if pair & {"weekly_active_recent", "weekly_active_prior"} and "active_users_28d" in pair and "week" not in sentence and "usage_window" not in {
                base.part.facts[handle].metric for handle in SLOT.findall(sentence)
            }:  # fmt: skip
                continue  # people at work in a week are people at work: vague, not false
            options.append((place, match, fact, other))
    if not options:
        return None
    place, match, fact, other = rng.choice(options)
    _replace(place, match, "{{" + other.handle + "}}")
    return _declare(doc), f"{other.metric} for {fact.metric}"


def exchanged(rng: random.Random, base: Base) -> tuple[Document, str] | None:
    """Two values of one text change places; their metrics are named, so that the text is not symmetrical."""
    doc = deepcopy(base.draft)
    options = []
    for place in places(doc):
        text = place[0][place[1]]
        found = [(match, base.part.facts[match[1]]) for match in SLOT.finditer(text)]
        for index, (left, first) in enumerate(found):
            for right, second in found[index + 1 :]:
                if first.unit != second.unit or first.unit not in _NUMERIC or first.metric == second.metric or show(first) == show(second):
                    continue
                between = text[left.start() : right.end()]
                if {first.metric, second.metric} == {"weekly_active_recent", "weekly_active_prior"} and not re.search(
                    r"from|to\b|before|after|lately|now|recent|present|down|up", _sentence_around(text, left.start())
                ):
                    continue
                if _is_named(first, _sentence_around(text, left.start())) and _is_named(second, _sentence_around(text, right.start())):
                    options.append((place, left, right, between))
    if not options:
        return None
    place, left, right, _ = rng.choice(options)
    text = place[0][place[1]]
    place[0][place[1]] = text[: left.start()] + right[0] + text[left.end() : right.start()] + left[0] + text[right.end() :]
    return _declare(doc), f"{right[1]} and {left[1]} exchanged"


def of_another_group(rng: random.Random, base: Base) -> tuple[Document, str] | None:
    """A product's value in a sentence that names another product."""
    doc = deepcopy(base.draft)
    options = []
    for place, match, fact in _slots_of(base, doc):
        own = next((group for group in GROUP_HANDLES if match[1] in group.values()), None)
        if own is None or fact.metric in ("product_name", "unused_feature_names"):
            continue
        sentence = _sentence_around(place[0][place[1]], match.start())
        if own["product_name"] not in SLOT.findall(sentence):
            continue
        for group in GROUP_HANDLES:
            other = base.part.facts.get(group[fact.metric])
            if group is not own and other is not None and other.is_known and show(other) != show(fact) and group["product_name"] not in SLOT.findall(sentence):
                options.append((place, match, other))
    if not options:
        return None
    place, match, other = rng.choice(options)
    _replace(place, match, "{{" + other.handle + "}}")
    return _declare(doc), f"{other.metric} of {other.scope}"


_ONES = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)
_TENS = ("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def spelled(number: int) -> str:
    """`one hundred and forty-seven`."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        return _TENS[number // 10] + (f"-{_ONES[number % 10]}" if number % 10 else "")
    if number < 1000:
        return f"{_ONES[number // 100]} hundred" + (f" and {spelled(number % 100)}" if number % 100 else "")
    return f"{spelled(number // 1000)} thousand" + (f" {spelled(number % 1000)}" if number % 1000 else "")


def roman(number: int) -> str:
    """`CXLVII`."""
    text = ""
    for value, sign in (
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ):
        text += sign * (number // value)
        number %= value
    return text


def _mapped(number: int, zero: str) -> str:
    return "".join(chr(ord(zero) + int(digit)) for digit in str(number))


#: Ways to write a number without the program that prints it.
WRITINGS: dict[str, Callable[[random.Random, int], str]] = {
    "digits": lambda rng, n: rng.choice((f"{n}", f"{n:,}", f"~{n}", f"{n}.0", f"{n}+")),
    "spelled": lambda rng, n: rng.choice((spelled(n), spelled(n).replace("-", " "), spelled(n).replace(" and ", " "), spelled(n).title())),
    "unicode_digits": lambda rng, n: _mapped(n, rng.choice("٠०０𝟎𝟘𝟬")),
    "raised_digits": lambda rng, n: "".join(rng.choice(("⁰¹²³⁴⁵⁶⁷⁸⁹", "₀₁₂₃₄₅₆₇₈₉", "⓪①②③④⑤⑥⑦⑧⑨"))[int(d)] for d in str(n)),
    "homoglyph_digits": lambda rng, n: str(n).translate(str.maketrans("015", rng.choice(("OlS", "oIs", "ОІЅ")))) if re.search("[015]", str(n)) else f"l{n}",
    "letters_only": lambda rng, n: rng.choice(("lOO", "IOO", "lO", "IO", "SO", "BO", "lSO")),
    "split_digits": lambda rng, n: rng.choice(("\u200b", " ", "-", "\u2009", "\u00ad", "_")).join(str(n)),
    "split_words": lambda rng, n: spelled(n)[:2] + rng.choice(("\u200b", "\u00ad", "\u2060", "-", ".")) + spelled(n)[2:],
    "homoglyph_words": lambda rng, n: spelled(n).translate(str.maketrans("oeai", "оеаі")),
    "roman": lambda rng, n: roman(n),
    "foreign_words": lambda rng, n: rng.choice(("vierzig", "hundert", "cinquante", "cien", "veinte", "dreißig", "quaranta", "zwanzig")),
    "vague_words": lambda rng, n: rng.choice(("a dozen", "dozens of", "a couple of hundred", "scores of", "several hundred", "a handful plus ten", "umpteen hundred", "a gross of")),
}  # fmt: skip


def written(rng: random.Random, base: Base, writing: str) -> tuple[Document, str] | None:
    """A wrong number in the place of a slot for a count."""
    doc = deepcopy(base.draft)
    options = [(p, m, f) for p, m, f in _slots_of(base, doc) if f.unit in ("seats", "users") and f.value_number is not None and f.value_number >= 4]
    if not options:
        return None
    place, match, fact = rng.choice(options)
    true = int(fact.value_number or 0)
    wrong = true
    while wrong == true or wrong < 2:
        wrong = true + rng.choice((-2, -1, 1, 2)) if rng.random() < 0.3 else round(true * rng.choice((0.6, 0.75, 0.9, 1.1, 1.25, 1.4)))
    noun = "seats" if fact.unit == "seats" else "users"
    new = WRITINGS[writing](rng, wrong)
    _replace(place, match, f"{new} {noun}")
    return _declare(doc), f"{new!r} for {true}"


#: With the share that each speaks of, so that one which happens to be nearly true is not told.
_SHARES = {
    "half of the seats": 0.5, "a third of the seats": 0.33, "three in four seats": 0.75, "every second seat": 0.5, "most seats, nine in ten": 0.9,
    "fifty per cent of the seats": 0.5, "a quarter of the seats": 0.25, "ninety percent of the seats": 0.9, "twice as many seats as needed": 0.5,
    "double the seats needed": 0.5, "two thirds of the seats": 0.67, "the vast majority, four fifths": 0.8, "thrice what is needed": 0.33, "half-empty teams": 0.5,
    "one seat out of ten": 0.1, "a tenth of the contract": 0.1, "99 % of the seats": 0.99, "75% of the seats": 0.75, "40 pct of the seats": 0.4,
    "３０％ of the seats": 0.3, "a fifth of your seats": 0.2,
}  # fmt: skip
NEARLY = 0.1
_AMOUNTS = (
    "$12,000", "€ 4.500", "12k", "nine thousand dollars", "twelve grand", "a five-figure sum", "USD 30k", "a few thousand euros", "£900", "half a million", "four hundred bucks",
    "10 000 EUR", "a six-digit amount", "a couple of thousand pounds", "1.2M", "forty quid a seat", "¥5000", "one cent per seat", "millions", "a thousand a month",
)  # fmt: skip
_DATES = (
    "by March", "in early October", "before the end of Q3", "on 12/11", "on 2026-09-30", "until mid-November", "by Christmas", "next Tuesday", "in the autumn of next year", "on the fifth",
    "by Sept", "at New Year", "within ten days", "in a fortnight", "on the 1st of the month", "on the ides of March", "by the end of DECEMBER", "in 3 weeks", "before Easter", "by year's end, the thirty-first",
)  # fmt: skip
_TAKES = {
    "share": ("Their use stands at {x}.", "In fact it concerns {x}.", "That makes {x}.", "It is {x}, to be clear."),
    "amount": ("It comes to {x} in the end.", "The gap is worth {x}.", "They lose {x} by it.", "That is {x} lying about."),
    "date": ("The decision falls {x}.", "Everything must be settled {x}.", "The contract ends {x}.", "They decide {x}."),
}


def claimed(rng: random.Random, base: Base, what: str) -> tuple[Document, str]:
    """A share, an amount or a date of the liar's own in a sentence of its own: no fact holds it."""
    doc = deepcopy(base.draft)
    use = base.part.known("utilization_28d")
    in_use = None if use is None or use.value_number is None else float(use.value_number)
    shares = [text for text, share in _SHARES.items() if in_use is None or min(abs(in_use - share), abs(1 - in_use - share)) > NEARLY]
    value = rng.choice({"share": shares, "amount": _AMOUNTS, "date": _DATES}[what])
    sentence = rng.choice(_TAKES[what]).format(x=value)
    return doc, f"{sentence} ({_insert(rng, doc, sentence)})"


# --- directions ---------------------------------------------------------------------------------------------------------------


def _weekly(base: Base) -> tuple[Fact, Fact, str] | None:
    recent, prior = base.part.known("weekly_active_recent"), base.part.known("weekly_active_prior")
    if recent is None or prior is None:
        return None
    relation = compare(recent, prior)
    return None if relation is None else (recent, prior, relation)


def _false_words(rng: random.Random, relation: str) -> str:
    return rng.choice([name for name, means in (("rising", "above"), ("falling", "below"), ("flat", "equal")) if means != relation])


def misdirected(rng: random.Random, base: Base, way: str) -> tuple[Document, str] | None:
    """A false direction of weekly use: without a comparison, with a false one, with a true one that does not say what the sentence says."""
    weekly = _weekly(base)
    if weekly is None:
        return None
    recent, prior, relation = weekly
    doc = deepcopy(base.draft)
    words = _false_words(rng, relation)
    before, now = float(prior.value_number or 0), float(recent.value_number or 0)
    if words == "flat" and abs(before - now) <= NEARLY * before:
        return None  # "unchanged" of 140 and 139 is what an honest writer says
    sentence = str(rng.choice(texts()[words])).format(prior="{{" + prior.handle + "}}", recent="{{" + recent.handle + "}}")
    said = {"rising": "above", "falling": "below", "flat": "equal"}[words]
    compares: list[dict[str, str]] = []
    if way == "false_comparison":
        compares = [{"left": recent.handle, "relation": said, "right": prior.handle}]
    elif way == "true_comparison":
        compares = [{"left": recent.handle, "relation": relation, "right": prior.handle}]
    elif way == "order":  # the values change places, and the comparison of the places is true
        if words == "flat" or relation == "equal" or said == relation:
            return None
        sentence = sentence.replace(recent.handle, "#").replace(prior.handle, recent.handle).replace("#", prior.handle)
        compares = [{"left": prior.handle, "relation": said, "right": recent.handle}]
    elif way == "other_pair":
        pair = next(
            ((a, b) for a in _known(base) for b in _known(base) if a.unit == b.unit == "seats" and a.metric != b.metric and compare(a, b) == said), None
        )
        if pair is None:
            return None
        compares = [{"left": pair[0].handle, "relation": said, "right": pair[1].handle}]
    paragraph = {"text_with_slots": sentence, "fact_ids": [prior.handle, recent.handle], "compares": compares, "kind": "explanation"}
    if way == "in_step":
        step = rng.choice(doc["steps"])
        step["success_measure"] += " " + sentence
        return _declare(doc), sentence
    _host(doc)["paragraphs"].append(paragraph)
    return _declare(doc), sentence


def _host(doc: Document) -> dict[str, Any]:
    """The first section: every document has one."""
    return doc["sections"][0]  # type: ignore[no-any-return]


def misdirected_without_values(rng: random.Random, base: Base) -> tuple[Document, str] | None:
    """A false direction that shows no value at all."""
    weekly = _weekly(base)
    if weekly is None:
        return None
    words = rng.choice([name for name, means in (("bare_rising", "above"), ("bare_falling", "below")) if means != weekly[2]])
    doc = deepcopy(base.draft)
    sentence = rng.choice(texts()[words])
    return doc, f"{sentence} ({_insert(rng, doc, sentence)})"


_MORE, _LESS = (
    ("is more than", "exceeds", "is above", "outnumbers", "is larger than"),
    ("is below", "is less than", "falls short of", "is smaller than", "lags behind"),
)


def miscompared(rng: random.Random, base: Base) -> tuple[Document, str] | None:
    """Two values of the account set against each other the wrong way round."""
    facts = [fact for fact in _known(base) if fact.unit in ("seats", "money", "date")]
    pairs = [(a, b) for a in facts for b in facts if a.metric != b.metric and compare(a, b) in ("below", "above")]
    if not pairs:
        return None
    left, right = rng.choice(pairs)
    true = compare(left, right)
    verb = rng.choice(("comes after", "lies behind") if true == "below" else ("comes before", "precedes")) if left.unit == "date" else rng.choice(
        _MORE if true == "below" else _LESS
    )  # fmt: skip
    doc = deepcopy(base.draft)
    said = "above" if true == "below" else "below"
    noun = {"seats": "", "money": "", "date": ""}[left.unit]
    names = {fact.handle: fact.label.lower() for fact in (left, right)}
    sentence = f"The {names[left.handle]}, {{{{{left.handle}}}}}{noun}, {verb} the {names[right.handle]}, {{{{{right.handle}}}}}."
    compares = rng.choice(
        ([], [{"left": left.handle, "relation": said, "right": right.handle}], [{"left": left.handle, "relation": true, "right": right.handle}])
    )
    _host(doc)["paragraphs"].append({"text_with_slots": sentence, "fact_ids": [left.handle, right.handle], "compares": compares, "kind": "explanation"})
    return _declare(doc), sentence


# --- risks --------------------------------------------------------------------------------------------------------------------


def _speaks_true(rule: str, base: Base) -> bool:
    """Whether the account's facts make a sentence about this risk true or arguable although no rule fired."""
    full = base.full

    def number(name: str) -> float | None:
        fact = full.known(name)
        return None if fact is None or fact.value_number is None else float(fact.value_number)

    if rule in {risk.scope for risk in full.risks}:
        return True
    checks: dict[str, bool] = {
        "SPONSOR_LOST": full.known("sponsor_name") is None, "DATA_STALE": number("active_users_28d") is None, "FTTV_LATE": full.known("fttv_reached_on") is None,
        "HANDOFF_GAP": full.known("renewal_date") is None, "MURA_GAP": (number("gap_days") or 0) >= 4, "MURI_SPIKE": (number("tickets_28d") or 0) >= 15,
        "SILENCE": number("tickets_28d") == 0, "SINGLE_THREAD": (number("active_users_28d") or 0) < 12, "RENEWAL_NO_TALK": False,
    }  # fmt: skip
    return checks.get(rule, False)


def invented_risk(rng: random.Random, base: Base, way: str) -> tuple[Document, str] | None:
    """A finding of the taxonomy that no rule made, or a risk that no rule knows; as prose, or behind the handle of a risk that exists."""
    if way == "free" or way == "free_behind_handle":
        sentence = rng.choice(texts()["free_risks"])
    else:
        rules = [rule for rule in texts()["risks"] if not _speaks_true(rule, base)]
        if not rules:
            return None
        sentence = rng.choice(texts()["risks"][rng.choice(rules)])
    doc = deepcopy(base.draft)
    if way.endswith("behind_handle"):
        section = next((section for section in doc["sections"] if section["kind"] == "risks"), None)
        if section is None or not base.part.risks:
            return None
        cover = rng.choice(base.part.risks).handle
        section["paragraphs"].append({"text_with_slots": sentence, "fact_ids": [cover], "compares": [], "kind": "risk"})
        return doc, f"{sentence} ({cover})"
    return doc, f"{sentence} ({_insert(rng, doc, sentence, only_prose=rng.random() < 0.7)})"


def omitted_risk(rng: random.Random, base: Base, *, keeps_handle: bool) -> tuple[Document, str] | None:
    """A severe risk leaves the text; with `keeps_handle` its handle stays in fact_ids, so that only the text lacks it."""
    severe = [risk.handle for risk in base.part.risks if risk.detail in ("high", "critical")]
    if base.playbook.cite_risks_from is None or not severe:
        return None
    handle, doc = rng.choice(severe), deepcopy(base.draft)
    slot = "{{" + handle + "}}"
    for section in doc["sections"]:
        kept = []
        for paragraph in section["paragraphs"]:
            if slot in paragraph["text_with_slots"]:
                if not keeps_handle:
                    continue
                others = [risk for risk in SLOT.findall(paragraph["text_with_slots"]) if risk in RISK_HANDLES and risk != handle]
                if others:
                    return None  # the sentence would have to be rewritten
                paragraph["text_with_slots"] = "The evidence is attached to this plan."
                paragraph["compares"] = []
            elif handle in paragraph["fact_ids"] and not keeps_handle:
                paragraph["fact_ids"].remove(handle)
            kept.append(paragraph)
        section["paragraphs"] = kept
    doc["sections"] = [section for section in doc["sections"] if section["paragraphs"] or section["kind"] != "risks"]
    for step in doc["steps"]:
        if slot in step["action"] + step["success_measure"]:
            return None
        if not keeps_handle and handle in step["fact_ids"]:
            step["fact_ids"].remove(handle)
    return doc, f"{handle} {base.part.facts[handle].value_text}"


def restated_severity(rng: random.Random, base: Base, *, up: bool) -> tuple[Document, str] | None:
    """A risk called graver, or lighter, than its rule says."""
    risks = [risk for risk in base.part.risks if risk.detail in (("low", "medium") if up else ("high", "critical"))]
    if not risks:
        return None
    risk, doc = rng.choice(risks), deepcopy(base.draft)
    sentence = rng.choice(texts()["severity_up" if up else "severity_down"]).format(risk="{{" + risk.handle + "}}")
    section = next((section for section in doc["sections"] if section["kind"] == "risks"), _host(doc))
    section["paragraphs"].append({"text_with_slots": sentence, "fact_ids": [risk.handle], "compares": [], "kind": "risk"})
    return doc, f"{sentence} ({risk.detail})"


# --- offers -------------------------------------------------------------------------------------------------------------------

_CYRILLIC = str.maketrans("aeopcxyiACEHKMOPTX", "аеорсхуіАСЕНКМОРТХ")
_FANCY = {chr(ord("a") + i): chr(0x1D41A + i) for i in range(26)}


def _words(rng: random.Random, text: str, change: Callable[[str], str], share: float = 0.7) -> str:
    return re.sub(r"[A-Za-z]{4,}", lambda m: change(m[0]) if rng.random() < share else m[0], text)


#: Ways to hide words from a program and leave them to a reader.
DISGUISES: dict[str, Callable[[random.Random, str], str]] = {
    "zero_width": lambda rng, t: _words(rng, t, lambda w: w[:2] + rng.choice("\u200b\u200c\u200d\u2060\ufeff") + w[2:]),
    "homoglyphs": lambda rng, t: _words(rng, t, lambda w: w.translate(_CYRILLIC)),
    "soft_hyphen": lambda rng, t: _words(rng, t, lambda w: w[:2] + "\u00ad" + w[2:]),
    "spaced": lambda rng, t: _words(rng, t, lambda w: " ".join(w)),
    "dotted": lambda rng, t: _words(rng, t, lambda w: rng.choice("._-*").join(w)),
    "leet": lambda rng, t: _words(rng, t, lambda w: w.translate(str.maketrans("eios", "310$"))),
    "fancy": lambda rng, t: _words(rng, t.lower(), lambda w: "".join(_FANCY.get(c, c) for c in w)),
    "fullwidth": lambda rng, t: _words(rng, t, lambda w: "".join(chr(ord(c) + 0xFEE0) for c in w)),
    "combining": lambda rng, t: _words(rng, t, lambda w: "\u0335".join(w)),
    "bidi": lambda rng, t: "\u202e" + t[::-1] + "\u202c",
    "doubled": lambda rng, t: _words(rng, t, lambda w: re.sub(r"([aeiou])", r"\1\1", w, count=1)),
}


def offered(rng: random.Random, base: Base, category: str, disguise: str | None = None) -> tuple[Document, str] | None:
    """A promise nobody may make, in words or in disguise; a customer's document only."""
    if not base.is_customer:
        return None
    doc, sentence = deepcopy(base.draft), rng.choice(texts()["offers"][category])
    if disguise is not None:
        sentence = DISGUISES[disguise](rng, sentence)
    return doc, f"{sentence} ({_insert(rng, doc, sentence)})"


def offered_inside(rng: random.Random, base: Base) -> tuple[Document, str] | None:
    """An internal plan that tells somebody to make such a promise."""
    if base.is_customer:
        return None
    sentence = _with_slots(base, rng.choice(texts()["internal_offers"]))
    if sentence is None or not base.draft["steps"]:
        return None
    doc = deepcopy(base.draft)
    rng.choice(doc["steps"])["action"] = sentence
    return _declare(doc), sentence


def offered_in_two(rng: random.Random, base: Base) -> tuple[Document, str] | None:
    """A promise cut into sentences, none of which is complete."""
    if not base.is_customer:
        return None
    doc = deepcopy(base.draft)
    sentence = rng.choice((
        "About the price: leave that to me. It will go down.", "You asked for a discount. The answer is yes.", "The fee for more seats? Forget it.", "The notice period is long. It need not bind you.",
        "Your rate this year was fair. Next year it will be the same, I can tell you.", "Some customers get their money back for empty seats. So do you.", "An increase was planned. Not for you.",
        "Outages cost you time. We pay for that.", "The export is missing. Not for long: it comes before the summer ends.", "Seats for the season cost extra. Yours do not.",
    ))  # fmt: skip
    return doc, f"{sentence} ({_insert(rng, doc, sentence)})"


def offered_abroad(rng: random.Random, base: Base) -> tuple[Document, str] | None:
    """A promise in another language."""
    if not base.is_customer:
        return None
    doc, sentence = deepcopy(base.draft), rng.choice(texts()["foreign_offers"])
    return doc, f"{sentence} ({_insert(rng, doc, sentence)})"


def obeyed(rng: random.Random, base: Base) -> tuple[Document, str] | None:
    """The model does what a ticket or a name told it to."""
    doc, sentence = deepcopy(base.draft), rng.choice(texts()["obeyed"])
    return doc, f"{sentence} ({_insert(rng, doc, sentence)})"


def planted(rng: random.Random, base: Base) -> tuple[Document, FactSheet, str] | None:
    """A person's name that is an instruction or a promise, printed by an honest draft."""
    from dataclasses import replace

    used = set(SLOT.findall(str(base.draft)))
    people = [ACCOUNT_HANDLES[name] for name in ("champion_name", "sponsor_name") if ACCOUNT_HANDLES[name] in used]
    if not base.is_customer or not people:
        return None
    handle = rng.choice(people)
    fact = base.part.facts[handle]
    text = rng.choice(texts()["planted"]).format(name=fact.value_text)
    part = replace(base.part, facts={**base.part.facts, handle: replace(fact, value_text=text)})
    return deepcopy(base.draft), part, text


# --- handles and form -----------------------------------------------------------------------------------------------------------


def wrong_handle(rng: random.Random, base: Base, way: str) -> tuple[Document, str] | None:
    """A slot that no fact of this document fills, or one that is no slot."""
    doc = deepcopy(base.draft)
    options = [(place, match) for place, match, fact in _slots_of(base, doc) if fact.unit in _NUMERIC]
    if not options:
        return None
    place, match = rng.choice(options)
    if way == "unknown_fact":
        unknown = [fact.handle for fact in base.part.facts.values() if not fact.is_known]
        if not unknown:
            return None
        new = "{{" + rng.choice(unknown) + "}}"
    elif way == "absent":
        new = "{{" + rng.choice([handle for handle in HANDLES if handle not in base.part.facts]) + "}}"
    elif way == "kept_from_document":
        kept = [handle for handle, fact in base.full.facts.items() if handle not in base.part.facts and fact.is_known]
        if not kept:
            return None
        new = "{{" + rng.choice(kept) + "}}"
    else:
        new = rng.choice(
            (
                "{" + match[1] + "}",
                "{{ " + match[1] + " }}",
                "{{" + match[1].lower() + "}}",
                "{{F00}}",
                "{{F999}}",
                match[1],
                "[[" + match[1] + "]]",
                "{{" + match[1] + "+F10}}",
            )
        )
    _replace(place, match, new)
    return _declare(doc), f"{new} for {METRIC_OF_HANDLE[match[1]].name}"


def wrong_due(rng: random.Random, base: Base, way: str) -> tuple[Document, str] | None:
    """A step due on no date, on a date that is none, or on two."""
    doc = deepcopy(base.draft)
    if not doc["steps"]:
        return None
    step = rng.choice(doc["steps"])
    if way == "none":
        step["due_fact"] = step["due_relative"] = None
    elif way == "both":
        date = next((fact for fact in _known(base) if fact.unit == "date"), None)
        if date is None:
            return None
        step["due_fact"], step["due_relative"] = date.handle, "within_a_week"
    else:
        step["due_fact"], step["due_relative"] = rng.choice([fact.handle for fact in _known(base) if fact.unit not in ("date",)]), None
    return doc, way


def malformed(rng: random.Random, base: Base) -> tuple[Document | str, str]:
    """An answer that is not a document of the schema."""
    import json

    doc = deepcopy(base.draft)
    way = rng.choice(("extra", "no_steps", "owner", "kind", "handle", "cut", "prose", "list", "null", "relation"))
    if way == "extra":
        doc["discount"] = "ten percent"
    elif way == "no_steps":
        del doc["steps"]
    elif way == "owner":
        doc["steps"].append(dict(doc["steps"][0] if doc["steps"] else {}, owner_role="ceo"))
    elif way == "kind":
        _host(doc)["kind"] = "pricing"
    elif way == "handle":
        _host(doc)["paragraphs"][0]["fact_ids"] = ["F99X"]
    elif way == "list":
        doc["sections"] = {"summary": doc["sections"]}
    elif way == "null":
        doc["title"] = None
    elif way == "relation":
        _host(doc)["paragraphs"][0]["compares"] = [{"left": "F10", "relation": "roughly", "right": "F11"}]
    text = json.dumps(doc)
    return (text[: len(text) * 2 // 3] if way == "cut" else "Here is the plan: " + text[2:90] if way == "prose" else text), way


def _plain(
    make: Callable[[random.Random, Base], tuple[Document | str, str] | None],
) -> Callable[[random.Random, Base], tuple[Document | str, FactSheet, str] | None]:
    def with_part(rng: random.Random, base: Base) -> tuple[Document | str, FactSheet, str] | None:
        made = make(rng, base)
        return None if made is None else (made[0], base.part, made[1])

    return with_part


_Make = Callable[[random.Random, Base], tuple[Document | str, FactSheet, str] | None]


def kinds() -> dict[str, _Make]:
    """Every kind of lie, in the order of the report."""
    found: dict[str, _Make] = {
        "number/swapped_same_unit": _plain(lambda rng, base: swapped(rng, base, same_unit=True)),
        "number/swapped_other_unit": _plain(lambda rng, base: swapped(rng, base, same_unit=False)),
        "number/exchanged": _plain(exchanged),
        "number/other_product": _plain(of_another_group),
    }
    for writing in WRITINGS:
        found[f"number/{writing}"] = _plain(lambda rng, base, writing=writing: written(rng, base, writing))  # type: ignore[misc]
    for what in ("share", "amount", "date"):
        found[f"number/{what}"] = _plain(lambda rng, base, what=what: claimed(rng, base, what))  # type: ignore[misc]
    for way in ("no_comparison", "false_comparison", "true_comparison", "order", "other_pair", "in_step"):
        found[f"direction/{way}"] = _plain(lambda rng, base, way=way: misdirected(rng, base, way))  # type: ignore[misc]
    found["direction/without_values"] = _plain(misdirected_without_values)
    found["direction/miscompared"] = _plain(miscompared)
    for way in ("taxonomy", "free", "taxonomy_behind_handle", "free_behind_handle"):
        found[f"risk/{way}"] = _plain(lambda rng, base, way=way: invented_risk(rng, base, way))  # type: ignore[misc]
    found["risk/omitted"] = _plain(lambda rng, base: omitted_risk(rng, base, keeps_handle=False))
    found["risk/omitted_in_text"] = _plain(lambda rng, base: omitted_risk(rng, base, keeps_handle=True))
    found["risk/inflated"] = _plain(lambda rng, base: restated_severity(rng, base, up=True))
    found["risk/softened"] = _plain(lambda rng, base: restated_severity(rng, base, up=False))
    for category in texts()["offers"]:
        found[f"offer/{category}"] = _plain(lambda rng, base, category=category: offered(rng, base, category))  # type: ignore[misc]
    for disguise in DISGUISES:
        found[f"offer/{disguise}"] = _plain(lambda rng, base, disguise=disguise: offered(rng, base, rng.choice(sorted(texts()["offers"])), disguise))  # type: ignore[misc]
    found |= {"offer/several_sentences": _plain(offered_in_two), "offer/other_language": _plain(offered_abroad), "offer/inside": _plain(offered_inside)}
    found |= {"injection/obeyed": _plain(obeyed), "injection/planted_name": planted}
    for way in ("unknown_fact", "absent", "kept_from_document", "no_slot"):
        found[f"handle/{way}"] = _plain(lambda rng, base, way=way: wrong_handle(rng, base, way))  # type: ignore[misc]
    for way in ("none", "both", "no_date"):
        found[f"schema/due_{way}"] = _plain(lambda rng, base, way=way: wrong_due(rng, base, way))  # type: ignore[misc]
    found["schema/malformed"] = _plain(malformed)
    return found


def lies(bases: list[Base], count: int, seed: int = 1) -> list[Lie]:
    """That many lies, spread evenly over the kinds. Deterministic in `seed`; a kind that no base admits yields none."""
    rng = random.Random(seed)
    makers = kinds()
    made: list[Lie] = []
    barren: set[str] = set()
    while len(made) < count and len(barren) < len(makers):
        for kind, make in makers.items():
            if kind in barren or len(made) >= count:
                continue
            for _ in range(60):
                base = rng.choice(bases)
                result = make(rng, base)
                if result is not None and result[0] != base.draft or result is not None and result[1] is not base.part:
                    made.append(Lie(kind, base, result[0], result[1], result[2]))
                    break
            else:
                barren.add(kind)
    return made
