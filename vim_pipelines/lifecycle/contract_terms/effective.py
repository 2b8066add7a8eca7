"""The day the agreement takes effect: as defined, as the opening says, or as its clause on the term says.

An agreement that only says when it was made is not answered: the lawyers who labelled real contracts left most of those blank too.
"""

from __future__ import annotations

import re

from vim_pipelines.lifecycle.contract_terms.agreement import EFFECTIVE, opening_dates, witness_dates
from vim_pipelines.lifecycle.contract_terms.answers import found, open_
from vim_pipelines.lifecycle.contract_terms.points import EVENT, PAPER, Calendar, Point
from vim_pipelines.lifecycle.contract_terms.reading import Reading
from vim_pipelines.lifecycle.contract_terms.term import Clause
from vim_pipelines.lifecycle.contract_terms.terms import Extracted

#: A day of its own only where it is set down as a definition; in brackets it is often the day of a transaction.
COMMENCEMENT = re.compile(r"\"?commencement date\"? ?(?::|(?:shall )?means?\b)")
#: The agreement itself, or its term, begins.
BEGINS = re.compile(
    rf"\b(?:(?:this|the) (?:[\w&'/-]+ ){{0,4}}?{PAPER}|(?:initial |primary )?\"?term\"?(?: \([^)]{{0,60}}\))?(?: of this (?:[\w-]+ ){{0,4}}?{PAPER})?)(?: \([^)]{{0,60}}\))?,?"
    r"(?: (?:shall|will|is|hereby|to|be|been|has|and|made|deemed))*"
    r" (?:commenc(?:e[sd]?|ing)(?: and (?:be|become) effective)?|begins?|beginning|starts?|(?:becomes? |be |is )?effective(?: and in force)?|takes? effect|comes? into (?:force|effect)|enters? into (?:force|effect))\b(?: and be binding)?"
)

#: "The term of this Agreement shall be for a period of [***] years commencing the 1st day of September 2004".
TERM_FROM = re.compile(
    rf"\bterm of this (?:[\w-]+ ){{0,4}}?{PAPER}\b(?: \([^)]{{0,60}}\))?,? (?:shall|will|is)\b[^.;]{{0,140}}?\b(?:commencing|beginning|starting)(?: on| as of| from)?(?= )"
)


def effective_date(calendar: Calendar, terms: list[Clause]) -> Extracted:
    """The day the agreement takes effect; `terms` are the clauses on how long it runs."""
    reading = calendar.reading
    defined = calendar.defined("effective date")
    if defined:
        return answer(reading, [defined], 'defined as "effective date"')
    stated = [cue.date for cue in opening_dates(reading) if cue.is_effect]
    if stated:
        return answer(reading, [Point(date.start, date.end, date.value, date.why) for date in stated], "stated in the opening")
    witnessed = [date for date in witness_dates(reading) if EFFECTIVE.search(reading.low, max(0, date.start - 40), date.start)]
    if witnessed:
        return answer(reading, [Point(date.start, date.end, date.value, date.why) for date in witnessed], "stated in the witness clause")
    begins = [begin(calendar, match) for match in BEGINS.finditer(reading.low)]
    known = [point for point in begins if point]
    if any(point.value for point in known):
        return answer(reading, known, "stated where the term begins")
    dated = [
        point
        for match in TERM_FROM.finditer(reading.low)
        for point in [calendar.at(match.end(), match.end() + 60)]
        if point and point.why == "stated" and point.value
    ]
    if dated:
        return answer(reading, dated, "stated as the start of the term")
    starts = [clause.start for clause in terms if clause.start and clause.start.value]
    if starts:
        return answer(reading, starts, "stated as the start of the term")
    commencement = calendar.defined("commencement date") if COMMENCEMENT.search(reading.low) else None
    if commencement:
        return answer(reading, [commencement], 'defined as "commencement date"')
    if known:
        return answer(reading, known, "stated where the term begins")
    return open_("effective_date", "absent: no effective date is defined or stated")


def begin(calendar: Calendar, match: re.Match[str]) -> Point | None:
    """The point at which the agreement or its term begins; one without a value where it is an event, None where the words name no point."""
    low = calendar.reading.low
    point = calendar.at(match.end(), calendar.reading.sentence(match.start()).end)
    event = None if point else EVENT.match(low, match.end())
    return point or (Point(match.end(), event.end(), None, "it takes effect on an event that has no date in the text") if event else None)


def answer(reading: Reading, points: list[Point], how: str) -> Extracted:
    """The one date that all of the points are, else open."""
    values = {point.value for point in points if point.value}
    first = next((point for point in points if point.value), points[0])
    if len(values) > 1:
        return open_("effective_date", f"two readings disagree: {' and '.join(sorted(map(str, values)))}", reading, first.start, first.end)
    if not values:
        return open_("effective_date", first.why, reading, first.start, first.end)
    return found("effective_date", reading, first.start, first.end, first.value, f"{how}, {first.why}" if first.why else how)
