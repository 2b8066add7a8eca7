"""The date of the agreement: what its opening says, else its witness clause, else the one date beside the signatures.

The opening names other dates too (of the agreement that is amended, of the day it takes effect), so a date counts only with its cue before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

from vim_pipelines.lifecycle.contract_terms.answers import found, open_
from vim_pipelines.lifecycle.contract_terms.dates import Mention, mentions
from vim_pipelines.lifecycle.contract_terms.reading import Reading
from vim_pipelines.lifecycle.contract_terms.terms import Extracted

#: How far the opening is looked for: a title page and a table of contents may stand before it.
OPENING = 12_000
#: Where the opening ends. A table of contents has "Recitals ..... 1" too, never these.
BODY = re.compile(r"\bwhereas\b|\bwitness ?eth\b|w i t n e s s|now,? therefore|\bagree as follows\b|\bin witness whereof\b|/s/|\bby: ")
HEADING = re.compile(r"\b(?:recitals?|background|preliminary statements?)\b(?! ?[.\d\u2022])")
DATED = re.compile(
    r"(?:\b(?:dated?|made|entered|executed|signed|concluded|delivered|effect)\b(?: and (?:is )?\w+(?: into)?)?(?: into)?(?: for reference)?(?: and effective)?(?: effective)?,?:?"
    r"(?: by and between the parties)?(?: ?\([^()]{0,40}\))?(?: is)?,? ?(?:as of|as at|as from|on|in|at|effect)?(?: of)?(?: this| the| that)?(?: date)?:?(?: of)?"
    r"|\bas of(?: this| the)?|\bdate of (?:this )?(?:agreement|contract):?|\bagreement,?(?: is)?)[ ,:]{0,3}$"
)
EFFECTIVE = re.compile(r"\b(?:effective|effective date|commencement date)(?: as)?(?: of| on| from)?(?: this| the)?:?(?: is)?(?: date)?[ :,-]{0,3}$")
OPENS = re.compile(r"\b(?:made|entered|dated|executed|effective|between|among)\b")
#: Words that make the date that of another paper or another event.
OF_ANOTHER = re.compile(
    r"\b(?:that certain|pursuant to|amended (?:by|on|as of)|original(?:ly)?|previously|prior|organized|incorporated|existing|trust agreement dated|reference is (?:hereby )?made|under (?:the|that|an?) [^.]{0,60}dated)\b[^.;]*$"
    r"|\b(?:request|application|order|letter|registration statement|prospectus|confidential treatment|opinion|report)\b(?! agreement| form)[^.;]{0,40}$"
    # "... to the Services Agreement dated", but not "Amendment to the Services Agreement is dated".
    r"|\b(?:to|of|amends?|restates|supplements?|replaces|supersedes|under|terminates|by) (?:and restates )?(?:the|its|an?|that) (?:[\w&'-]+ ){0,6}?(?:agreement|contract|lease|note|plan|indenture)s?,?"
    r"(?: \([^()]{0,60}\),?)?(?: (?:by and )?between (?:(?!\b(?:this|is)\b)[^;]){0,120}?)? (?:made|dated|entered into|effective)[^.;]{0,20}$"
    r"|\b(?:(?:to|of|under|by) that|agrees? that|with respect to|extend beyond)\b[^;]*$"
)


#: A preamble is one sentence; a date this far after the first belongs to something else.
PREAMBLE = 500


@dataclass(frozen=True)
class Cue:
    """A date of the opening, and whether its cue says when the agreement was made or when it takes effect."""

    date: Mention
    is_effect: bool
    sentence_start: int


def opening_end(reading: Reading) -> int:
    """Where the opening ends: at the first recital, or a heading of recitals after the words of an opening."""
    body = BODY.search(reading.low, 0, OPENING)
    end = body.start() if body else min(len(reading.low), OPENING)
    for heading in HEADING.finditer(reading.low, 0, end):
        if OPENS.search(reading.low, 0, heading.start()):
            return heading.start()
    return end


def opening_dates(reading: Reading) -> list[Cue]:
    """The dates of the opening that have a cue, in order."""
    end, cues = opening_end(reading), []
    for mention in mentions(reading.low, 0, end):
        before = reading.low[max(0, mention.start - 260) : mention.start]
        if OF_ANOTHER.search(before):
            continue
        is_effect = EFFECTIVE.search(before) is not None
        if is_effect or DATED.search(before):
            cues.append(Cue(mention, is_effect, reading.sentence(mention.start).start))
    return cues


def agreement_date(reading: Reading) -> Extracted:
    """The day the agreement was made."""
    cues = opening_dates(reading)
    cues = [cue for cue in cues if cue.date.start - cues[0].date.start <= PREAMBLE]
    made = [cue.date for cue in cues if not cue.is_effect] or [cue.date for cue in cues]
    if made:
        return decided(reading, made, "the opening")
    witness = [mention for mention in witness_dates(reading)]
    if witness:
        return decided(reading, witness, "the witness clause")
    signed = last_signature(reading)
    if signed:
        return decided(reading, [signed], "the signatures, the last of them")
    cover = cover_dates(reading)
    if cover:
        return decided(reading, cover, "the first page")
    return open_("agreement_date", "absent: no date in the opening, the witness clause or beside the signatures")


def decided(reading: Reading, dates: list[Mention], place: str) -> Extracted:
    """The one date that all of them are, else open."""
    values = {date.value for date in dates if date.value}
    unfinished = [date for date in dates if date.value is None]
    if len(values) == 1:
        first = next(date for date in dates if date.value)
        return found("agreement_date", reading, first.start, first.end, first.value, f"stated in {place}")
    if len(values) > 1:
        return open_("agreement_date", f"two readings disagree: {place} gives {' and '.join(sorted(map(str, values)))}", reading, dates[0].start, dates[0].end)
    return open_("agreement_date", f"{unfinished[0].why} in {place}", reading, unfinished[0].start, unfinished[0].end)


BY = re.compile(r"(?:\bby:|/s/|\bsignature\b|\bsigned:|\bname:|\btitle:)")
#: More witness clauses, or dates beside signatures, than this are not looked at.
CLAUSES = 40
WITNESS = re.compile(r"\bin (?:witness|testimony|evidence) (?:whereof|thereof|of which)\b")


def witness_dates(reading: Reading) -> list[Mention]:
    """The dates of the witness clause: 'In witness whereof ... as of the 5th day of May 2005'."""
    found_dates: list[Mention] = []
    for clause in islice(WITNESS.finditer(reading.low), CLAUSES):
        block = BY.search(reading.low, clause.end(), clause.end() + 400)
        end = block.start() if block else min(clause.end() + 400, len(reading.low))
        for mention in mentions(reading.low, clause.start(), end):
            before = reading.low[max(clause.start(), mention.start - 60) : mention.start]
            if re.search(r"\b(?:as of|on|this|dated?:?)(?: the| this)?[ ,:]{0,3}$", before):
                found_dates.append(mention)
    # "Signed and effective this 25th day of May": a witness clause without its formula.
    for clause in [] if found_dates else islice(SIGNED_AT.finditer(reading.low), CLAUSES):
        found_dates += [mention for mention in mentions(reading.low, clause.end(), clause.end() + 40) if mention.start <= clause.end() + 2]
    return found_dates


SIGNED_AT = re.compile(r"(?<=[.\d;] )(?:signed|executed)(?: and \w+)?(?: (?:at|in) [^.;]{0,40}?)?(?: this| as of| on)(?: the)? ")
SIGNED = re.compile(r"\bdate(?:d| signed| of signature)?[ :._]{1,12}$")
ANNEX = re.compile(r"\b(?:appendix|exhibit|schedule|annex|attachment|addendum) [a-z0-9]{1,3}\b")
SIGNED_NEAR = re.compile(r"date(?:d| signed| of signature)?[ :._]{1,12}")
#: Parties sign within this many days of each other; dates further apart are about something else.
SIGNING_DAYS = 120


def signature_dates(reading: Reading) -> list[Mention]:
    """The dates beside 'Date:' of the first block of signatures."""
    first = next((mention for mention in _signed(reading, 0) if BY.search(reading.low, max(0, mention.start - 300), mention.end + 60)), None)
    if first is None:
        return _beside_signatures(reading)
    annex = ANNEX.search(reading.low, first.end)
    return [mention for mention in _signed(reading, first.start) if mention.end <= min(first.end + 2500, annex.start() if annex else len(reading.low))]


def _beside_signatures(reading: Reading) -> list[Mention]:
    """Bare dates under the signatures: '/s/ Ann Lee, President 19 Jan. 1998'."""
    found_dates: list[Mention] = []
    for signature in islice(SLASH_S.finditer(reading.low), CLAUSES):
        following = mentions(reading.low, signature.end(), signature.end() + 160)
        if (
            following
            and following[0] not in found_dates
            and not re.search(r"[.;] [a-z]|\b(?:as of|until|by)\b", reading.low[signature.end() : following[0].start])
        ):
            found_dates.append(following[0])
    return found_dates


SLASH_S = re.compile(r"[/\\] ?s ?[/\\]")
#: A cover page says when, without any cue; nothing else on it is a date.
COVER = 600


def cover_dates(reading: Reading) -> list[Mention]:
    """The bare dates of the first page, where nothing else dates the agreement."""
    return [
        mention
        for mention in mentions(reading.low, 0, COVER)
        if mention.value
        and not OF_ANOTHER.search(reading.low, max(0, mention.start - 260), mention.start)
        and not FILED.search(reading.low, max(0, mention.start - 60), mention.start)
    ]


FILED = re.compile(r"\b(?:updated|filed|filing|revised|version|printed|expir\w*|until|through|born|since|no\.)\b[^.;]{0,40}$")


def _signed(reading: Reading, start: int) -> list[Mention]:
    found_dates = []
    places = (place for place in reading.places("date") if place >= start - 40 and SIGNED_NEAR.match(reading.low, place))
    for place in islice(places, CLAUSES):
        for mention in mentions(reading.low, place, place + 60):
            if mention.start >= start and mention not in found_dates and SIGNED.search(reading.low, place, mention.start):
                found_dates.append(mention)
    return found_dates


def last_signature(reading: Reading) -> Mention | None:
    """The day on which the last party signed, if all who signed wrote a whole date within `SIGNING_DAYS` of each other."""
    signed = signature_dates(reading)
    days = [mention.value for mention in signed if mention.value]
    if not days or len(days) < len(signed) or (max(days) - min(days)).days > SIGNING_DAYS:
        return None
    return next(mention for mention in signed if mention.value == max(days))
