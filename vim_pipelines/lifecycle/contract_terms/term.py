"""The initial term and its end: from the clause that says how long this agreement runs.

A contract has many periods (of notice, of payment, of secrecy, of a programme inside it); only a sentence whose subject is the agreement or
its term counts. The end is the date that the clause states, or the start plus the length where both are known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import islice

from vim_pipelines.lifecycle.contract_terms.answers import found, open_
from vim_pipelines.lifecycle.contract_terms.dates import ORDINALS, Mention, mentions
from vim_pipelines.lifecycle.contract_terms.durations import Length, lengths
from vim_pipelines.lifecycle.contract_terms.points import Calendar, Point
from vim_pipelines.lifecycle.contract_terms.reading import Reading, Span
from vim_pipelines.lifecycle.contract_terms.terms import PERPETUAL, Duration, Extracted, Perpetual

_THIS = r"(?:this (?:[\w&'/,-]+ ){0,5}?|the )(?:agreement|contract|memorandum|engagement|schedule|addendum)\b"
_ASIDE = r"(?: ?\([^()]{0,120}\)| ?\"[^\"]{0,40}\")?"
_QUALIFIED = r"(?:initial |primary |original |base |fixed |first |effective )?"
#: Terms that are the agreement's own under another name; one of them counts only where nothing else is said.
_NAMED = r"\"?(?:subscription|services?|contract|co-?operation|engagement|agreement|consulting|sponsorship|support) \"?"
#: The agreement, or its term, as the subject of a sentence.
SUBJECT = re.compile(
    rf"(?:\b{_QUALIFIED}\"?(?:term|period|duration)\"?{_ASIDE},?(?: and duration)?(?: of| for| under)? {_THIS}"
    rf"|\b(?:the|its|an?) {_QUALIFIED}\"?term\"?{_ASIDE}(?: hereof)?,?(?= (?:shall|will|is|means|commences|begins|starts|hereof|runs|expires|ends))"
    rf"|\"{_QUALIFIED}term\"\)?:?(?= (?:shall|will|is|means?|commences|begins))"
    rf"|\b(?:the|its) {_NAMED}(?:term|period)\"?{_ASIDE}(?: of (?:the )?parties)?(?= (?:shall|will|is|means|commences|begins|starts))|\"{_NAMED}(?:term|period)\"(?= (?:shall|will|is|means?))"
    rf"|\bterm:"
    rf"|\b{_THIS})"
)
#: Before the subject: it is not the subject at all ("during the term of this Agreement").
OBLIQUE = re.compile(
    r"\b(?:during|throughout|under|pursuant to|in|of|by|with|for|to|from|after|upon|within|terminates?|extend|beyond|end|executed?|before|between|than|on|as|and|or|into|hereunder)(?: of| the| all of)? $"
)
#: Before a bare "term of this Agreement": an article or nothing. "The payment term of this Agreement" is another term.
BARE = re.compile(
    r"(?:^|[.;:,()\"\d] ?|\b(?:the|its|an?|this|that|said|full|entire|and|term|duration|initial|agreement|contract|service|subscription)(?: \"| ))\"?$"
)
BREAK = re.compile(r"[;:]")
VERB = re.compile(
    r"\b(?:commenc(?:e[sd]?|ing)|begin(?:s|ning)?|start(?:s|ing)?|effective|in effect|in force|in full force|takes? effect|into (?:force|effect)|continues?|remains?|runs?|extends?|expires?|terminates?|ends?|"
    r"(?:shall|will|to|may) (?:also )?(?:be|have|last)|is|are|has|means?|lasts?|valid|endure)\b|term:"
)
#: From here on the clause speaks of what comes after the initial term.
AFTERWARDS = re.compile(
    r"\b(?:renew\w*|automatic\w* (?:be |and )*(?:further )?(?:renew|extend|continu|roll)\w*|successive\w*|subsequent\w*|additional\b|may (?:be )?(?:further )?extend\w*|(?:shall|will) be (?:further )?extended (?:for|by)|thereafter (?:shall|will|may|until|from|continue\w*|on|for|unless|be|either|this|the)|(?:and|year|years|months),? thereafter,? (?:shall|will|continue|on|from|until|for)|provided,? (?:however|that|further)|month[ -]to[ -]month|year[ -]to[ -]year)"
)
#: A sentence that opens so is not about the initial term.
NOT_INITIAL = re.compile(
    r"[\W\d.]{0,12}(?:\([a-z0-9]{1,3}\) )?(?:thereafter|upon (?:the )?expir|upon (?:any )?terminat|after (?:the )?(?:expir|initial|terminat)|following (?:the )?(?:expir|initial|terminat)|at the (?:end|expir)|if |in the event|notwithstanding|during |within|where|should |whereas)"
)
_AN = r"(?:the |an? |entire |full |minimum |fixed |at least |a minimum |a maximum |not less than |no less than |approximately |up to )*"
_TERMED = rf"(?:{_AN}(?:\"?[\w'-]+\"? ){{0,4}}?\"?(?:term|period|duration)s?\"?{_ASIDE}(?: hereof)?,?(?: of(?: time of)?| equal to| lasting| is| shall be| will be| for)?:? )"
#: "... for a period of" just before the length.
FOR = re.compile(
    rf"(?:\b(?:for|be|of|is|has|have|last|means?|during|lasting|in effect|in force|term:|extends?|runs?|valid|continue)(?: for)?,? ?(?:{_TERMED}|{_AN}))\(?$"
)
UNTIL_LENGTH = re.compile(
    r"\b(?:until|through|expires?(?: on| upon| at)?|ends?(?: on| upon| at)?|ending(?: on)?|terminates?(?: on)?|expiring(?: on)?|concludes?|on) (?:the )?(?:date |day )?(?:that is |which is |that falls |falling |occurring )?(?:the )?(?:end of |expiration of |completion of )?(?:an? )?(?:period of )?\(?$"
)
FROM = re.compile(
    rf"(?:\(s\))?{_ASIDE}(?: (?:term|period|duration|in duration|in length)s?)?{_ASIDE},? ?(?P<word>(?:to be )?(?:commencing|beginning|starting|effective|counted|measured|calculated|computed)(?: as)?(?: on| of| upon| from| with| at)?(?: and after)?|from(?: and after)?|after|following|as of|of|subsequent to)(?= )"
)
ONWARDS = re.compile(rf"{_ASIDE},? (?:thereafter|therefrom|thereof|from (?:that|such) date|after (?:that|such) date|following (?:that|such) date)")
UNLESS = re.compile(r"\bunless [^,;]{0,240},")
#: Between the subject and the length: the length is that of a cure or a notice.
OTHER_PERIOD = re.compile(
    r"\b(?:breach\w*|default\w*|cur(?:e|ed|ing)|remed\w+|fail\w*|bankrupt\w*|insolven\w+|force majeure|may (?:be )?terminated?|right to terminate|notice)\b"
)
NOTICE = re.compile(r"(?:'s?|s')? ?(?:\(s\) ?)?(?:prior|advance|advanced|written|notice|in advance|before|previous)\b")
START = re.compile(
    r"\b(?:commenc(?:e[sd]?|ing)|begin(?:s|ning)?|start(?:s|ing)?|effective|takes? effect|into (?:force|effect)|dated|runs?|from)(?: and in force)?(?: (?:as of|on|upon|from|with|at))*(?= )"
)
#: "... is for five years and shall commence on July 1".
BEGINS_LATER = re.compile(r"\b(?:commenc(?:e|es|ing)|begin(?:s|ning)?|start(?:s|ing)?)(?: (?:as of|on|upon|from|with|at))+(?= )")
END = re.compile(
    r"\b(?:until|through|to|thru|expir(?:e|es|ing|ation)(?: date)?(?: shall be| is)?|ends?|ending|terminat(?:e|es|ing)|conclud(?:e|es|ing)|up to|-)(?: automatically)?(?: and (?:including|through|until|ends?|ending|expir\w+|terminat\w+))*(?: on| upon| at| as of)*(?: and (?:including|through))?(?: (?:11:59|12:00|12|midnight|close of business|the close of business|the end of business|5:00)[ \w.:,]{0,24}? on)?(?: the)?:?,? ?$"
)
ANNIVERSARY = re.compile(
    r"\b(?P<before>(?:the )?(?:date|day) (?:immediately )?(?:before|prior to|preceding) |(?:one|1|\(1\)) day (?:before|prior to) )?(?:the |its )?(?P<which>first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|fifteenth|twentieth|\d{1,2} ?(?:st|nd|rd|th))(?: \(\d{1,2}(?: ?(?:st|nd|rd|th))?\))?(?: annual| year| yearly)? anniversary(?: date)?(?: of| from| following| after)?(?= |[.,;)])"
)
#: "effective for all purchases made until": the end of something smaller.
ONLY_FOR = re.compile(r"\bfor (?:all|any|each|such|purchases|orders)\b")
SAME_DATE = re.compile(r" (?:(?:such|that|the said|said) date|thereof)\b")
EITHER = re.compile(r"\b(?:earlier|earliest|later|latest|sooner|shorter|longer|greater|lesser) (?:to occur )?of\b|\bwhichever\b")
FOREVER = re.compile(
    r"\b(?:perpetual(?:ly)?|in perpetuity|indefinite(?:ly)?|for an unlimited (?:period|time|duration)|unlimited in time|without limit of time"
    r"|(?:until|when|unless and until) (?:it is |this agreement is |such time as (?:it is )?|otherwise )?(?:duly |sooner |earlier |so )?(?:cancel+ed|terminat\w+)\b|until (?:either|any|one|a) party [^.;]{0,80}(?:notice|terminat\w+|cancel\w*)\b)"
)
#: "... or until terminated" says that there is another end.
OR_UNTIL = re.compile(r"\b(?:or|and) (?:until|unless)\b")
#: Agreements run for weeks at least; "continues for ten (10) days" is said of a default.
SHORTEST_TERM = 28
ANOTHER_END = re.compile(r"\b(?:until|through|expires?|ending|ends?)\b")
#: A sentence that names the agreement more often than this is no clause on its term.
SUBJECTS = 12
WORDS = ("term of", "term for", "term shall", "term will", "term is", "term means", '"term"', "term\")", "initial term", "primary term", "term:", "term commences", "term begins", "in effect", "in force", "full force", "take effect", "takes effect", "effective", "expire", "commence", "shall continue", "will continue", "shall remain", "will remain", "shall terminate", "will terminate", "automatically terminate", "terminates on", "ends on", "shall end", "will end", "duration", "shall last", "will last", "lasts for", "service term", "subscription term", "contract term", "cooperation term", "period\"", "anniversary", "shall be valid", "is valid", "period of")  # fmt: skip


@dataclass(frozen=True)
class Clause:
    """One reading of one clause on the initial term. Exactly one of `end`, `length` and `is_perpetual` is what it says the end is."""

    span: Span
    length: Duration | None = None
    start: Point | None = None
    end: date | None = None
    is_perpetual: bool = False
    trouble: str = ""
    is_initial: bool = False
    #: 0: the subject is the term itself; 1: the agreement, of which much else is said; 2: a heading, or a term by another name.
    rank: int = 1


def clauses(calendar: Calendar) -> list[Clause]:
    """Every reading of every clause that says how long this agreement runs."""
    reading = calendar.reading
    found_clauses = []
    for sentence in reading.sentences_with(*WORDS):
        found_clauses += _read(calendar, sentence)
    return found_clauses


def _read(calendar: Calendar, sentence: Span) -> list[Clause]:
    low = calendar.reading.low
    if NOT_INITIAL.match(low, sentence.start, sentence.end):
        return []
    for subject in islice(SUBJECT.finditer(low, sentence.start, sentence.end), SUBJECTS):
        if OBLIQUE.search(low, max(sentence.start, subject.start() - 24), subject.start()):
            continue
        if subject.group().startswith(("term", "period", "duration")) and not BARE.search(low, max(0, subject.start() - 24), subject.start()):
            continue
        limit = min(sentence.end, subject.end() + 700)
        after = AFTERWARDS.search(low, subject.end(), limit)
        stop = after.start() if after else limit
        verb = VERB.search(low, subject.start(), min(stop, subject.end() + 260))
        if not verb or BREAK.search(low, subject.end(), max(verb.start(), subject.end())):
            continue
        clause = _parse(calendar, sentence, subject.start(), stop, limit)
        if clause:
            return [replace(clause, rank=_rank(subject.group()))]
    return []


def _rank(subject: str) -> int:
    if re.match(rf"term:|(?:(?:the|its) )?{_NAMED}(?:term|period)", subject):
        return 2
    return 0 if "term" in subject else 1


def _parse(calendar: Calendar, sentence: Span, begin: int, stop: int, limit: int) -> Clause | None:
    low = calendar.reading.low
    is_initial = bool(re.search(r"\b(?:initial|primary|original) \"?term|\binitial period", low[sentence.start : stop + 60]))
    either = EITHER.search(low, begin, stop)
    ends = [
        mention
        for mention in mentions(low, begin, min(stop + 40, sentence.end))
        if mention.start < stop and END.search(low, max(begin, mention.start - 90), mention.start)
    ]
    length = _length(low, begin, stop)
    anniversary = ANNIVERSARY.search(low, begin, stop)
    start = _start(calendar, begin, stop, length)
    if (
        either
        and (ends or length or anniversary)
        and either.start() < max([*(e.start for e in ends), length.start if length else 0, anniversary.start() if anniversary else 0])
    ):
        return Clause(sentence, trouble="the end is the earlier or later of several things", is_initial=is_initial)
    if ends and ONLY_FOR.search(low, begin, ends[0].start):
        return None
    if ends:
        return _stated(sentence, ends[0], length, start, is_initial)
    named = _named_end(calendar, begin, stop)
    if named:
        return Clause(sentence, start=start, end=named.value, trouble="" if named.value else named.why, is_initial=is_initial)
    if anniversary:
        return _anniversary(calendar, sentence, anniversary, start, stop, is_initial)
    if length:
        return Clause(sentence, length=length.value, start=start, trouble="" if length.value else length.why, is_initial=is_initial)
    # "continues thereafter until terminated": what is cut off as coming afterwards is all there is.
    forever = None if OR_UNTIL.search(low, begin, limit) else FOREVER.search(low, begin, limit)
    if forever and not ANOTHER_END.search(low, begin, forever.start()):
        return Clause(sentence, is_perpetual=True, start=start, is_initial=is_initial)
    return None


UNTIL = re.compile(
    r"\b(?:until|through|(?:expire|end|terminate)s?(?: on| upon)?)(?: and including)? (?=(?:the )?\"?(?:[a-z]+ ){0,2}(?:expiration|expiry|termination|end|maturity) date\b)"
)


def _named_end(calendar: Calendar, begin: int, stop: int) -> Point | None:
    """ "until the Expiration Date", where that is a date; None where nothing of the kind is said or it is not defined."""
    until = UNTIL.search(calendar.reading.low, begin, stop)
    point = calendar.at(until.end() - 1, stop + 40) if until else None
    return point if point and point.value else None


def _stated(sentence: Span, end: Mention, length: Length | None, start: Point | None, is_initial: bool) -> Clause:
    if end.value is None:
        return Clause(sentence, trouble=f"{end.why} as the end of the term", is_initial=is_initial)
    counted = length.value if length else None
    if counted and start and start.value and abs((_after(counted, start.value) - end.value).days) > 31:
        return Clause(sentence, trouble=f"two readings disagree: {start.value} plus {counted} is not {end.value}", is_initial=is_initial)
    return Clause(sentence, length=counted, start=start, end=end.value, is_initial=is_initial)


def _after(length: Duration, start: date) -> date:
    try:
        return length.after(start)
    except OverflowError:
        return date.max


def _length(low: str, begin: int, stop: int) -> Length | None:
    for length in lengths(low, begin, stop):
        before = low[max(begin, length.start - 120) : length.start]
        if NOTICE.match(low, length.end, length.end + 24) or (length.value and length.value.about_days < SHORTEST_TERM):
            continue
        if (UNTIL_LENGTH.search(before) or FOR.search(before)) and not OTHER_PERIOD.search(UNLESS.sub(" ", low[begin : length.start])):
            return length
    return None


def _start(calendar: Calendar, begin: int, stop: int, length: Length | None) -> Point | None:
    """The point the term counts from; None if the clause names none."""
    reading, low = calendar.reading, calendar.reading.low
    if length:
        after = FROM.match(low, length.end, min(stop + 30, len(low)))
        if after:
            end = reading.sentence(length.start).end
            point = calendar.at(after.end(), end)
            return point or Point(length.end, after.end(), None, "the term starts at an event that has no date in the text")
    event = None
    for start in START.finditer(low, begin, length.start if length else stop):
        point = calendar.at(start.end(), reading.sentence(start.start()).end)
        if point:
            return point
        if start.group().endswith(("as of", "on", "upon", "from")) and not start.group().startswith("from"):
            event = event or Point(start.start(), start.end(), None, "the term starts at an event that has no date in the text")
    if event is None and length:
        for start in BEGINS_LATER.finditer(low, length.end, stop):
            return calendar.at(start.end(), reading.sentence(start.start()).end) or Point(
                start.start(), start.end(), None, "the term starts at an event that has no date in the text"
            )
    return event


def _anniversary(calendar: Calendar, sentence: Span, match: re.Match[str], start: Point | None, stop: int, is_initial: bool) -> Clause:
    which = match["which"]
    digits = re.match(r"\d+", which)
    years = int(digits.group()) if digits else ORDINALS.index(which) + 1
    point = calendar.at(match.end(), sentence.end) if match.group().rstrip().endswith((" of", " from", " following", " after")) else start
    if point is None and SAME_DATE.match(calendar.reading.low, match.end()):
        point = start
    if point is None and re.match(rf" {_THIS}", calendar.reading.low[match.end() : match.end() + 80]):
        point = calendar.own(match.start(), match.end())
    if point is None or point.value is None:
        return Clause(
            sentence,
            length=Duration(years, "year"),
            start=point or Point(match.start(), match.end(), None, "the anniversary is of an event without a date"),
            is_initial=is_initial,
        )
    end = _after(Duration(years, "year"), point.value)
    return Clause(sentence, length=Duration(years, "year"), start=point, end=end - timedelta(days=1) if match["before"] else end, is_initial=is_initial)


@dataclass(frozen=True)
class End:
    """What one clause comes to."""

    clause: Clause
    value: date | Perpetual | None
    how: str


def _end(calendar: Calendar, clause: Clause, effective: Extracted) -> End:
    if clause.trouble:
        return End(clause, None, clause.trouble)
    if clause.is_perpetual:
        return End(clause, PERPETUAL, "the term has no end of its own: it runs until terminated")
    if clause.end:
        return End(clause, clause.end, "stated" if not clause.start or not clause.length else "stated, with the length of the term")
    assert clause.length
    if clause.start is not None:
        if clause.start.value is None:
            return End(clause, None, f"the term is {clause.length} from a point that has no date: {clause.start.why}")
        return End(clause, _after(clause.length, clause.start.value), f"computed: {clause.start.value} plus {clause.length}")
    if isinstance(effective.value, date):
        return End(clause, _after(clause.length, effective.value), f"computed: effective date {effective.value} plus {clause.length}")
    made = calendar.agreement_date.value
    if effective.reason.startswith("absent") and isinstance(made, date):
        return End(clause, _after(clause.length, made), f"computed: agreement date {made} plus {clause.length}")
    return End(clause, None, f"the term is {clause.length}, but its start is open")


def decide(calendar: Calendar, every_clause: list[Clause], effective: Extracted) -> tuple[Extracted, Extracted]:
    """`expiration_date` and `term`."""
    reading, every = calendar.reading, [_end(calendar, clause, effective) for clause in every_clause]
    if not every:
        why = "absent: no clause says how long the agreement runs"
        return open_("expiration_date", why), open_("term", why)
    initial = [end for end in every if end.clause.is_initial and not end.clause.is_perpetual]
    of_term = [end for end in every if end.clause.rank == 0 and not end.clause.is_perpetual]
    if of_term:
        # Where a clause speaks of the term, a length in another sentence on the agreement is of something inside it.
        every = [end for end in every if end.clause.rank == 0 or (end.clause.rank == 1 and end.clause.end)]
    elif any(end.clause.rank < 2 for end in every):
        every = [end for end in every if end.clause.rank < 2]
    firm = [end for end in initial or every if end.value is not PERPETUAL]
    chosen = firm or every
    return _expiration(reading, chosen), _term(reading, chosen)


def _expiration(reading: Reading, chosen: list[End]) -> Extracted:
    values = {end.value for end in chosen if end.value is not None}
    first = next((end for end in chosen if end.value is not None), chosen[0])
    span = first.clause.span
    if len(values) > 1:
        said = " and ".join(sorted(str(value) for value in values))
        return open_("expiration_date", f"two readings disagree: {said}", reading, span.start, span.end)
    if not values or any(end.value is None for end in chosen):
        unknown = next(end for end in chosen if end.value is None)
        return open_("expiration_date", unknown.how, reading, unknown.clause.span.start, unknown.clause.span.end)
    return found("expiration_date", reading, span.start, span.end, first.value, first.how)


def _term(reading: Reading, chosen: list[End]) -> Extracted:
    counted = [end for end in chosen if end.clause.length]
    lengths_found = {end.clause.length.in_base_units for end in counted if end.clause.length}
    if len(lengths_found) == 1:
        clause = counted[0].clause
        return found("term", reading, clause.span.start, clause.span.end, clause.length, "stated")
    if len(lengths_found) > 1:
        span = counted[0].clause.span
        said = " and ".join(sorted({str(end.clause.length) for end in counted}))
        return open_("term", f"two readings disagree: {said}", reading, span.start, span.end)
    if all(end.value is PERPETUAL for end in chosen):
        span = chosen[0].clause.span
        return found("term", reading, span.start, span.end, PERPETUAL, "it runs until terminated")
    span = chosen[0].clause.span
    return open_("term", "the clause states no length", reading, span.start, span.end)
