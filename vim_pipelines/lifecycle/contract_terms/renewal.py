"""What follows the initial term: whether it renews by itself, for how long, and the notice that stops it.

Only sentences that speak of renewing or extending the agreement count; a notice counts if it is the one that prevents the renewal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from vim_pipelines.lifecycle.contract_terms.answers import found, open_
from vim_pipelines.lifecycle.contract_terms.durations import Length, lengths
from vim_pipelines.lifecycle.contract_terms.reading import Reading, Span
from vim_pipelines.lifecycle.contract_terms.term import SHORTEST_TERM
from vim_pipelines.lifecycle.contract_terms.terms import Duration, Extracted, Renewal

WORDS = ("renew", "extend", "extension", "successive", "month to month", "month-to-month", "year to year", "year-to-year", "thereafter", "automatically continue", "not to continue", "roll over", "rolls over", "for additional", "an additional")  # fmt: skip
RENEWS = re.compile(
    r"\b(?:auto(?:matically)?[- ])?(?:renew(?:s|ed|able|al|als|ing)?|extend(?:s|ed|able)?|extensions?)\b|\b(?:continues?|remain)\b[^.;]{0,60}\bthereafter\b|\bthereafter\b[^.;]{0,60}\b(?:continues?|in (?:effect|force))\b"
    r"|\bcontinue automatically\b|\bautomatically continues?\b|\b(?:month|year)[ -]to[ -](?:month|year)\b|\broll(?:s|ed)? over\b|\b(?:continues?|remain) in (?:full )?(?:force|effect)[^.;]{0,40}\b(?:additional|successive|further|subsequent)\b"
)
#: What is renewed has to be this agreement or its term.
ITSELF_BEFORE = re.compile(
    # Not "the cure period under this Agreement": there it is something else that is extended.
    r"(?:(?<!under )(?<!of )(?<!to )(?<!in )(?<!by )(?<!with )\b(?:this|the) (?:(?!(?:under|of|to|in|by|with|for|period|term)\b)[\w&'/-]+ ){0,5}?(?:agreement|contract|engagement|appointment)\b"
    r"|\b(?:the|its) \"?(?:initial |primary |original |current |then[ -]current |renewal |extended |entire )*term(?! (?:of|for) (?!this|the agreement|the contract))\b"
    r"|\b(?:initial|primary|renewal|original|extended|extension|then[ -]current|current) \"?(?:term|period)|\"term\"|\bit (?:shall|will|may))[^.;:]{0,240}$"
)
ITSELF_AFTER = re.compile(
    r"(?:(?!\b(?:under|cure|dates?|time|deadline|delivery|obligations?)\b)[^.;:]){0,60}?\b(?:it\b|(?:this|the) (?:[\w&'/-]+ ){0,3}?(?:agreement|contract|engagement)\b|(?:the|its) \"?(?:initial |primary |original |current |entire )*term(?! (?:of|for) (?!this|the agreement|the contract))\b|(?:renewal|extension|additional|successive) \"?(?:term|period))"
)
#: With words against renewing, the agreement or its term may stand anywhere in the sentence.
OF_THE_TERM = re.compile(r"\b(?:this agreement|(?:then[ -]current|initial|renewal|current) \"?term|the term)\b(?! of (?!this|the agreement))")
#: Renewing something else than this agreement.
OTHER_THING = re.compile(
    r"\b(?:patents?|trade ?marks?|domain name|registrations?|insurance|polic(?:y|ies)|letters? of credit|credit facility|loans?|warrant(?:y|ies)|copyrights?|lease|permits?|stock options?|purchase orders?|statement of work|work orders?|sow|deadline|due date|time for|closing date|credit|power of attorney|offering)\b"
)
AUTOMATIC = re.compile(
    r"\bautomatic(?:ally)?,? (?:be )?(?:and [\w ]{0,20})?(?:renew|extend|continu|roll)|\b(?:renew\w*|extend(?:ed)?|continu\w*|extension|roll\w*)(?: [\w,()-]+){0,4}? automatic(?:ally)?\b|\bauto-?renew"
    r"|\b(?:shall|will) (?:be )?(?:deemed )?(?:renew(?:ed)?|extend(?:ed)?|continue)\b[^.;]{0,260}\bunless\b[^.;]{0,200}(?:notice|notif|terminat|elect|advis|inform)"
    r"|\bunless\b[^.;]{0,260}\b(?:shall|will) (?:be )?(?:deemed )?(?:renew(?:ed)?|extend(?:ed)?)\b"
    r"|\b(?:from )?(?:month|year)[ -]to[ -](?:month|year)\b"
)
NEVER_AUTOMATIC = re.compile(r"\b(?:no|not|without|never)\b[^.;]{0,30}\bautomatic(?:ally)?\b")
BY_ITSELF = re.compile(r"\bautomatically,? (?:be )?(?:renew|extend|continu|roll)|\b(?:renew|renewed|extended|renews) automatically\b")
NOT_AUTOMATIC = re.compile(
    r"\bmay be (?:renewed|extended)\b|\b(?:renew\w*|extend\w*|extension)[^.;]{0,160}\b(?:mutual|written) (?:written )?(?:agreement|consent)\b|\b(?:option|right|entitled) (?:\([^)]{0,30}\) )?to (?:further )?(?:annually )?(?:renew|extend)\b|\bmay (?:elect to )?(?:renew|extend)\b|\brenewable (?:by|upon|at|for)\b|\bnegotiat\w+\b[^.;]{0,60}\b(?:renew|extend|extension)"
)
ADJECTIVE = r"(?:further |additional |successive |consecutive |subsequent |renewal |extended |extension |like |new |optional |the |each |one or more |up to |separate |automatic )*"
#: An extension that makes good for something is no renewal.
REMEDY = re.compile(
    r"[\W\d]{0,12}(?:[a-z]\) )?(?:in the event|if|should|in case|provided)\b|.{0,1500}\b(?:in the event|if)\b[^.;]{0,200}\b(?:has not|have not|fails?|failed)\b"
)
#: How a renewal's length is brought in: "renew for successive ...", "an additional period of ...".
BEFORE = re.compile(
    rf"(?:\b(?:for|by|of|to|additional|further|successive|consecutive|subsequent|renewal|extended|another|extension of|each|renewable|extended term|is)|\bof up to|\b(?:be|being))[ (]*(?:an? |the |up to |{ADJECTIVE}|at least )*(?:[\w-]+(?: \(\d+\))? )?{ADJECTIVE}(?:\"?(?:term|period|extension)s?\"?(?: \([^)]{{0,60}}\))?,? (?:of|equal to|for)(?: not (?:more|less) than)? (?:up to )?(?:an? )?{ADJECTIVE})?\(?$"
)
ADDED = re.compile(r"\b(?:additional|successive|consecutive|further|subsequent|renewal|extended|extension|renew\w*|extend (?:the|this|such|its|it)|another)\b")
#: A length that counts from here is the initial term's.
FROM_START = re.compile(
    r"(?: \([^)]{0,40}\))?,? (?:from|following|after|commencing|beginning|starting)(?: on| as of| upon| with)? (?:and including )?(?:the )?(?:effective|date|commencement|execution|first)"
)
INSURANCE = re.compile(r"\bcancell?ation,? (?:or )?(?:non-?renewal|material)|\bmaterial(?:ly)? (?:change|modif)\w*[^.;]{0,30}(?:policy|insur|coverage)")
NOTICE_AFTER = re.compile(
    r"(?:'s?|s'|\(s\))?,? ?(?:or more |calendar )?(?:prior|advance|advanced|written|notice|in advance|previous|before|preceding|of (?:the )?(?:conclusion|end|expiration)|notification|(?:nor|and|but) (?:not |no )?(?:more|earlier|later|less) than)\b"
)
NOTICE_OF = re.compile(r"\bnotice(?: period)? (?:of|is|shall be)(?: at least| not less than| no less than| a minimum of)? \(?$")
#: A notice of breach ends the agreement, it does not stop a renewal.
FOR_CAUSE = re.compile(r"\b(?:breach\w*|default\w*|for cause|cure[ds]?|insolven\w+|bankrupt\w*)\b[^.;]{0,120}$")
NOTICE_BEFORE = re.compile(r"(?:notice|notif\w+|notification|advance|inform\w*|advis\w+|terminat\w+|cancel\w*)\b[^.;]{0,120}$")
NON_RENEWAL = re.compile(
    r"\bthereafter\b[^.;]{0,120}\b(?:until|unless)\b[^.;]{0,60}\b(?:terminat|cancel)|\bnon-?renew\w*|\bnot (?:to |be |wish to |desire to |intend to |elect to )*(?:renew|extend|continue|so renewed)|\bintent(?:ion)? (?:not to|to terminate|to cancel)|\bnot (?:to )?(?:automatically )?renew|\bdoes not (?:wish|desire|intend|want)|\bdecline|\bprevent\b|\bwould not like to\b|\bopt out\b|\belects? (?:not to|to terminate)"
)
YEARLY = re.compile(
    r"\b(?:year[ -]to[ -]year|annual(?:ly)? (?:basis|periods?|terms?|renewal|extensions?)|(?:renew\w*|extend\w*) annually|annually renew\w*|on an annual basis|yearly basis|every year|(?:each|every) year thereafter|annually thereafter|from year to year|successive annual|(?:renew\w*|continu\w*)[^.;]{0,60}\bfor successive years)\b"
)
#: The renewing itself is by the year or month, not something else in the sentence.
PERIODICALLY = re.compile(
    r"\b(?:renew\w*|exten[ds]\w*|continu\w*|effective|remain in (?:effect|force)|in effect|thereafter)\b[^.;]{0,90}\b(?:year(?:ly)?|month(?:ly)?|annual\w*)\b|\bannually (?:renew|extend)|\b(?:year[ -]to[ -]year|month[ -]to[ -]month)\b"
)
MONTHLY = re.compile(r"\b(?:month[ -]to[ -]month|month[ -]by[ -]month|monthly basis|on a monthly basis|successive months)\b")
SUCCESSIVE = re.compile(
    r"\b(?:successive|successively|consecutive|subsequent|each (?:additional|renewal|successive)|year[ -]to[ -]year|month[ -]to[ -]month|annually|annual basis|from time to time|each anniversary|each (?:subsequent|succeeding)|every)\b"
)
LIKE_THE_FIRST = re.compile(
    r"\b(?:renew\w*|exten[ds]\w*)\b[^.;]{0,60}\b(?:(?:additional|successive|consecutive|further|subsequent|renewal|an?) )+(?:term|period)(?P<many>s)?,? (?:each )?"
    r"(?:equal (?:in length )?to|of (?:the same|equal|like|identical) (?:length|duration)|(?:of )?the same (?:length|duration) as|equivalent to)\b"
)
#: Nobody has to say years ahead that he will not renew; such a length is a term's.
LONGEST_NOTICE = 2 * 365
RANGE = re.compile(
    r"\b(?:nor more than|and not more than|but not more than|and no more than|nor earlier than|but no earlier than|and not earlier than|but no more than|but not earlier than)\b[^.;]{0,12}$"
)


@dataclass(frozen=True)
class Clause:
    """One sentence about renewing: the lengths of a renewal term it gives, and of the notice against it."""

    span: Span
    renewal: Renewal | None
    notice: Duration | None
    trouble: str
    notice_trouble: str
    is_automatic: bool | None
    #: "for terms equal to the Initial Term": the length is the initial term's; the flag says whether one follows another.
    is_like_the_first: bool | None = None


def clauses(reading: Reading) -> list[Clause]:
    """The sentences about renewing this agreement."""
    found_clauses = []
    for span in reading.sentences_with(*WORDS):
        verb = RENEWS.search(reading.low, span.start, span.end)
        if verb and _is_of_agreement(reading.low, span, verb):
            found_clauses.append(_read(reading, span))
    return found_clauses


def _is_of_agreement(low: str, span: Span, verb: re.Match[str]) -> bool:
    """Whether it is this agreement, or its term, that is renewed."""
    if INSURANCE.search(low, span.start, span.end):
        return False
    if OTHER_THING.search(low, max(span.start, verb.start() - 60), verb.start()) or OTHER_THING.search(low, verb.end(), min(span.end, verb.end() + 40)):
        return False
    if NON_RENEWAL.search(low, span.start, span.end) and OF_THE_TERM.search(low, span.start, span.end):
        return True
    return bool(ITSELF_BEFORE.search(low, max(span.start, verb.start() - 360), min(span.end, verb.end() + 6)) or ITSELF_AFTER.match(low, verb.end(), span.end))


def _read(reading: Reading, span: Span) -> Clause:
    low = reading.low
    sentence = low[span.start : span.end]
    is_automatic = _is_automatic(sentence)
    renewals: list[tuple[Length, bool]] = []
    notices: list[Length] = []
    for length in lengths(low, span.start, span.end):
        days = length.value.about_days if length.value else None
        after, before = low[length.end : length.end + 60], low[max(span.start, length.start - 160) : length.start]
        if (
            NOTICE_AFTER.match(after)
            or NOTICE_OF.search(before)
            or (NOTICE_BEFORE.search(before) and re.match(r"(?:\(s\))?,? ?(?:before|prior|in advance|of the|from the|preceding)", after))
        ):
            if not RANGE.search(before) and not FOR_CAUSE.search(before) and (days is None or days <= LONGEST_NOTICE):
                notices.append(length)
        elif (
            (days is None or days >= SHORTEST_TERM)
            and BEFORE.search(before[-120:])
            and not FROM_START.match(after)
            and ADDED.search(before[-70:] + low[length.start : length.end] + after[:20])
        ):
            plural = bool(re.match(r"(?:\(s\))? ?(?:renewal |extension |additional )?(?:terms|periods|extensions|renewals)\b", after)) or bool(
                re.search(r"\b(?:terms|periods|extensions)\b[^.;]{0,30}$", before)
            )
            renewals.append((length, plural or bool(SUCCESSIVE.search(sentence))))
    renewal, trouble = _renewal(sentence, renewals)
    if is_automatic is None and REMEDY.match(sentence):
        renewal, trouble = None, ""
    notice, notice_trouble = _one([length for length in notices]) if is_automatic is not False and _against_renewal(sentence) else (None, "")
    like = None if renewal or trouble else LIKE_THE_FIRST.search(sentence)
    return Clause(span, renewal, notice, trouble, notice_trouble, is_automatic, bool(like["many"] or SUCCESSIVE.search(sentence)) if like else None)


def _is_automatic(sentence: str) -> bool | None:
    """Whether it renews by itself; "automatically renewed" outweighs words of choice in the same sentence, "not automatically" outweighs all."""
    if NEVER_AUTOMATIC.search(sentence):
        return False
    if BY_ITSELF.search(sentence):
        return True
    return False if NOT_AUTOMATIC.search(sentence) else True if AUTOMATIC.search(sentence) else None


def _against_renewal(sentence: str) -> bool:
    """Whether a notice in the sentence is the one that stops the renewal: 'renews ... unless ... notice', or 'notice of non-renewal'."""
    if NON_RENEWAL.search(sentence) or re.search(r"\bprovided,? (?:however,? )?(?:that )?(?:neither|no) party\b", sentence):
        return True
    verb = RENEWS.search(sentence)
    return bool(verb and (re.search(r"\bunless\b", sentence[verb.end() :]) or re.match(r"\W*(?:\d[\d.]* )?unless\b", sentence)))


def _renewal(sentence: str, renewals: list[tuple[Length, bool]]) -> tuple[Renewal | None, str]:
    if not renewals:
        if not PERIODICALLY.search(sentence):
            return None, ""
        if YEARLY.search(sentence):
            return Renewal(Duration(1, "year"), True), ""
        if MONTHLY.search(sentence):
            return Renewal(Duration(1, "month"), True), ""
        return None, ""
    value, trouble = _one([length for length, _ in renewals])
    return (Renewal(value, any(successive for _, successive in renewals)), "") if value else (None, trouble)


def _one(found_lengths: list[Length]) -> tuple[Duration | None, str]:
    """The one length that all are, else why there is none."""
    if not found_lengths:
        return None, ""
    unread = [length for length in found_lengths if length.value is None]
    values = {length.value.in_base_units for length in found_lengths if length.value}
    if unread:
        return None, unread[0].why
    if len(values) > 1:
        return None, f"two readings disagree: {' and '.join(sorted({str(length.value) for length in found_lengths}))}"
    return found_lengths[0].value, ""


def decide(reading: Reading, term: Extracted) -> tuple[Extracted, Extracted, Extracted]:
    """`renewal_term`, `notice_period` and `auto_renew`; `term` is the answer for the initial term."""
    every = [_like(clause, term) for clause in clauses(reading)]
    return _renewal_term(reading, every), _notice(reading, every), _auto(reading, every)


def _like(clause: Clause, term: Extracted) -> Clause:
    if clause.is_like_the_first is None or not isinstance(term.value, Duration):
        return clause
    return replace(clause, renewal=Renewal(term.value, clause.is_like_the_first))


def _renewal_term(reading: Reading, every: list[Clause]) -> Extracted:
    said = [clause for clause in every if clause.renewal]
    trouble = [clause for clause in every if clause.trouble]
    if not said and not trouble:
        return open_("renewal_term", "absent: no clause gives the length of a renewal")
    sizes = {clause.renewal.length.in_base_units for clause in said if clause.renewal}
    span = (said or trouble)[0].span
    if len(sizes) > 1:
        return open_("renewal_term", f"two readings disagree: {' and '.join(sorted({str(clause.renewal) for clause in said}))}", reading, span.start, span.end)
    if trouble:
        return open_("renewal_term", trouble[0].trouble, reading, trouble[0].span.start, trouble[0].span.end)
    best = max((clause.renewal for clause in said if clause.renewal), key=lambda renewal: renewal.is_successive)
    return found("renewal_term", reading, span.start, span.end, best, "stated")


def _notice(reading: Reading, every: list[Clause]) -> Extracted:
    said = [clause for clause in every if clause.notice]
    trouble = [clause for clause in every if clause.notice_trouble]
    if not said and not trouble:
        return open_("notice_period", "absent: no clause gives a notice that stops a renewal")
    span = (said or trouble)[0].span
    values = {clause.notice.in_base_units for clause in said if clause.notice}
    if trouble:
        return open_("notice_period", trouble[0].notice_trouble, reading, trouble[0].span.start, trouble[0].span.end)
    if len(values) > 1:
        return open_("notice_period", f"two readings disagree: {' and '.join(sorted({str(clause.notice) for clause in said}))}", reading, span.start, span.end)
    return found("notice_period", reading, span.start, span.end, said[0].notice, "stated")


def _auto(reading: Reading, every: list[Clause]) -> Extracted:
    said = [clause for clause in every if clause.is_automatic is not None]
    if not said:
        return open_("auto_renew", "absent: no clause says whether it renews by itself")
    span = said[0].span
    if len({clause.is_automatic for clause in said}) > 1:
        return open_("auto_renew", "two readings disagree: one clause renews by itself, another by agreement only", reading, span.start, span.end)
    return found("auto_renew", reading, span.start, span.end, said[0].is_automatic, "stated")
