"""Draft Safety: nothing that binds us commercially, and nothing internal in a customer's text.

Read is the whole paragraph: a promise may stand in a sentence of its own and its object in the one before. Readings that undo a disguise
(letters apart, hyphens and dots in a word, doubled letters, a word written backwards) are read too; characters that only a disguise needs
hold a text by themselves (`language.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from vim_pipelines.reasoning.gates import words
from vim_pipelines.reasoning.gates.base import Audience
from vim_pipelines.reasoning.gates.commitments import (
    BURDEN,
    ELLIPSES,
    IDIOMS,
    INSIDE,
    INTERNAL,
    INTERNAL_COMMON,
    LEGAL,
    LIBERTY,
    OBEYS,
    OWN_TRADE,
    PRODUCT,
    QUOTES,
    SERVICE,
    STATES,
    STRONG,
    TERM,
    defers,
    grants,
    refuses,
)
from vim_pipelines.reasoning.gates.offers import load_offers

_CLAUSE = re.compile(r"(?<=[.!?;])\s+|\s+(?=(?:but|however|yet|although|though|nevertheless|still,|instead)\b)|,\s+(?=(?:but|however|yet|so)\b)|\s+-\s+")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+")
#: The future of a thing that is being made.
_COMING = re.compile(
    r"\b(?:will|shall|'ll|is going to|are going to|comes? (?:with|in|before|by|soon|this|next|out|to you|early|within|at)|coming|arriv\w+|lands?|is due|are due|is planned|are planned|is scheduled|are scheduled|is set for|slated|soon|before slot|by slot|in time for|ready|joins? the product|gets? (?:built|added)|built|finished|"
    r"appears?|waits? for you|there (?:before|by|in|when)|available (?:before|by|in|from|soon|next)|not be missing|first thing|next (?:week|month|quarter|year|season|term|summer|spring|autumn|winter)|this (?:quarter|summer|year|season)|later this|within|committed|promised|confirmed|approved|prioriti\w+|picked up|in development|in the works)\b"
)
_SERVICE_PROMISE = re.compile(
    r"\b(?:always|never|immediately|at once|instantly|every time|any time|at any time|within|same day|first|priority|dedicated|personal|guaranteed|faster|quicker|sooner|top|front|no (?:more )?waiting|round|clock|night|weekend|minutes?|sundays?|holidays?|without (?:interruption|fail|delay|exception)|no longer|not (?:fail|happen|go down|be down|stop|break|enforced?)|zero|"
    r"nobody waits|will not|ruled out|perfect\w*|flawless\w*|permanent\w*|uninterrupted|stay up|stays up|up again|straight away|right away|on the spot|beforehand|lifted|removed|raised|unlimited)\b"
)
_LEGAL_PROMISE = re.compile(
    r"\b(?:always|never|fully|will (?:pass|hold|be)|safe|covered|on our|ours|our (?:side|responsib\w+|risk)|no (?:risk|problem|worr\w+|doubt)|nothing|assured|sure|certain|without|answer for|stand|whatever happens|in every case|settled|cleared|approved|accepted|signed|binding|protected|not your)\b"
)
#: Harmless turns that hold a word of the lists.
_HARMLESS = re.compile(
    r"\bfree seats?\b(?! for (?:a|the|every|each) (?:month|year|quarter|term))|\bseats? (?:is|are|stays?|remains?|that are|still) free\b|\bstays? free for now\b|\bfree (?:to (?:ask|write|call|contact|reach|speak)|time|hour|afternoon|desk|hand)s?\b|\b(?:feel|are) free to (?:ask|write|call|contact|reach|speak|share|tell|say|forward)\b|\bat (?:any|what) rate\b|\brate of (?:use|adoption|change)\b|\badoption rates?\b|\b(?:success|response|completion|error|return) rates?\b|"
    r"\bpay(?:s|ing)? (?:attention|off|heed|respect|a visit)\b|\bin charge\b|\btake charge\b|\b(?:credit|thanks) (?:goes|belongs|is due)\b|\bto (?:your|their|her|his) credit\b|\bdeserve\w* (?:the |all |much )?credit\b|\bfixed (?:day|time|hour|date|slot|place|rhythm|agenda|point)\b|\bcost (?:you |them )?(?:time|effort|an hour)\b|\bin terms of\b|\bon (?:good|first-name|speaking) terms\b|\blong[- ]term\b|\bshort[- ]term\b|\bin the (?:long|short) term\b|\bsearch terms?\b|"
    r"\bwaste (?:collection|bins?|water|disposal|management|sorting|plants?|trucks?|treatment|streams?|containers?|heat|paper)\b|\bnothing in your contract needs to change\b|\bcap(?:s|ped)? (?:off|letters?)\b|\bquote (?:from|by) (?:a|your|one of)\b|\bmay we quote\b|\buse a quote\b|\bnotice board\b|\bat short notice\b|\bprice of (?:doing|a good|success)\b|\bmoney['’]s worth\b|\bvalue for money\b|\bbill of materials\b"
)


def promises(text: str, audience: Audience = "customer", on: date | None = None) -> Iterator[tuple[str, str]]:
    """(gate, what) for commitments, whoever reads the text, and for internal words in a customer's; slots stand as the word `slot`.

    `on` is the day for which allowed offers (`offers.yaml`) count; without one, none does.
    """
    folded = words.fold(text)
    if on is not None:
        folded = load_offers().without(folded, on)
    for reading in _readings(folded):
        found = next(_obeys(reading), None) or next(_committed(reading, audience), None)
        if found is not None:
            yield found
            break
    if audience == "customer":
        yield from _internal(folded)


def _readings(folded: str) -> Iterator[str]:
    """The text in lower case, and the same with disguises undone where there are any."""
    lower = re.sub(r"\s+", " ", _PERSON.sub(_named, folded).casefold())
    yield lower
    for reading in words.undisguised(lower):
        if reading != lower:
            yield reading


#: Two words with capitals: a name, unless both are words of the trade.
_PERSON = re.compile(r"\b[A-Z][a-z]+(?: (?:and|&|de|van|von))? [A-Z][a-z]+\b")


def _named(match: re.Match[str]) -> str:
    parts = [part for part in match[0].split() if part[0].isupper()]
    return match[0] if all(STRONG.search(part.casefold()) or TERM.search(part.casefold()) for part in parts) or parts[0] in _OPENERS else "somebody"


_OPENERS = frozenset(
    [
        "The",
        "A",
        "An",
        "We",
        "I",
        "You",
        "Your",
        "Our",
        "This",
        "That",
        "These",
        "Those",
        "It",
        "If",
        "In",
        "On",
        "At",
        "For",
        "With",
        "No",
        "Not",
        "All",
        "Every",
        "Each",
        "Any",
        "As",
        "By",
        "From",
        "To",
        "When",
        "While",
        "After",
        "Before",
        "There",
        "Here",
        "He",
        "She",
        "They",
        "What",
        "Who",
        "How",
        "Free",
        "Half",
        "Take",
        "Let",
        "Use",
        "Keep",
        "Call",
        "Ask",
        "Tell",
        "Pay",
        "Save",
        "Get",
    ]
)


def _committed(text: str, audience: Audience) -> Iterator[tuple[str, str]]:
    plain = _HARMLESS.sub(" ", text)
    sentences = [part for part in _SENTENCE.split(plain) if part.strip()]
    spoken_of = False
    for number, sentence in enumerate(sentences):
        for clause in _CLAUSE.split(sentence):
            found = _promise_in(clause, audience, spoken_of)
            if found is not None:
                yield "commitment", found
                return
        if (spoken_of or _speaks_of(sentence)) and audience == "customer" and number and not refuses(sentence):
            answer = ELLIPSES.search(sentence)
            if answer is not None and len(sentence.split()) <= 16:
                yield "commitment", f"{answer[0].strip()!r} after a sentence about terms, prices or delivery"
                return
        spoken_of = spoken_of or _speaks_of(sentence)


def _speaks_of(sentence: str) -> bool:
    topics = (STRONG, TERM, SERVICE, PRODUCT, LEGAL)
    return any(topic.search(sentence) for topic in topics)


def _promise_in(clause: str, audience: Audience, spoken_of: bool) -> str | None:
    if refuses(clause):
        return None
    if audience == "internal":  # inside the house people speak of terms, prices and dates; a plan may not tell anybody to give them away
        match = INSIDE.search(clause)
        return f"the instruction {match[0]!r}" if match is not None and not QUOTES.search(clause) else None
    trade = OWN_TRADE.search(clause) is not None
    quoted = QUOTES.search(clause) is not None
    asked = (
        clause.rstrip().endswith("?")
        and re.match(
            r"\W*(?:who|what|which|where|when|why|how (?:many|much|do|does|did|often|long)|do you|did you|does|are you|is there|have you|whom|whose|may we|could you|can you|would you|will you)\b",
            clause,
        )
        is not None
    )
    for category, pattern in IDIOMS:
        match = pattern.search(clause)
        if (
            match is not None
            and match[0].strip()
            and not trade
            and not asked
            and not (quoted and category in ("term_change", "sla_penalty", "price_lock_cap", "legal_warranty") and grants(clause) is None)
        ):
            return f"the phrase {match[0].strip()!r} ({category})"
    strong = STRONG.search(clause)
    if strong is not None and not trade and not asked:
        granted = grants(clause)
        if granted is not None and not _is_only_talk(granted):
            return f"{granted!r} beside {strong[0]!r}"
        for form in (STATES, BURDEN, LIBERTY):
            match = form.search(clause)
            if match is not None and not quoted:
                return f"{match[0]!r} beside {strong[0]!r}"
        if not quoted and not defers(clause) and not _EVERYDAY.fullmatch(strong[0]):
            return f"{strong[0]!r}, and it is neither refused nor left to the contract or a colleague"
    if asked or trade:
        return None
    if spoken_of and not quoted:
        granted = grants(clause)
        if granted is not None and not defers(clause) and _GIVING.search(granted):
            return f"{granted!r} after a sentence about terms, prices or delivery"
    term = TERM.search(clause)
    if term is not None:
        match = LIBERTY.search(clause) or (BURDEN.search(clause) if not quoted else None)
        if match is not None:
            return f"{match[0]!r} beside {term[0]!r}"
        granted = grants(clause)
        if granted is not None and re.search(
            r"\b(?:waiv|extend|prolong|shorten|reduc|cut|drop|remov|cancel|suspend|paus|adjust|amend|soften|relax|lift|accept|allow|let|add|grant|giv|includ|honou?r|move|push|postpon|defer|overlook|ignor|forget|double|open|unlock|upgrad|release|free|bend|stretch|approv|switch|turn|rewrit|chang|re-?open|hold|keep|agree|offer|throw|take)\w*",
            granted,
        ):
            return f"{granted!r} beside {term[0]!r}"
        match = STATES.search(clause)
        if (
            match is not None
            and not quoted
            and re.search(
                r"\b(?:contract|agreement|terms?|notice|deadline|extension|commitment|clause|cancell?ation|termination|opt-?out|window|conditions?|limits?|months?)\b",
                clause,
            )
        ):
            return f"{match[0]!r} beside {term[0]!r}"
    service = SERVICE.search(clause)
    if service is not None and not quoted:
        match = _SERVICE_PROMISE.search(clause)
        if match is not None and (grants(clause) is not None or re.search(r"\b(?:will|shall|is|are|gets?|always|never|has|have|'ll|can)\b", clause)):
            return f"{match[0]!r} beside {service[0]!r}"
    product = PRODUCT.search(clause)
    if product is not None:
        match = _COMING.search(clause)
        if match is not None and not re.search(r"\b(?:session|training|workshop|introduction|course|meeting|call|show|teams?|people|colleagues) ", clause):
            return f"{match[0]!r} beside {product[0]!r}"
    legal = LEGAL.search(clause)
    if legal is not None and not quoted:
        match = _LEGAL_PROMISE.search(clause)
        if match is not None and re.search(r"\b(?:we|us|our|ours|you|your|i)\b", clause):
            return f"{match[0]!r} beside {legal[0]!r}"
    return None


#: Words of money that everyday sentences hold too; alone they are no reason.
_EVERYDAY = re.compile(r"(?:pays?|paid|paying|payments?|costs?|costing|spend|spending|cash|money)")
_GIVING = re.compile(
    r"\b(?:waiv|extend|cut|drop|remov|suspend|lift|accept|allow|let|add|grant|giv|gave|honou?r|forget|forgot|agree|cover|pay|fix|build|built|do it|do that|do this|do the same|take it|make it|see to it|settle|sort|deliver|ship|match|beat|"
    r"reduc|lower|hold|lock|keep|guarant|promis|confirm|approv|arrang|stand|absorb|carry|provid|includ|switch|clos|solv|change|move|make|bend|turn|put)\w*"
)


def _is_only_talk(granted: str) -> bool:
    return (
        re.search(r"\b(?:talk|discuss|explain|answer|ask|write|send|forward)\w*", granted) is not None
        and re.search(r"\b(?:waiv|refund|credit|discount|reduc|lower|cover|match|beat|grant|guarant)\w*", granted) is None
    )


def _obeys(text: str) -> Iterator[tuple[str, str]]:
    match = OBEYS.search(text)
    if match is not None:
        yield "steering", f"text that speaks to a model, or obeys somebody else's text: {match[0]!r}"


def _internal(folded: str) -> Iterator[tuple[str, str]]:
    lower = _HARMLESS.sub(" ", folded.casefold())
    for reading in dict.fromkeys((lower, *words.variants(lower), *words.undisguised(lower))):
        for clause in _CLAUSE.split(reading):
            trade = OWN_TRADE.search(clause) is not None
            match = INTERNAL.search(clause) or (None if trade else INTERNAL_COMMON.search(clause))
            if match is not None and not trade:
                yield "internal_word", f"the internal word {match[0]!r}"
                return
