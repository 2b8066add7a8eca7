"""Every value stands under its own name: a swapped fact is a true number in a false sentence.

Of lies that a search over the facts cannot see, two true numbers changing places is the commonest (GUARDRAILS.md section 1: plain
membership lets all of them pass). So each slot is read as a person reads it: by the words nearest to it. It must stand nearer to a word
of its own metric than to a word of another metric that no other slot answers for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from vim_pipelines.reasoning.facts import GROUP_HANDLES, METRIC_OF_HANDLE, Fact, FactSheet
from vim_pipelines.reasoning.gates import words
from vim_pipelines.reasoning.gates.base import HOLE, SLOT, sentences
from vim_pipelines.reasoning.gates.cues import COMPANIONS, PARTS, ROLES, UMBRELLA, WHOLE, cues, family, rival_cues, says
from vim_pipelines.reasoning.gates.directions import LATER

#: How far a word of another metric may stand from a slot and still be taken for its name.
REACH = 7.0
#: What a step from a slot towards a word costs, by what is stepped over.
_COMMA, _STOP, _BRACKET, _JOIN, _SLOT, _NAME, _WORD, _SMALL = 2.0, 6.0, 2.0, 2.0, 6.0, 1.0, 1.0, 0.5
_JOINS = frozenset("and or but while whereas which who so because although though yet as than unless".split())  # noqa: SIM905
_SMALL_WORDS = frozenset("the a an of are is was were be been has have had that it they them these those their its your our his her".split())  # noqa: SIM905
_STATES = frozenset("is are was were stand stands stood standing sit sits sitting lie lies remain remains stay stays stayed go goes".split())  # noqa: SIM905
_TOKEN = re.compile(r"\{\{F\d{2}\}\}|[^\W\d_]+(?:['-][^\W\d_]+)*|[,;:()\-]")


@dataclass(frozen=True)
class _Place:
    """A slot in a sentence: which token it is, and its fact."""

    token: int
    fact: Fact

    @property
    def metric(self) -> str:
        return self.fact.metric


@dataclass(frozen=True)
class _Read:
    """A sentence with its tokens; `plain` has a hole of the same length for each slot, so that positions agree."""

    text: str
    sheet: FactSheet

    @cached_property
    def plain(self) -> str:
        return SLOT.sub(lambda match: HOLE + " " * (len(match[0]) - 1), self.text).casefold()

    @cached_property
    def tokens(self) -> list[tuple[int, str]]:
        return [(match.start(), match[0] if match[0].startswith("{{") else match[0].casefold()) for match in _TOKEN.finditer(self.text)]

    @cached_property
    def slots(self) -> list[_Place]:
        found = ((number, self.sheet.facts.get(text[2:5])) for number, (_, text) in enumerate(self.tokens) if text.startswith("{{"))
        return [_Place(number, fact) for number, fact in found if fact is not None]

    def spans(self, pattern: re.Pattern[str] | None) -> list[tuple[int, int]]:
        """First and last token of each match."""
        found = []
        for match in pattern.finditer(self.plain) if pattern is not None else ():
            inside = [number for number, (start, _) in enumerate(self.tokens) if match.start() <= start < max(match.end(), match.start() + 1)]
            if inside:
                found.append((inside[0], inside[-1]))
        return found

    def cost(self, place: _Place, span: tuple[int, int], named: str = "") -> float:
        """How far a reader is from taking the words of `span` for the name of the value: steps, dearer over commas, stops and other slots.

        `named` is the metric that the words name: the count that goes with an amount does not stand in its way.
        """
        first, last = span
        between = self.tokens[place.token + 1 : first] if first > place.token else self.tokens[last + 1 : place.token]
        total = 1.0 + sum(self._step(text, named) for _, text in between)
        follows = first > place.token
        if follows and any(text in _STATES for _, text in between) and not any(_is_barrier(text) for _, text in between):
            total *= 0.4  # '{{X}} under contract are unused': the verb says what they are
        return total

    def _step(self, text: str, named: str) -> float:
        if text.startswith("{{"):
            fact = self.sheet.facts.get(text[2:5])
            if fact is not None and COMPANIONS.get(named) == fact.metric:
                return _NAME
            return _SLOT if fact is not None and METRIC_OF_HANDLE[fact.handle].says else _NAME
        if text in (",", "-"):
            return _COMMA
        if text in (";",):
            return _STOP
        if text in (":", "(", ")"):
            return _BRACKET
        return _JOIN if text in _JOINS else _SMALL if text in _SMALL_WORDS else _WORD


def _is_barrier(text: str) -> bool:
    return text.startswith("{{") or text in ",;:()" or text in _JOINS


def misnamed(text: str, sheet: FactSheet, before: str = "") -> Iterator[tuple[str, str]]:
    """(gate, what) for every slot of `text` that does not stand under its own name. `before`: the text that it continues."""
    folded = words.fold(text)
    if "{{" not in folded:
        return
    whole = _Read(folded, sheet).plain
    last = _Read(words.fold(before), sheet) if before else None
    for sentence in sentences(folded):
        read = _Read(sentence, sheet)
        if read.slots:
            yield from _values(read, last, whole)
            yield from _parts_and_wholes(read)
            yield from _frames(read)
            yield from _half_a_pair(read)
            yield from _weekly_of_a_period(read)
            yield from _names(read)
        last = read
    yield from _groups(folded, words.fold(before), sheet)


def _values(read: _Read, last: _Read | None, text: str) -> Iterator[tuple[str, str]]:
    present = {fact.metric for fact in read.sheet.facts.values() if fact.is_known and METRIC_OF_HANDLE[fact.handle].says}
    for place in read.slots:
        metric = METRIC_OF_HANDLE[place.fact.handle]
        pattern = says(metric)
        if pattern is None:
            continue
        own = _own(read, place)
        is_named = (
            bool(pattern.search(read.plain))
            or _is_whole(read, place)
            or _goes_with_its_count(read, place, last)
            or (place.fact.unit == "date" and bool(pattern.search(text)))
            or _goes_on(place, last)
        )
        if not is_named and _is_vague(read, place, present):
            continue
        if not is_named:
            yield "label", f"{place.fact.handle} ({place.fact.label}) stands in a sentence without a word that names it"
            continue
        if not own and place.metric in _AMOUNTS_OF_SEATS and not _goes_with_its_count(read, place, None):
            other = next((name for name in sorted(_AMOUNTS_OF_SEATS - {place.metric}) if _names_alone(read, name)), None)
            if other is not None:
                yield "label", f"{place.fact.handle} ({place.fact.label}) stands in a sentence about {other.replace('_', ' ')}"
                continue
        if _goes_with_its_count(read, place, None) or (_is_whole(read, place) and _is_behind_of(read, place)):
            continue
        rivals = family(metric.name) if own else family(metric.name) | _counted_alike(metric.name)
        rivals = (rivals & present) - {metric.name} - UMBRELLA.get(metric.name, frozenset())
        span = next((span for other in sorted(rivals) if (span := _taken_for(read, place, own, other)) is not None), None) or _exchanged(read, place, own)
        if span is not None:
            said = " ".join(word for _, word in read.tokens[span[0] : span[1] + 1])
            yield "label", f"{place.fact.handle} ({place.fact.label}) stands beside {said!r}, which names another value"


#: Before a day that needs no name of its own: 'a reminder before {{opt-out}}'.
_ON_A_DAY = frozenset("before until till by on after since of from to and about around between past for".split())  # noqa: SIM905
#: Before a count that the printed noun names well enough: 'the {{2 tickets}}', 'our count of {{50 users}}'.
_OF_A_COUNT = frozenset("the these those our your of all compare with between and".split())  # noqa: SIM905
_NAMED_BY_THEIR_NOUN = frozenset(("active_users_28d", "tickets_open", "tickets_28d"))


def _is_vague(read: _Read, place: _Place, present: set[str]) -> bool:
    """A day or a count in a sentence that names nothing else: it says less than it could, and nothing false.

    A word of any metric that no slot of the sentence answers for is a name, and the value then stands under it. A figure that opens the sentence is its subject
    and needs a name, unless people know or can do something there.
    """
    if place.fact.unit == "date":
        rivals, leads = {name for name in present if name in family(place.metric)} - {place.metric}, _ON_A_DAY
    elif place.metric in _NAMED_BY_THEIR_NOUN:
        rivals, leads = present - {place.metric}, _OF_A_COUNT
    else:
        return False
    lead = read.tokens[place.token - 1][1] if place.token else ""
    if lead not in leads and not (place.metric == "active_users_28d" and _KNOW.match(read.plain[read.tokens[place.token][0] + len("{{F00}}") :])):
        return False
    shown = {other.metric for other in read.slots}
    return not any(read.spans(cues(name)) for name in rivals - shown)


#: What only people do.
_KNOW = re.compile(r"\s*(?:already |now |also |still )?(?:know|can|could|want|wish|hope|help|show|teach|think|ask|learn)\b")
_AMOUNTS_OF_SEATS = frozenset(("unused_value_annual", "waste_annual"))


def _names_alone(read: _Read, metric: str) -> bool:
    """Whether the sentence speaks of `metric` and shows neither its value nor the count that goes with it."""
    shown = {place.metric for place in read.slots}
    return metric not in shown and COMPANIONS[metric] not in shown and bool(read.spans(cues(metric)))


def _goes_on(place: _Place, last: _Read | None) -> bool:
    """A sentence that goes on about what the one before it named."""
    pattern = cues(place.metric)
    return last is not None and pattern is not None and pattern.search(last.plain) is not None


def _own(read: _Read, place: _Place) -> list[tuple[int, int]]:
    return [span for span in read.spans(cues(place.metric)) if not _names_the_whole(read, place, span)]


_COUNTED = family("seats_contracted") | family("active_users_28d")


def _counted_alike(metric: str) -> frozenset[str]:
    """Seats and users are both counts of people's places: without a word of its own, a value of one can be taken for the other."""
    return _COUNTED if metric in _COUNTED else frozenset()


def _exchanged(read: _Read, place: _Place, own: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """Where two values of different units stand each beside the other's word. One alone proves nothing: nobody reads an amount as days."""
    for other in read.slots:
        if other.metric == place.metric or other.metric in family(place.metric) or not METRIC_OF_HANDLE[other.fact.handle].says:
            continue
        if COMPANIONS.get(place.metric) == other.metric or COMPANIONS.get(other.metric) == place.metric:
            continue
        span = _taken_for(read, place, own, other.metric)
        if span is not None and _taken_for(read, other, _own(read, other), place.metric) is not None:
            return span
    return None


def _goes_with_its_count(read: _Read, place: _Place, last: _Read | None) -> bool:
    """An amount behind the count that it is worth, in the same sentence or the one before: '{{unused}} are unused. Their value is {{amount}}'."""
    count = COMPANIONS.get(place.metric)
    if count is None:
        return False
    before = [other for other in read.slots if other.token < place.token and other.metric in _SEAT_COUNTS]
    if not before and last is not None:
        before = [other for other in last.slots if other.metric in _SEAT_COUNTS]
    scoped = [other for other in before if other.metric == count and other.fact.scope == place.fact.scope]
    return bool(scoped) and (before[-1] is scoped[-1] or (len(before) > 1 and before[-2] is scoped[-1] and before[-1].metric == WHOLE))


_SEAT_COUNTS = frozenset(("unused_seats", "shelfware_seats", "right_size_seats", "seats_contracted"))


def _taken_for(read: _Read, place: _Place, own: Sequence[tuple[int, int]], other: str) -> tuple[int, int] | None:
    """The words by which a reader takes the value at `place` for `other`, if they are nearer than its own and no slot of `other` is nearer to them."""
    theirs = read.spans(rival_cues(other))
    mine = [span for span in own if not any(_overlap(span, span_of_other) for span_of_other in theirs)]
    foreign = [span for span in theirs if not any(_overlap(span, span_of_mine) for span_of_mine in own)]
    nearest = min((read.cost(place, span, place.metric) for span in mine), default=None)
    for span in sorted(foreign, key=lambda item: read.cost(place, item, other)):
        cost = read.cost(place, span, other)
        if cost > REACH or (nearest is not None and cost >= nearest):
            return None
        if _names_the_whole(read, place, span) or _precedes(read, place, span, other) or _opens_the_part(read, place, span):
            continue
        if any(rival.metric == other and rival is not place and read.cost(rival, span, other) <= cost for rival in read.slots):
            continue
        return span
    return None


_HELD = frozenset(("ebr_held_on", "ebr_planned_on", "last_touchpoint_on", "next_touchpoint_on", "kickoff_held_on"))


def _precedes(read: _Read, place: _Place, span: tuple[int, int], other: str) -> bool:
    """'The review takes place ahead of {{day}}': the words name what happens before that day, not the day."""
    lead = [text for _, text in read.tokens[max(0, place.token - 2) : place.token]]
    return other in _HELD and span[1] < place.token and bool(lead) and (lead[-1] == "before" or lead in (["ahead", "of"], ["prior", "to"]))


def _opens_the_part(read: _Read, place: _Place, span: tuple[int, int]) -> bool:
    """'{{whole}}, of which {{part}} ...': the words say that a part follows."""
    return place.metric in PARTS and span[1] == place.token - 1 and [text for _, text in read.tokens[span[0] : span[1] + 1]] == ["of", "which"]


def _overlap(first: tuple[int, int], second: tuple[int, int]) -> bool:
    return first[0] <= second[1] and second[0] <= first[1]


def _names_the_whole(read: _Read, place: _Place, span: tuple[int, int]) -> bool:
    """Whether the words lie in an 'of the ...' right behind the slot, or behind the word for a part: they name what the value is a part of."""
    ahead = [text for _, text in read.tokens[max(0, span[0] - 3) : span[0]]]
    if span[1] < place.token and "of" in ahead and place.metric in PARTS | {WHOLE}:
        opening = span[0] - len(ahead) + ahead.index("of")
        return any(last < opening and last >= opening - 3 for part in PARTS for _, last in read.spans(cues(part)))
    following = [text for _, text in read.tokens[place.token + 1 : place.token + 3]]
    if span[0] <= place.token or not following or following[0] not in ("of", "out"):
        return False
    between = [text for _, text in read.tokens[place.token + 1 : span[0]]]
    return not any(_is_barrier(text) or text in _STATES for text in between) and place.metric in PARTS | {WHOLE}


def _is_whole(read: _Read, place: _Place) -> bool:
    """`{{part}} of {{whole}}`, `out of {{whole}}`: the seats under contract are named by their part."""
    if place.metric == "tickets_28d" and any(_of(read, other, place) for other in read.slots if other.metric == "tickets_open" and other.token < place.token):
        return True
    if place.metric != WHOLE or not any(other.metric in PARTS for other in read.slots):
        return False
    lead = [
        text for _, text in read.tokens[max(0, place.token - 3) : place.token] if text not in ("the", "your", "their", "its", "all", "these", "seats", "our")
    ]
    if (
        lead
        and lead[-1] == "of"
        and len(lead) > 1
        and lead[-2] in _LEFT_IDLE
        and any(other.token == place.token - 3 for other in read.slots if other.metric in PARTS)
    ):
        return True  # '{{part}} unused of {{whole}}'
    if lead and lead[-1] == "of" and len(lead) > 1 and lead[-2][0].isalpha() and lead[-2] not in ("out", "use", "and", "but", "so"):
        return False  # 'a gap of ...' names it already
    return bool(lead) and lead[-1] in ("of", "against", "among", "has", "have", "holds", "owns", "with", "for", "on", "covers", "counts", "from", "over")


_LEFT_IDLE = frozenset(("unused", "free", "idle", "empty", "active", "left", "filled", "taken"))


def _is_behind_of(read: _Read, place: _Place) -> bool:
    return any(text == "of" for _, text in read.tokens[max(0, place.token - 2) : place.token])


def _can_be_whole(read: _Read, whole: _Place) -> bool:
    """A day, a period or a person is no sum of seats; 'the unused seats of {{account}}' and '{{person}}'s' are somebody's."""
    if whole.fact.unit == "date" or whole.metric in _SINGLE | {"unused_feature_names", "usage_window"}:
        return re.match(r"\s*['\u2019]s\b", read.text[read.tokens[whole.token][0] + len("{{F00}}") :]) is not None
    return True


_TURNED = frozenset(("become", "became", "to", "against", "than", "from", "after", "before", "was", "were", "now"))


def _in_time(read: _Read, first: _Place, second: _Place, between: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Two measurements of one thing: 'X a week after Y' and a bare 'X and Y' say which came first; a value does not change into itself."""
    behind = read.plain[read.tokens[second.token][0] + len("{{F00}}") :]
    is_reversed = LATER.get(first.metric) == second.metric and between and between[-1] in ("after", "from")
    is_bare = set(between) <= {"and", "then", ",", "to"} and not _SAYS_WHEN.search(behind)
    if is_reversed or (is_bare and LATER.get(second.metric) == first.metric):
        yield "label", f"{first.fact.handle} ({first.fact.label}) and {second.fact.handle} ({second.fact.label}) stand in the wrong order of time"
    if first.fact.handle == second.fact.handle and first.metric in {*LATER, *LATER.values()} and _TURNED & set(between) and "." not in between:
        yield "label", f"{first.fact.handle} ({first.fact.label}) is set against itself"


def _half_a_pair(read: _Read) -> Iterator[tuple[str, str]]:
    """'From week to week, {{X}} and {{Y}}' compares two weekly values: something else beside one of them is misplaced."""
    for match in _WEEK_BY_WEEK.finditer(read.plain):
        pair = [place for place in read.slots if read.tokens[place.token][0] >= match.end(0) - len(match["pair"])][:2]
        metrics = [place.metric for place in pair]
        if len(pair) == 2 and len({*metrics} & {*LATER, *LATER.values()}) >= 1 and (len(set(metrics)) == 1 or not {*metrics} <= {*LATER, *LATER.values()}):
            yield "label", f"{pair[0].fact.handle} and {pair[1].fact.handle} are not the two values that a change from week to week runs between"


def _weekly_of_a_period(read: _Read) -> Iterator[tuple[str, str]]:
    """'{{X}} of your people were at work in {{period}}': the count of a week is none of the whole period."""
    for window in read.slots:
        if window.metric != "usage_window" or read.tokens[window.token - 1][1] not in ("in", "over", "during"):
            continue
        ahead = [place for place in read.slots if place.token < window.token]
        between = [text for _, text in read.tokens[ahead[-1].token + 1 : window.token]] if ahead else []
        if ahead and ahead[-1].metric in {"weekly_active_recent", "weekly_active_prior"} and not {*between} & {",", ";", ":", "week", "weekly"}:
            yield "label", f"{ahead[-1].fact.handle} ({ahead[-1].fact.label}) counts a week and stands for the whole period"


_WEEK_BY_WEEK = re.compile(rf"\bweek (?:to|by|on|after) week\b[,:]?\s+(?P<pair>{HOLE}\s+(?:and|then|to)\s+{HOLE})")
_SAYS_WHEN = re.compile(r"^[^.;]*?\b(?:before|earlier|prior|previous\w*|lately|recent\w*|now|respectively)\b")
_WORTH = frozenset(
    ("and", "it", "they", "these", "those", "are", "costs", "cost", "or", "worth", "costing", "valued", "at", "in", "money", ",", "which", "is", "that")
)


def _in_money(read: _Read, first: _Place, second: _Place, between: Sequence[str]) -> Iterator[tuple[str, str]]:
    """'{{count}}, or {{amount}}': the amount is what the count is worth, so it must be the amount of a count that stands before it."""
    if (
        first.metric not in _SEAT_COUNTS
        or second.fact.unit != "money"
        or not set(between) <= _WORTH
        or not {"or", "worth", "costing", "costs", "cost", "valued"} & set(between)
    ):
        return
    counts = {place.metric for place in read.slots if place.token < second.token}
    if COMPANIONS.get(second.metric) not in counts:
        yield "label", f"{second.fact.handle} ({second.fact.label}) is not what {first.fact.handle} ({first.fact.label}) is worth"


def _of(read: _Read, part: _Place, whole: _Place) -> bool:
    between = [text for _, text in read.tokens[part.token + 1 : whole.token]]
    return "of" in between and set(between) <= _OF_WORDS


_OF_WORDS = {"out", "of", "the", "your", "their", "its", "all", "these", "those"}


def _parts_and_wholes(read: _Read) -> Iterator[tuple[str, str]]:
    """`{{X}} of {{Y}}` and `Of {{Y}} ..., {{X}}`: X is a part of Y. `from {{X}} to {{Y}}`: X came first."""
    for first, second in zip(read.slots, read.slots[1:], strict=False):
        between = [text for _, text in read.tokens[first.token + 1 : second.token]]
        lead = read.tokens[first.token - 1][1] if first.token else ""
        part, whole = first, second
        opens = first.token < 2 or not read.tokens[first.token - 2][1][0].isalpha()
        if lead == "of" and opens and not _has_part_before(read, first) and "of" not in between:
            part, whole = second, first
        elif not _of(read, first, second):
            part = None  # type: ignore[assignment]
        if part is not None and whole.metric in PARTS and part.metric == WHOLE:
            yield "label", f"{part.fact.handle} ({part.fact.label}) is printed as a part of {whole.fact.handle} ({whole.fact.label})"
        if part is not None and part.metric == whole.metric and not _is_sum_of_groups(read, part, whole):
            yield "label", f"{part.fact.handle} ({part.fact.label}) is printed as a part of itself"
        if part is not None and _is_more(part.fact, whole.fact) and {part.metric, whole.metric} <= PARTS | {WHOLE}:
            yield "label", f"{part.fact.handle} is more than {whole.fact.handle}, of which it is printed as a part"
        if part is not None and part.metric == "tickets_28d" and whole.metric == "tickets_open":
            yield "label", f"{part.fact.handle} ({part.fact.label}) is printed as a part of {whole.fact.handle} ({whole.fact.label})"
        if part is not None and first is part and first.metric in PARTS and not _can_be_whole(read, second):
            yield "label", f"{second.fact.handle} ({second.fact.label}) is no whole that {first.fact.handle} could be a part of"
        yield from _in_time(read, first, second, between)
        yield from _in_money(read, first, second, between)
        if lead == "from" and between and between[-1] == "to" and LATER.get(second.metric) == first.metric:
            yield "label", f"the change runs from {first.fact.handle} ({first.fact.label}) to {second.fact.handle} ({second.fact.label}), which came before"


def _is_sum_of_groups(read: _Read, part: _Place, whole: _Place) -> bool:
    """'{{group's}} of the {{account's}} unused seats': a product's share of the sum, which is named beside it."""
    if len(read.sheet.groups) < 2 or part.fact.scope == whole.fact.scope or whole.fact.scope != "account":
        return False
    return any(0 < first - whole.token <= 2 for first, _ in read.spans(cues(whole.metric)))


def _has_part_before(read: _Read, place: _Place) -> bool:
    """Whether the 'of' before this slot follows another slot: then the slot is a whole already."""
    return any(other.token < place.token and place.token - other.token <= 4 for other in read.slots)


def _is_more(part: Fact, whole: Fact) -> bool:
    return part.unit == whole.unit and part.value_number is not None and whole.value_number is not None and part.value_number > whole.value_number


# --- what kind of value a phrase takes -------------------------------------------------------------------------------

_PEOPLE = frozenset(ROLES)
_IDLE = r"(?:free|idle|unused|empty|spare|vacant|unassigned|without (?:a|any) (?:user|person|owner|name))"
#: Words before a slot, words behind it, the units that may stand there (None: any), metrics that may stand there anyhow.
_FRAMES: tuple[tuple[re.Pattern[str], frozenset[str], frozenset[str]], ...] = tuple(
    (re.compile(pattern), frozenset(units.split()), frozenset(metrics.split()))
    for pattern, units, metrics in (
        (rf"\b(?:worth|costs?|costing|valued at|price of|brings|revenue of)\s+{HOLE}", "money", ""),
        (
            rf"\b(?:renews|comes up|ends|expires|falls due|is due|was due|was held|was reached|was met|closes|was served|renewal)\s+(?:again )?on\s+{HOLE}",
            "date",
            "",
        ),
        (rf"\b(?:renewal|opt-out|deadline|notice)\s+{HOLE}(?=\s*(?:[.,;:)]|$))", "date", "account_name product_name"),
        (rf"{HOLE}\s+(?:to go|left)\b", "days count seats users ratio", ""),
        (rf"{HOLE}\s+(?:unused|idle|under contract|active|at work|needed)\b", "seats users count ratio", ""),
        (rf"{HOLE}\s+(?:pays|brings|owns|buys|holds)\b", "text", "account_name product_name champion_name sponsor_name economic_buyer_name pain_owner"),
        (
            rf"{HOLE}\s+(?:of them|work|worked|(?:are|were|have been) (?:active|at work|unused|idle|in use|without))\b",
            "ratio seats users count",
            "champion_name sponsor_name account_name product_name unused_feature_names",
        ),
        (rf"{HOLE}\s+of (?:the|your|their|its|our) seats\b", "ratio seats users count", ""),
        (
            rf"\b(?:planned for|due by|measured on|lost on|notice on|close on|held on|until)\s+{HOLE}(?=\s*(?:[.,;:)]|$))",
            "date",
            "product_name unused_feature_names account_name pain_metric outcome_metric pain_owner champion_name sponsor_name usage_window phase_name blocking_requirement",
        ),
        (rf"\bbaseline of\s+{HOLE}", "", "pain_baseline outcome_baseline pain_metric outcome_metric"),
        (rf"\btarget of\s+{HOLE}", "", "pain_target outcome_target pain_metric outcome_metric"),
        (rf"{HOLE}\s+(?:a year|per year|annually)\b", "money", ""),
        (rf"\bfirst (?:\w+ )?(?:result|value|milestone|goal)s? (?:was )?(?:reached )?on\s+{HOLE}", "date", ""),
        (
            r"\b(?:renewal|contract|deadline|notice|notice period|opt-out|term)\s+(?:(?:is|was|falls|ends|comes|comes up|renews|runs out|closes)\s+)?(?:on|until)\s+"
            + HOLE,
            "date",
            "",
        ),
        (rf"{HOLE}\s+(?:as|is|was|being) (?:the|its|their|your|our) (?:last day|deadline|renewal date|opt-out)\b", "date", ""),
        (
            rf"\b(?:last day to opt out|opt-out (?:day|date|deadline)|renewal date|deadline for notice|last day with use)\s*(?:,|:|is|was|being)\s*{HOLE}",
            "date days",
            "",
        ),
        (rf"\b(?:deadline|last day)\b[^.;:,{HOLE}]{{0,40}}?\b(?:is|was)\s+{HOLE}", "date days", ""),
        (
            rf"\bgap\b[^.;:{HOLE}]{{0,40}}?(?:,|:|\bis|\bwas|\bof|\bamounts to|\bcomes to|\bstands at)\s*{HOLE}",
            "seats count money days users number score ratio",
            "product_name",
        ),
        (rf"\bgap (?:instead|with headroom)?\s*:\s*{HOLE}", "seats count money", ""),
        (rf"\b(?:right-size|right size) gap of\s+{HOLE}", "seats count money", ""),
        (rf"(?<!at )(?<!of )(?<!in ){HOLE}\s+have (?:no|not a|never had a) (?:user|person|owner)\w*", "seats count ratio", "unused_feature_names"),
        (
            rf"(?<!at )(?<!of )(?<!in ){HOLE}\s+(?:has|had) (?:no|not a|never had a) (?:user|person|owner)\w*",
            "seats count ratio",
            "product_name unused_feature_names",
        ),
        (rf"(?<!at )(?<!of )(?<!in ){HOLE}\s+are (?:not in use|not used|taken up|in use)\b", "seats count ratio users", "unused_feature_names"),
        (rf"\b(?:run|stretch) (?:without|with no)\b[^.;:{HOLE}]*\b(?:is|was|lasted)\s+{HOLE}", "days", ""),
        (rf"(?:^|[.!?]\s)of (?:the |your |their |its )?{HOLE}\s*,\s*{HOLE}\s+(?:are|is|have|has|were)\b", "seats users count ratio", ""),
        (rf"\bwhere\s+{HOLE}\s+were\b", "users seats count", ""),
        (rf"{HOLE}\s+a week\b", "users count", "outcome_measured outcome_baseline outcome_target pain_baseline pain_target"),
        (rf"\b(?:renewal|deadline|opt-out|notice) (?:would be|will be|is|was|falls) (?:on|by)\s+{HOLE}", "date", ""),
        (rf"\bopt-out (?:by|on|until)\s+{HOLE}", "date", ""),
        (rf"{HOLE}\s+ends the (?:time|period|window)\b", "date", ""),
        (
            rf"\bwith\s+{HOLE}\s+(?:to|until|before|to go (?:to|until)) (?:the|its|their|your) (?:renewal|deadline|opt-out|notice)\b",
            "days",
            "champion_name sponsor_name",
        ),
        (rf"\bwe (?:still )?have\s+{HOLE}\s+(?:before|until|to|till) (?:the|its|their|your) (?:renewal|deadline|opt-out|notice)\b", "days", ""),
        (rf"{HOLE}\s+that (?:are|stand|sit|lie) (?:still )?{_IDLE}\b", "seats count", "product_name unused_feature_names"),
        (rf"\bhand(?:s|ed|ing)? out\s+{HOLE}", "seats count", "product_name"),
        (rf"{HOLE}\s+(?:standing|sitting|lying|remaining) (?:unused|idle|free|empty)\b", "seats count ratio", ""),
        (
            rf"\b(?:you|your teams|they) (?:already |now |still )?have\s+{HOLE}\s*,? (?:and|so)\b",
            "seats users count days money",
            "product_name unused_feature_names champion_name",
        ),
        (rf"\b(?:last day to opt out|deadline|renewal date)\s*,\s*{HOLE}\s*,", "date", ""),
        (rf"\b(?:nobody|no one) (?:works|uses)(?: yet)?(?: on)?\s+{HOLE}\s+of\b", "seats count ratio", ""),
        (rf"\brenewal (?:is|comes) in\s+{HOLE}", "days", ""),
        (rf"\brenewal (?:follows|falls|comes) on\s+{HOLE}", "date", ""),
        (rf"\bon\s+{HOLE}\s+that (?:you|they|your teams) have\b", "seats count", "product_name"),
        (rf"\bhow many of (?:the |those )?{HOLE}\s+(?:that|which|who)\b", "seats users count", ""),
        (rf"\b(?:you|your teams|they) (?:already |now |still )?have\s+{HOLE}\s*[;.]", "seats users count days money", "product_name unused_feature_names"),
        (rf"\b(?:pays? for|needs)\s+{HOLE}", "seats users count ratio days", "product_name unused_feature_names"),
        (rf"\b(?:take up|leaves|gap of|received)\s+{HOLE}", "seats users count tickets people ratio money days", ""),
        (rf"\b(?:account|customer) stands in\s+{HOLE}", "", "phase_name"),
        (rf"\bphase\b[^.]{{0,20}}\bwaits for:?\s+{HOLE}", "", "blocking_requirement"),
        (rf"(?:^|[.!?] ){HOLE}\s*$", "", "risk blocking_requirement next_action handoff_missing handoff_conflicting psp_verdict next_action_why"),
        (rf"\bscore\s*(?:,|:|is|was|stands at|is at)?\s*{HOLE}", "", "risk_score"),
        (rf"\bscore of\s+{HOLE}", "", "risk_score account_name"),
        (rf"(?:^|[.!?] )(?:in|over|during)\s+{HOLE}\s*,", "date days", "usage_window product_name phase_name unused_feature_names"),
    )
)


#: Where a bare name cannot stand: it is counted, priced or compared there. A single name that opens a clause takes a singular verb.
_SINGLE = frozenset((*_PEOPLE, "account_name", "tier", "pain_owner"))
_NAMES = _SINGLE | {"usage_window", "product_name", "unused_feature_names", "phase_name", "blocking_requirement", "psp_verdict"}
_OPENS = r"(?:^|[.!?;:,]['\")]*\s+|[,;] (?:and|but|so|while) |\b(?:because|while|whereas|but|so|that) )"
_NO_NAME: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = tuple(
    (re.compile(pattern), metrics)
    for pattern, metrics in (
        (rf"(?:^|[.!?;:]['\")]*\s+){HOLE}\s+(?:are|were|have|remain|stand|sit|lie|wait|work|go)\b", _SINGLE | {"usage_window"}),
        (rf"{_OPENS}{HOLE}\s+(?:are|is|were|was|remain|remains|stand|stands|sit|sits|stay|stays)\s+(?:still )?(?:{_IDLE}|at work|active|open|in use)\b", _NAMES - {"product_name", "unused_feature_names"}),
        (rf"{_OPENS}{HOLE}\s+(?:are|were) (?:still )?(?:{_IDLE}|at work|active|open)\b", _NAMES),
        (rf"(?<!in )(?<!of ){HOLE}\s+{_IDLE}\b", _NAMES),
        (rf"{HOLE}\s+(?:of|from) (?:them|your|their|its|our) ?(?:people|teams|users|colleagues|seats|staff)?\s*(?:are|were|is|was|worked|work|have|has)\b", _NAMES),
        (rf"{HOLE}\s+(?:over|across|in) all (?:your |their |its |the )?products\b", _NAMES),
        (rf"{HOLE}\s+(?:are|were|is|was) (?:still )?(?:unsolved|unanswered|outstanding|pending)\b", _SINGLE | {"blocking_requirement", "phase_name", "product_name"}),
        (rf"{HOLE}\s+wait for an? (?:answer|reply)\b", _SINGLE | {"product_name"}),
        (rf"{HOLE}\s+(?:were|are) at work\b", _SINGLE),
        (rf"\brenewal\s+(?:is|was|:)\s*{HOLE}\s*[,.;]", _NAMES),
        (rf"\bunused of\s+{HOLE}", _NAMES - {"product_name"}),
        (rf"{HOLE}\s+(?:in all|in total|altogether|(?:per|each|every) (?:week|year|month|seat|day)|a (?:week|year|month)|annually|weekly)\b", _NAMES - {"product_name"}),
        (rf"{HOLE}\s+(?:before|lately|these days|previously)\s*[,;.)]", _NAMES - {"product_name", "unused_feature_names"}),
        (rf"[(,:]\s*{HOLE}\s+(?:before|previously)\s*[,;.)]", _NAMES),
        (rf"{HOLE}(?=\s+in\s+{HOLE}\s*(?:,|and))", frozenset(_PEOPLE)),
        (rf"{HOLE}\s+of (?:recurring|annual|yearly) revenue\b", _NAMES),
        (rf"\b(?:you|teams|they) (?:already |now |still )?(?:have|had|hold|own)\s+{HOLE}", _NAMES - {"unused_feature_names"}),
        (rf"\bthere (?:are|were)\s+{HOLE}", _NAMES),
        (rf"\b(?:people|users|seats|colleagues|tickets)\b[^.;:]*\bnumber\s+{HOLE}", _NAMES),
        (rf"\bin\s+{HOLE}\s*,\s*{HOLE}\s+(?:worked|were at work|used)\b", _NAMES),
        (rf"{HOLE}\s+of them\b", _NAMES),
        (rf"\bright size\b[^.;:{HOLE}]*\b(?:would be|is|was)\s+{HOLE}", _NAMES),
        (rf"\b(?:due by|can opt out until|in the distance at)\s+{HOLE}", _NAMES),
        (rf"\bof\s+{HOLE}\s+(?:received|opened)\b", _SINGLE),
        (rf"\buse (?:went|rose|fell|moved|came|grew|dropped|is|was)\b[^.;]*\bto\s+{HOLE}", _NAMES),
        (rf"\ba week (?:after|before|against|from|to)\s+{HOLE}", _NAMES),
        (rf"\b(?:received|opened) and\s+{HOLE}\s+(?:open|waiting|unsolved|unanswered)\b", _NAMES),
        (rf"(?:^|[.!?]\s){HOLE}(?=\s+in\s+{HOLE}\s+are {_IDLE}\b)", _NAMES),
        (rf"\b(?:altogether|in all|in total),?\s+{HOLE}", _NAMES - {"product_name"}),
        (rf"(?:^|[.!?]\s){HOLE}\s+use\b", _SINGLE | {"blocking_requirement", "phase_name"}),
        (rf"{HOLE}\s+remains? until\b", _NAMES),
        (rf"(?:^|[.!?]\s){HOLE}\s+[^\W\d_]+s\s+(?:worked|work|were|are|have|use|used)\b", _SINGLE),
        (rf"{HOLE}(?=\s+now and\s+{HOLE})", _NAMES),
        (rf"{HOLE}\s+(?:that|which) (?:nobody|no one|no-one|none) (?:uses?|works?|has|took|takes|fills?)\b", _NAMES - {"product_name", "unused_feature_names"}),
        (rf"\bha(?:s|ve)\s+{HOLE}\s+(?:that|which) (?:nobody|no one|no-one|none)\b", _NAMES - {"unused_feature_names"}),
        (rf"{HOLE}\s+are left\b", _NAMES - _PEOPLE),
        (rf"{_OPENS}{HOLE}\s+worked with (?:them|it|our|the product)\b", _NAMES - _PEOPLE),
        (rf"\bof your\s+{HOLE}\s+are {_IDLE}\b", _NAMES),
        (rf"\b(?:renewal|deadline|notice|opt-out)[^.;:]*\bis\s+{HOLE}\s+away\b", _NAMES),
        (rf"{HOLE}\s+away\b", _NAMES),
        (rf"\b(?:have|has) become\s+{HOLE}", _NAMES),
        (rf"\bof the\s+{HOLE}\s+(?:that|which)\b", _SINGLE),
        (rf"\bat work,? beginning with\s+{HOLE}", _NAMES),
        (rf"{HOLE}\s+of\s+(?:your\s+|the\s+|their\s+)?{HOLE}(?=\s*,? (?:and nothing|are (?:free|unused)|is (?:free|unused)))", frozenset(_SINGLE)),
        (rf"\b(?:at work|active)\b[^.;:]*\bwere\s+{HOLE}", _NAMES),
        (rf"\b{_IDLE}(?: seats?)?(?: at present| now| today)?(?: is| are|:)\s*{HOLE}", _NAMES),
        (rf"\b(?:run|stretch|pause|gap) (?:without|of|with)[^.;:]*?\b(?:is|was|lasted)\s+{HOLE}", _NAMES),
        (rf"\b(?:price|revenue|value|cost|amount|share|number|count)\s+(?:is|was|of|are|:)\s*{HOLE}\s+(?:a|per)\b", _NAMES),
        (rf"\b(?:free|unused|idle) (?:at present |now |today )?(?:are|is)\b[^.;:]*?\band\s+{HOLE}\s+in\b", _NAMES),
    )
)  # fmt: skip
#: Words beside a slot that say the opposite of the metric, or of which period it is.
_NOT_SO: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = tuple(
    (re.compile(pattern), frozenset(metrics.split()))
    for pattern, metrics in (
        (rf"{HOLE}\s+(?:[^\W\d_]+\s+){{0,5}}?in the (?:\w+ )?weeks (?:before|earlier|prior)\b", "weekly_active_recent active_users_28d"),
        (rf"\bin the weeks (?:before|earlier)(?: it was| there were)?,?\s+{HOLE}", "weekly_active_recent active_users_28d"),
        (rf"{HOLE}\s+(?:[^\W\d_]+\s+){{0,5}}?in (?:the )?(?:recent|last|latest) weeks\b", "weekly_active_prior"),
        (rf"\bin (?:the )?recent weeks,?\s+{HOLE}", "weekly_active_prior active_users_28d"),
        (rf"{HOLE}\s+(?:lately|these days|of late)\b", "weekly_active_prior"),
        (rf"\b(?:per|each|every) week,?\s+{HOLE}", "active_users_28d"),
        (rf"{HOLE}\s+(?:a|per|each|every) week\b", "active_users_28d unused_seats seats_contracted"),
        (rf"{HOLE}\s+(?:of them|of the seats|of your seats|of their seats|of its seats)\s+(?:are|is|were|was)\s+in use\b", "active_users_28d unused_seats shelfware_seats right_size_seats seats_contracted"),
        (rf"{HOLE}\s+of them\b", "seats_contracted"),
        (rf"\b(?:free|unused|idle) seats?(?: [^\W\d_]+){{0,2}}:[^.;]*,\s*(?:and )?{HOLE}\s+in\b", "seats_contracted active_users_28d"),
        (rf"{HOLE}\s+(?:[^\W\d_]+\s+){{0,4}}?at the moment\b", "weekly_active_prior"),
        (rf"\b(?:you|your teams) have\s+{HOLE}\s*,? (?:and|so)\b", "active_users_28d weekly_active_recent weekly_active_prior"),
        (rf"\bbefore,? (?:it|there|that|this) (?:was|were)\s+{HOLE}", "weekly_active_recent active_users_28d"),
        (rf"\bhow many of (?:the |those )?{HOLE}\s+(?:that|which)\b", "weekly_active_recent weekly_active_prior active_users_28d seats_contracted"),
        (rf"\b(?:account|customer|it|they) needs?\s+{HOLE}\s*:", "weekly_active_recent weekly_active_prior active_users_28d unused_seats"),
        (rf"{HOLE}\s+(?:a seat|per seat|apiece)\b", "unused_value_annual waste_annual arr_amount"),
        (rf"{HOLE}\s+of (?:the|your|their|its) seats (?:are |is |were )?in use\b", "seats_contracted unused_seats shelfware_seats right_size_seats"),
        (rf"\buntil\s+{HOLE}\s*,? the last day\b[^.;:]*\b(?:opt|notice|cancel)", "renewal_date last_activity_date"),
        (rf"{HOLE}\s*,?\s*{HOLE}\s+of (?:your|their|its|our) people (?:are|were) at work\b", "weekly_active_recent weekly_active_prior"),
        (rf"\bbefore\s+{HOLE}\s+(?:is|comes)\b", "last_activity_date fttv_reached_on last_touchpoint_on ebr_held_on"),
        (rf"\bfor (?:the )?unused seats[^.;:{HOLE}]*\bto\s+{HOLE}", "waste_annual net_unit_price_annual arr_amount"),
        (rf"\bfor the right-size gap[^.;:{HOLE}]*\bto\s+{HOLE}", "unused_value_annual net_unit_price_annual arr_amount"),
        (rf"\b(?:unused|idle|free) are\s+{HOLE}", "unused_value_annual waste_annual seats_contracted active_users_28d"),
        (rf"{HOLE}\s+are open\b", "unused_seats shelfware_seats seats_contracted active_users_28d right_size_seats"),
        (rf"\bputs\s+{HOLE}\s+of the seats\b", "active_users_28d unused_seats shelfware_seats"),
        (rf"\bweek by week,?\s+{HOLE}", "active_users_28d"),
        (rf"\b(?:unused|idle|free) are\s+{HOLE}", "gap_days days_to_renewal"),
        (rf"{HOLE}\s+(?:are|is) left to the renewal\b", "unused_seats seats_contracted active_users_28d"),
        (rf"\bthe (?:unused|idle|free) seats,\s+{HOLE}\s*,", "unused_value_annual waste_annual net_unit_price_annual"),
        (rf"{HOLE}\s+of (?:the|your|their|its) seats are in use\b", "weekly_active_recent weekly_active_prior"),
        (rf"{HOLE}\s+that (?:nobody|no one) (?:uses|works on)\b", "utilization_28d active_users_28d"),
        (rf"{HOLE}\s+under contract\b", "active_users_28d weekly_active_recent weekly_active_prior unused_seats shelfware_seats"),
        (rf"\b(?:nobody|no one) (?:works|uses)(?: yet)? on\s+{HOLE}\s+of\s+{HOLE}", "active_users_28d product_name unused_feature_names"),
        (rf"\bgap of\s+{HOLE}", "weekly_active_recent weekly_active_prior active_users_28d users_trained"),
        (rf"{HOLE}\s+(?:are |is |were |was |stand |remain )?(?:still )?(?:free|unused|idle|unassigned)\b", "utilization_28d active_users_28d users_trained weekly_active_recent weekly_active_prior right_size_seats"),
        (rf"{HOLE}\s+(?:are|is|were|was)\s+(?:active|at work)\b", "unused_seats shelfware_seats seats_contracted right_size_seats"),
        (rf"{HOLE}\s+(?:are|is|were|was)\s+in use\b", "unused_seats shelfware_seats"),
        (rf"{HOLE}\s+(?:active|at work)\b", "unused_seats shelfware_seats seats_contracted right_size_seats"),
        (rf"{HOLE}\s+(?:worked|work|use|used|logged|signed)\b", "unused_seats shelfware_seats right_size_seats seats_contracted"),
        (rf"\b(?:you|they|teams|people) (?:use|used|fill|occupy)\s+{HOLE}", "unused_seats shelfware_seats"),
        (rf"\b(?:nobody|no one|no-one) (?:works|worked|uses|used)(?: yet)?(?: on| with)?\s+{HOLE}", "active_users_28d weekly_active_recent weekly_active_prior seats_contracted"),
    )
)  # fmt: skip


def _frames(read: _Read) -> Iterator[tuple[str, str]]:
    """A phrase that takes an amount, a day, a count or a period, with a value of another kind in it."""
    at = {read.tokens[place.token][0]: place for place in read.slots}
    framed, unfit = _framed(read.plain)
    for start, number, said in framed:
        place = at.get(start)
        _, units, metrics = _FRAMES[number]
        if place is not None and place.fact.unit not in units and place.metric not in metrics:
            yield "label", f"{place.fact.handle} ({place.fact.label}) is no value for {said!r}"
    for start, wrong, said in unfit:
        place = at.get(start)
        if place is not None and place.metric in wrong:
            yield "label", f"{place.fact.handle} ({place.fact.label}) is no value for {said!r}"
    for place in read.slots:
        before = read.tokens[place.token - 1][1] if place.token else ""
        if place.metric == "usage_window" and before not in _PERIOD_WORDS:
            yield "label", f"{place.fact.handle} ({place.fact.label}) is a period and stands where none can stand"


_Framed = tuple[tuple[tuple[int, int, str], ...], tuple[tuple[int, frozenset[str], str], ...]]


@lru_cache(maxsize=4096)
def _framed(plain: str) -> _Framed:
    """Where `plain` has a slot in a phrase of `_FRAMES` (place, number, phrase), and where in one of `_NO_NAME` or `_NOT_SO` (place, metrics, phrase).

    Remembered: the same sentences stand in every account's draft.
    """

    def phrase(match: re.Match[str]) -> str:
        return " ".join(match[0].replace(HOLE, "...").split())

    framed = (
        (match.start() + match[0].index(HOLE), number, phrase(match)) for number, (pattern, _, _) in enumerate(_FRAMES) for match in pattern.finditer(plain)
    )
    unfit = ((match.start() + match[0].rindex(HOLE), wrong, phrase(match)) for pattern, wrong in (*_NO_NAME, *_NOT_SO) for match in pattern.finditer(plain))
    return tuple(framed), tuple(unfit)


_PERIOD_WORDS = frozenset(
    (
        "in",
        "over",
        "during",
        "for",
        "across",
        "within",
        "of",
        "from",
        "throughout",
        "through",
        "on",
        "and",
        "the",
        ":",
        "(",
        "than",
        "to",
        "covers",
        "is",
        "was",
    )
)

# --- names of people -------------------------------------------------------------------------------------------------


def _names(read: _Read) -> Iterator[tuple[str, str]]:
    """A name beside the role of somebody else: 'the champion, {{sponsor}}', '{{sponsor}} is the champion', '{{sponsor}} (champion)'."""
    for place in read.slots:
        start = read.tokens[place.token][0]
        ahead, behind = read.plain[start + len("{{F00}}") :], read.plain[:start]
        title = _TITLE.match(ahead) if place.metric in ROLES else None
        if title is not None:
            yield "name_label", f"{place.fact.handle} ({place.fact.label}) is called {title[1]!r}, and no fact gives people's titles"
            continue
        if place.metric in ROLES and _has_role(ahead, behind, ROLES[place.metric]):
            continue
        for other, role in ROLES.items():
            known = other != place.metric and any(fact.metric == other for fact in read.sheet.facts.values())
            if known and _has_role(ahead, behind if place.metric in ROLES else "", role):
                yield (
                    "name_label",
                    f"{place.fact.handle} ({place.fact.label}) stands where a reader takes it for the {other.removesuffix('_name').replace('_', ' ')}",
                )
                break


#: Titles of people, which no fact of a sheet holds.
_TITLE = re.compile(
    r"^\s*(?:is|was|,|\(|as|serves as|acts as|remains)\s*(?:also |now |currently )?(?:the |our |their |its |your |an? )?(?:new |former |current )?"
    r"(c[efiotm]o|ciso|chief [a-z]+ officer|chief executive|managing director|(?:vice )?president|vp|founder|co-founder|chair(?:man|woman|person)?)\b"
)
_DETERMINER = r"(?:the|our|your|their|its|new|current|executive|a)"


def _has_role(ahead: str, behind: str, role: str) -> bool:
    if re.match(r"'s\b", ahead.lstrip(" ")):
        return False
    is_role = (
        rf"^\s*(?:is|was|remains|stays|serves|acts|as|,|\()?\s*(?:both )?(?:as )?(?:{_DETERMINER}\s+)*{role}\b(?!\s*(?:and|,)?\s*{HOLE})(?!\s*(?:'s|and|or)\s)"
    )
    if re.search(is_role, ahead) and not re.match(r"^\s*(?:and|or)\b", ahead):
        return True
    return re.search(rf"\b{role}\b\s*(?:,|:|is|was|\()?\s*$", behind) is not None


# --- product groups --------------------------------------------------------------------------------------------------

_ALL = re.compile(r"\b(?:all|total|overall|across|whole|account|together|altogether|both|every|sum|products)\b")


def _groups(text: str, before: str, sheet: FactSheet) -> Iterator[tuple[str, str]]:
    """A product's value stands with that product's name: in its sentence, or else after it in the paragraph."""
    if len(sheet.groups) < 2:
        return
    group_of = {handle: group for group in sheet.groups for metric, handle in GROUP_HANDLES[group].items()}
    account_wide = {fact.metric for fact in sheet.facts.values() if fact.scope == "account" and fact.is_known}
    name_handles = {GROUP_HANDLES[group]["product_name"]: group for group in sheet.groups}
    shown = [fact for handle in SLOT.findall(text) if (fact := sheet.facts.get(handle)) is not None]
    speaks_of_account = any(fact.scope == "account" and fact.metric in _SEAT_COUNTS | {"active_users_28d", "utilization_28d"} for fact in shown) or any(
        (fact := sheet.facts.get(handle)) is not None and fact.metric == "account_name" for handle in SLOT.findall(text)
    )
    last: int | None = None
    topic: int | None = None  # the product that a paragraph opens with: '{{product}}: ...' speaks of it to its end
    for part, is_context in [(before, True), *((sentence, False) for sentence in sentences(text))]:
        if not part:
            continue
        read = _Read(part, sheet)
        mentions = _mentions(read, name_handles)
        if mentions and mentions[0][0] == 0 and len(read.tokens) > 1 and read.tokens[1][1] == ":":
            topic = mentions[0][1]
        if not is_context:
            for place in read.slots:
                if place.metric == "product_name":
                    continue
                group = group_of.get(place.fact.handle)
                if group is None:
                    yield from _account_value(read, place, mentions, topic)
                    continue
                if sum(sheet.known(place.metric, other) is not None for other in sheet.groups) < 2:
                    continue
                nearest = min(mentions, key=lambda item: (read.cost(place, (item[0], item[0])), item[0] > place.token), default=None)
                named = last if nearest is None else nearest[1]
                if named is None and (before or not speaks_of_account or place.metric not in account_wide):
                    continue  # nothing says that it is another's
                if named is not None and nearest is not None:
                    mine = min((read.cost(place, (token, token)) for token, other in mentions if other == group), default=None)
                    if mine is not None and mine <= read.cost(place, (nearest[0], nearest[0])) + 1.5:
                        continue
                if named != group:
                    where = "another product" if named is not None else "no product"
                    yield "group_label", f"{place.fact.handle} ({place.fact.label}, {place.fact.scope}) stands with the name of {where}"
        last = mentions[-1][1] if mentions else last


def _mentions(read: _Read, name_handles: dict[str, int]) -> list[tuple[int, int]]:
    """(token, group) of each product's name: its slot, or its name written out."""
    found = [(place.token, name_handles[place.fact.handle]) for place in read.slots if place.fact.handle in name_handles]
    features = {GROUP_HANDLES[group]["unused_feature_names"]: group for group in name_handles.values()}
    found += [(place.token, features[place.fact.handle]) for place in read.slots if place.fact.handle in features]
    for handle, group in name_handles.items():
        name = (read.sheet.facts[handle].value_text or "").casefold()
        if name:
            found += [(span[0], group) for span in read.spans(re.compile(rf"(?<!\w){re.escape(name.removesuffix('s'))}(?:s|es)?(?!\w)"))]
    return sorted(found)


def _account_value(read: _Read, place: _Place, mentions: Sequence[tuple[int, int]], topic: int | None) -> Iterator[tuple[str, str]]:
    """A value of the whole account behind a single product's name, as if it were that product's."""
    ahead = [group for token, group in mentions if token < place.token and not any(text == ";" for _, text in read.tokens[token + 1 : place.token])]
    ahead = ahead or ([topic] if topic is not None and not mentions else [])
    if not ahead or len({group for _, group in mentions}) > 1 or _ALL.search(read.plain):
        return
    same = read.sheet.facts.get(GROUP_HANDLES[ahead[-1]].get(place.metric, ""))
    if same is not None and same.is_known and (same.value_number, same.value_text) != (place.fact.value_number, place.fact.value_text):
        yield "group_label", f"{place.fact.handle} ({place.fact.label}) is of the whole account and stands behind the name of a single product"
