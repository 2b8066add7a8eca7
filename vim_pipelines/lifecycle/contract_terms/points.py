"""Points in time that a clause names: a date, "the date hereof", or a defined term such as "the Effective Date".

A term counts from one of them; a point that is an event ("the Closing Date") has no date, and an end may not be computed from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import islice

from vim_pipelines.lifecycle.contract_terms import agreement
from vim_pipelines.lifecycle.contract_terms.answers import found
from vim_pipelines.lifecycle.contract_terms.dates import mentions
from vim_pipelines.lifecycle.contract_terms.reading import Reading
from vim_pipelines.lifecycle.contract_terms.terms import Extracted

PAPER = r"(?:agreement|contract|memorandum|schedule|amendment|order form|order|addendum|statement of work|license|lease)"
#: The day of the paper itself.
OF_ITSELF = re.compile(
    rf"(?:dates? (?:and year )?hereof\b"
    rf"|(?:date|day)s? (?:and year )?of (?:this|the) (?:[\w-]+ ){{0,4}}?{PAPER}\b"
    rf"|(?:date|day)s?(?: and year)? (?:first |last |as |is )*(?:(?:above|herein)(?:[ -]?(?:written|mentioned|stated|set forth|indicated|referenced))?\b|(?:written|set forth|stated|indicated|mentioned|specified|appearing|listed|shown)(?: first)? (?:above|herein|on the (?:first|cover) page))"
    rf"|(?:date of )?(?:its |the |full |mutual |final )*(?:execution|signing|signature)(?: date)?\b(?! of (?!this|the agreement))(?: and delivery)?(?: hereof| of (?:this|the) (?:[\w-]+ ){{0,4}}?{PAPER})?(?: by (?:both|all|each of)?(?: of)?(?: the)? ?parties(?: hereto)?)?"
    rf")"
)
LAST_SIGNATURE = re.compile(
    r"(?:the )?(?:later|latest|last|latter)(?: of)?(?: the)? (?:(?:signature )?dates?\b|signature|party to sign|day)[^.;]{0,60}?(?:sign|execut|below|signature page|parties)\w*"
    r"|(?:the )?date (?:of|on which) (?:the )?(?:last|final|latest) (?:party|signature|of the parties)\b[^.;]{0,60}"
    r"|(?:the )?date (?:that )?(?:it is |this agreement is )?(?:last )?(?:signed|executed) by (?:the last|both|all)\b[^.;]{0,40}"
)
AS_OF_EFFECTIVE = re.compile(r"\b(?:made|entered|executed|dated|agreement)\b[^.;]{0,60} as of the \"?effective date\b")
#: A defined term; in the contract's own capitals.
NAME = re.compile(r'(?:the )?"?(?P<name>(?:[A-Z][\w-]*|EFFECTIVE|COMMENCEMENT)(?: (?:[A-Z][\w-]*|of)){0,3} (?:Date|DATE)|Effective Time)\b"?')
#: "as of the ...", "upon ...": a point that is none of the kinds above.
EVENT = re.compile(r" (?:as of|on|upon|from|when|at)\b [^.;]{1,60}")
#: Headings of a form ("Effective Date: 1 May") stand at its beginning; the same words in an annex are about the annex.
FORM = 8_000
#: More definitions of one term than this are not looked at.
DEFINITIONS = 40
#: What may stand between "commence" and the point it commences at.
LEAD = re.compile(
    r"[ ,:]{0,2}(?:and including |and after |including |of |on |its |as of |from |upon |at |the |this |that |initial |day of (?=[a-z]{3,9}\.? \d)|12:00 a\.m\. |midnight )*"
)


@dataclass(frozen=True)
class Point:
    """A point in time at start..end of the flat text; `value` is None where no date can be told, and `why` says why."""

    start: int
    end: int
    value: date | None
    why: str


class Calendar:
    """The points that a contract defines, each looked up once."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self._defined: dict[str, Point | None] = {}

    @cached_property
    def agreement_date(self) -> Extracted:
        """The day the agreement was made; the effective date where the opening or the witness clause says that it is made as of that."""
        made = agreement.agreement_date(self.reading)
        as_of = AS_OF_EFFECTIVE.search(self.reading.low) if made.reason.startswith("absent") else None
        effective = self.defined("effective date") if as_of else None
        if effective and effective.value:
            return found("agreement_date", self.reading, effective.start, effective.end, effective.value, "made as of the effective date")
        return made

    def own(self, start: int, end: int) -> Point:
        """The agreement's own date, as named by the words start..end."""
        made = self.agreement_date
        value = made.value if isinstance(made.value, date) else None
        return Point(start, end, value, "the agreement's own date" if value else f"the agreement's date is open ({made.reason})")

    def at(self, start: int, end: int) -> Point | None:
        """The point that begins at `start` (after words like "on" or "as of"), or None if no known kind of point does."""
        reading = self.reading
        lead = LEAD.match(reading.low, start, end)
        begin = lead.end() if lead else start
        for mention in mentions(reading.low, begin, min(end, begin + 60)):
            if mention.start <= begin + 1:
                return Point(mention.start, mention.end, mention.value, mention.why or "stated")
        for offset in (begin, start):
            last = LAST_SIGNATURE.match(reading.low, offset, end)
            if last:
                return self._signed(last.start(), last.end())
        # The lead may have eaten the article that the reference begins with.
        name = NAME.match(reading.flat, begin, end)
        if name:
            defined = self.defined(name["name"])
            return Point(name.start(), name.end(), defined.value if defined else None, defined.why if defined else f"{name['name']} has no date in the text")
        itself = OF_ITSELF.match(reading.low, begin, end)
        if itself and itself.end() > itself.start():
            return self.own(itself.start(), itself.end())
        return None

    def _signed(self, start: int, end: int) -> Point:
        last = agreement.last_signature(self.reading)
        return Point(start, end, last.value if last else None, "the last signature" if last else "the dates of signature cannot be told")

    def defined(self, name: str) -> Point | None:
        """The date that the contract gives to a defined term; a Point without value where it is an event, or defined twice; None if undefined."""
        key = name.lower()
        if key not in self._defined:
            self._defined[key] = None  # A definition that leads back to itself ends here.
            self._defined[key] = self._define(key)
        return self._defined[key]

    def _define(self, name: str) -> Point | None:
        points = [point for place in islice(self._defining(name), DEFINITIONS) for point in [self._definition(place, place + len(name))] if point]
        dated = [point for point in points if point.value]
        values = {point.value for point in dated}
        if len(values) > 1:
            # "Commencement Date: 1 May" of one schedule after another: nobody can tell which is meant.
            return Point(dated[0].start, dated[0].end, None, f"{name} has two dates: {' and '.join(sorted(map(str, values)))}")
        return next(iter(dated or points), None)

    def _defining(self, name: str) -> Iterator[int]:
        """Where a term may be defined: in quotes, or before a colon or verb near the beginning."""
        low = self.reading.low
        return (place for place in self.reading.places(name) if low[place - 1 : place] == '"' or (place < FORM and DEFINES_AFTER.match(low, place + len(name))))

    def _definition(self, start: int, end: int) -> Point | None:
        reading = self.reading
        before = reading.low[max(0, start - 140) : start]
        quoted = before.endswith('"') and CLOSED.match(reading.low, end) is not None
        if quoted and DEFINES_BEFORE.search(before):
            opening = max(0, start - 140)
            earlier = [mention for mention in mentions(reading.low, opening, start) if DEFINES_GAP.fullmatch(reading.low, mention.end, start)]
            if earlier:
                return Point(earlier[-1].start, earlier[-1].end, earlier[-1].value, earlier[-1].why or "defined in the text")
            for match in OF_ITSELF.finditer(reading.low, opening, start):
                if match.end() - match.start() > 12 and DEFINES_GAP.fullmatch(reading.low, match.end(), start):
                    return self.at(match.start(), match.end())
            last = LAST_SIGNATURE.search(reading.low, opening, start)
            if last:
                return self._signed(last.start(), last.end())
            return Point(start, end, None, f'"{reading.flat[start:end]}" is an event')
        after = DEFINES_AFTER.match(reading.low, end)
        if after and (quoted or (end < FORM and (after["colon"] or after["verb"]))):
            point = self.at(after.end(), min(after.end() + 160, len(reading.low)))
            if point:
                return point
            if quoted:
                return Point(start, end, None, f'"{reading.flat[start:end]}" is an event')
        return None


#: The name ends here: "Effective Date of Termination" is another name.
CLOSED = re.compile(r"[,.]?\"")
DEFINES_BEFORE = re.compile(
    r"\((?:[\w ,']{0,40}?(?:the|such date|hereinafter|as|this|each|an?)?[ ,:]{0,3})\"$|\b(?:hereinafter|referred to as|called|being)(?: the)? \"$"
)
DEFINES_GAP = re.compile(r"[ ,]{0,3}(?:and |[12]\d{3} ?)?\(?[\w ,']{0,60}\"")
DEFINES_AFTER = re.compile(
    r"\"?\)?(?: of this agreement)?(?:(?P<colon> ?[:=-] ?(?:the )?)|,? (?:\([^)]{0,40}\) )?(?P<verb>(?:shall |will )?(?:means?|be|is|refers? to|have the meaning of))(?: deemed to be)?:? )(?:the )?(?=\S)"
)
