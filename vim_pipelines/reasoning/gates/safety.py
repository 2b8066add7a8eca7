"""Draft Safety: nothing that binds us commercially, and nothing internal in a customer's text.

Read is the whole paragraph: a promise may stand in a sentence of its own and its object in the one before. Readings that undo a disguise
(letters apart, hyphens and dots in a word, doubled letters, a word written backwards) are read too; characters that only a disguise needs
hold a text by themselves (`language.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vim_pipelines.reasoning.gates import words
from vim_pipelines.reasoning.gates.base import Audience
from vim_pipelines.reasoning.gates.commitments import (
    BURDEN,
    ELLIPSES,
    FAVOURS,
    IDIOMS,
    INSIDE,
    INTERNAL,
    INTERNAL_COMMON,
    INTERNAL_OF_THEIRS,
    INTERNAL_VIEW,
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
from vim_pipelines.reasoning.gates.turns import PERFORMED, TURNS, VIEWS

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
    r"\b(?:shorten|extend|cap|cut|waive|move|release) (?:the |each |a |your |this )?(?:course|session|training|meeting|call|workshop|group|groups|homework|list|agenda|minutes|introduction|interview|text|form|attendance\w*|text|lesson|lessons|film|guide|pictures?)\b|\bundertake to bring\b|\bfree to leave the (?:session|meeting|training|course)s?\b|\b(?:homework|sandwiches|canteen|photographer)\b|"
    r"\b(?:price|discount|refund|liability|warranty|penalty|credit|uptime|sla|fee|payment|cap|competitor|index) (?:clause|question|conversation|paragraph|section|procedure|topic|annex|appendix|definition|report)s?\b|\berror[- ]free (?:orders?|deliver\w+|invoices?|reports?|runs?)\b|\bbook\w* (?:system|record)s?\b|\byour developers\b|\bcost of (?:a|an|the|long|late|wrong|every|each)\b|\bis what you want to shorten\b|\bwithin my gift\b|\bclause \w+, on \w+\b|\b(?:has changed|changed) since\b|"
    r"^\W*to be on the safe side,|\bplease rate\b|\b(?:support|service) tiers?\b|\btier (?:that|which) you (?:bought|chose|booked|have)\b|\bassure (?:the|your) colleagues\b|\bguarantee anonymity\b|\bnothing more than an? (?:invitation|click)\b|\bpaid for all the same\b|\bseat (?:that|which) nobody uses costs\b|\bhave the price list\b|\bhas the price list\b|\bdata protection\b|\bmigration (?:from|of) (?:the|your) (?:previous|old)\b|\bwe would leave\b|\byour health (?:score|check)\b|\bon the list of participants\b|\binternal (?:news|comments?|audit\w*|control\w*|guide\w*|training\w*|portal|page|wiki|newsletter|team|users?|customers?|processes?|rules?|reporting)\b|"
    r"\bpromise to keep\b|\b(?:taken|comes?|take) off (?:the (?:intranet|list|agenda|page|wall|screen)|your list)\b|\b(?:promised|owed) (?:you )?(?:notes|at the workshop|in the (?:meeting|training))\b|\bnumber purchase order\b|\bindex (?:was|has been|is) rebuilt\b|\bold index\b|\bshortened from\b|\bno great rise\b|\bchargers\b|\bprice (?:labels?|stickers?)\b|\bhalf price stickers?\b|\bpublic holidays? in\b|\bshort of\b|"
    r"\bgermination guarantee\b|\bwent live and has been\b|\bwhen (?:the|your) \w+ \w+ went live\b|\byou can always ask\b|\bbefore noon\b(?=\.)|\bforget the rest\b|\bdeadline (?:is|are) still open\b|\bcredits at the end\b|\bapi credits\b|\ba great deal\b|\ba good deal (?:of|more|less|faster)\b|\bstatement of work\b|"
    r"\bnight shifts?\b|\bdone when\b|\bfirst (?:page|question|team|milestone|session|result|training|group|step|course|meeting|call|report|month|week|time|name|reply|one)s?\b|\b(?:priority|severity) (?:one|two|three|four|slot|levels?)\b|\blast night\b|\bmaintenance windows?\b|\b(?:in|from|of) the (?:last|past) quarter\b|\bquarter of an hour\b|"
    r"\b(?:bank|craft) guarantees?\b|\bguarantee (?:claims?|letters?|cards?|nothing|seal|periods?)\b|\bseal of guarantee\b|\bwarranty (?:cases?|claims?|period|cards?|form|repairs?|module)\b|\bunder warranty\b|\bpromise to (?:read|ask|call|listen|write|answer|keep it short)\b|\brest assured\b|\bassured? that nobody\b|\bswears? by\b|\bpromising\b|"
    r"\b(?:price|invoice|credit|discount|refund|fee|rate|cost|payment|penalty|quote|cap|tariff|charge|bill|billing|expense|contract|term|liability|compensation|bonus|waiver) (?:tags?|fields?|forms?|templates?|tables?|checks?|risk|registers?|scor\w+|certificates?|columns?|approvals?|match\w*|requests?|screens?|sheets?|views?|reports?|module|workflow|letters?|limits? of your|insurance|types?|codes?|centres?|centers?|letter|note|notes|library|import|export|data|number|numbers|history)\b|"
    r"\b(?:match|pass|hit|open|click|churn|fill|pick|scrap|capacity|frame|refresh|growth|reply|participation|attendance|sampling|data) rates?\b|\bcarbon credits?\b|\b(?:gives?|giving|gave|given) credit\b|\bworks council\w*\b|\btake (?:the|some) (?:pressure|load|work|weight|burden) off\b|\b(?:photo|photograph\w*|image|media) (?:waivers?|releases?)\b|"
    r"\bcompetitor (?:names?|sheet|table|field|list|watch|analysis|prices|data)\b|\b(?:a |the )?public quotation\b|\bprice (?:lists?|tags?)\b|\brelease (?:of the )?minutes\b|\brelease notes?\b|\bfirst version of\b|\bcosts? nothing but\b|"
    r"\bslot (?:seats )?(?:is|are|stand|remain) (?:still )?free for\b|\bfree seats?\b(?! for (?:a|the|every|each) (?:month|year|quarter|term))|\bseats? (?:is|are|stays?|remains?|that are|still) free\b|\bstays? free for now\b|\bfree (?:to (?:ask|write|call|contact|reach|speak)|time|hour|afternoon|desk|hand)s?\b|\b(?:feel|are) free to (?:ask|write|call|contact|reach|speak|share|tell|say|forward)\b|\bat (?:any|what) rate\b|\brate of (?:use|adoption|change)\b|\badoption rates?\b|\b(?:success|response|completion|error|return) rates?\b|"
    r"\bpay(?:s|ing)? (?:attention|off|heed|respect|a visit)\b|\bin charge\b|\btake charge\b|\b(?:credit|thanks) (?:goes|belongs|is due)\b|\bto (?:your|their|her|his) credit\b|\bdeserve\w* (?:the |all |much )?credit\b|\bfixed (?:day|time|hour|date|slot|place|rhythm|agenda|point)\b|\bcost (?:you |them )?(?:time|effort|an hour)\b|\bin terms of\b|\bon (?:good|first-name|speaking) terms\b|\blong[- ]term\b|\bshort[- ]term\b|\bin the (?:long|short) term\b|\bsearch terms?\b|"
    r"\bwaste (?:collection|bins?|water|disposal|management|sorting|plants?|trucks?|treatment|streams?|containers?|heat|paper)\b|\bnothing in your contract needs to change\b|\bcap(?:s|ped)? (?:off|letters?)\b|\bquote (?:from|by) (?:a|your|one of)\b|\bmay we quote\b|\buse a quote\b|\bnotice board\b|\bat short notice\b|\bprice of (?:doing|a good|success)\b|\bmoney['’]s worth\b|\bvalue for money\b|\bbill of materials\b"
)


def promises(text: str, audience: Audience = "customer") -> Iterator[tuple[str, str]]:
    """(gate, what) for commitments, whoever reads the text, and for internal words in a customer's; slots stand as the word `slot`.

    Offers that may be made (`offers.yaml`) have been taken out by the caller, who knows the day and who approves.
    """
    folded = words.fold(text)
    for reading in _readings(folded):
        found = next(_obeys(reading), None) or next(_committed(reading, audience), None)
        if found is not None:
            yield found
            break
    if audience == "customer":
        yield from _internal(folded)


def _readings(folded: str) -> Iterator[str]:
    """The text in lower case, and the same with disguises undone where there are any."""
    lower = re.sub(r"\s+", " ", _PERSON.sub(_named, words.ended(folded)).casefold())
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
        if (
            sentence.rstrip().rstrip("\"')").endswith("?")
            and number + 1 < len(sentences)
            and _LEFT_OPEN.search(sentences[number + 1])
            and not _GIVES.search(sentences[number + 1])
        ):
            spoken_of = True
            continue
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


#: An order that begins with giving is one, whatever contract it names: 'refund the part of the contract that was not used'.
_GIVE_AWAY = re.compile(
    r"(?:offer|promise|grant|waive|refund|reimburse|credit|guarantee|compensate|concede|discount|give|throw|lower|reduce|cut|drop|freeze|halve|shorten|extend)\b"
)


def _promise_in(clause: str, audience: Audience, spoken_of: bool) -> str | None:
    if audience == "customer" and (done := PERFORMED.search(clause)) is not None and not ASKED.match(clause):
        return f"{done[0]!r}, which is done by saying so"
    if (
        refuses(clause)
        or (_LEFT_TO.search(clause) is not None and _GIVES.search(clause) is None)
        or (ASKED.search(clause) is not None and _ANSWERED.search(clause) is None)
    ):
        return None
    if audience == "internal":  # inside the house people speak of terms, prices and dates; a plan may not tell anybody to give them away
        match = INSIDE.search(clause)
        if match is None or (QUOTES.search(clause) is not None and not (match.start() <= 1 and _GIVE_AWAY.match(match[0]))):
            return None
        return f"the instruction {match[0]!r}"
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
    for category, pattern in (*IDIOMS, *TURNS):
        match = pattern.search(clause)
        if (
            match is not None
            and match[0].strip()
            and (not trade or category == "hint")  # "draw your own conclusions": no word of their trade
            and not asked
            and not (quoted and category in ("term_change", "sla_penalty", "price_lock_cap", "legal_warranty") and grants(clause) is None)
        ):
            return f"the phrase {match[0].strip()!r} ({category})"
    if not (trade or asked or quoted):
        for category, pattern in FAVOURS:
            match = pattern.search(clause)
            if match is not None and match[0].strip():
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
        if (
            not quoted
            and not defers(clause)
            and not _EVERYDAY.fullmatch(strong[0])
            and (_DESCRIBES.search(clause) is None or _TURNS.search(clause) is not None)
        ):
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
        if match is not None and (grants(clause) is not None or _FROM_NOW_ON.search(clause)):
            return f"{match[0]!r} beside {service[0]!r}"
    product = PRODUCT.search(clause)
    if product is not None:
        match = _COMING.search(_STEP.sub(" ", clause))
        if match is not None and not re.search(r"\b(?:session|training|workshop|introduction|course|meeting|call|show|teams?|people|colleagues) ", clause):
            return f"{match[0]!r} beside {product[0]!r}"
    legal = LEGAL.search(clause)
    if legal is not None and not quoted:
        match = _LEGAL_PROMISE.search(clause)
        if match is not None and re.search(r"\b(?:we|us|our|ours|you|your|i)\b", clause):
            return f"{match[0]!r} beside {legal[0]!r}"
    return None


#: Who answers for terms and prices, and that the matter is theirs.
_OTHERS = r"(?:account executives?|account managers?|legal team|legal contacts?|(?:someone|somebody|people) (?:from|in) (?:legal|billing|contracts|sales|finance)|billing|contracts? (?:desk|team)|counsel|lawyers?|procurement|sales (?:team|department|colleagues?)|commercial team|their department|finance)"
_LEFT_TO = re.compile(
    rf"\b(?:ask|put|take|raise|send|write|forward(?:ed)?|pass(?:ed)?|hand(?:ed)?|keep|bring|direct|belongs?|questions?|goes|left|leave|copying|talk|speak|discuss\w*|conversation)\b[^.]{{0,80}}\b{_OTHERS}\b|\b{_OTHERS}\b[^.]{{0,40}}\b(?:answers?|repl(?:y|ies)|look at|looks at|tell you|knows?|explains?|discuss\w*|talks?|speaks?|where to ask|to ask|decides?|needs|judge)\b|"
    rf"\bdone between\b|\bsettled between\b|\bnegotiat(?:ed|ions?) (?:between|take)\b|\bjudged by the people who\b|\bfrom your counsel\b|\bnoting it isn't\b"
)
_GIVES = re.compile(
    r"\b(?:waiv|grant|guarant|refund|reimburs|credited|approv|agreed|reduc|lower(?:s|ed|ing)\b|cut\b|free\b|confirm(?:s|ed)? (?:the|your|that|a)|has (?:been )?(?:arranged|settled|prepared|added|set)|will (?:be )?(?:add|cover|give|match|arrange|knock|take|hold|lock|cap|drop|remove|sort|honou?r|extend|waive|fix|see to|make)|already|for you\b|yes\b|gladly|happy to|better|on us|no problem|of course|consider it)\w*"
)
#: The answer to a question that promises nothing: no, or somebody else's.
_LEFT_OPEN = re.compile(
    rf"^\W*(?:(?:sadly|unfortunately),? )?(?:no\b|not\b|neither|none\b|nobody|that (?:is|would be) (?:a (?:fair )?(?:question|matter|negotiation)|not|for|between|something)|this (?:is|would be) (?:not|a question)|we (?:can't|cannot|couldn't|do not|don't|are not|aren't|have no)|i (?:can't|cannot|couldn't|do not|don't|am not|have no)|it (?:won't|is not|isn't|can't)|{_OTHERS}|your {_OTHERS}|slot (?:can|will|knows|is)|please ask|ask\b|it depends|only)\b"
)
#: A rule for the future; a description of today has none of these.
_FROM_NOW_ON = re.compile(
    r"\b(?:will|shall|'ll|gets?|always|never|can|from now on|from slot|until slot|no longer|any more|guaranteed|for you|to you|your own|yours|you (?:are|have)|once|as soon as|when you|if you)\b"
)
#: The date and the owner of a step, the questions about a thing, what was.
_STEP = re.compile(
    r"\b(?:due|owned|filled|made|named|set|needed|owner|shown|written|kept|maintained|read|used|entered|decided|checked) (?:on |by |until |before )+slot\b|\b(?:that|which|who|whom|what|where|how|whether) (?:\w+ ){1,3}(?:will|shall)\b|\b(?:was|were|been|had|has already been) (?:\w+ )?(?:built|finished|approved|confirmed|committed|promised|ready|due|planned)\b|"
    r"\b(?:you|they|team|teams|colleagues|people|intern|slot|department) (?:\w+ )?(?:built|finished|approved|confirmed|committed)\b|^\W*(?:if )?by slot\b|\b(?:template|list|page|data|file|minutes|report|reports|room) (?:is|are) ready\b"
)
#: What a thing of the trade does by itself, now or in the past: an invoice shows, a rule names, a fee was paid.
_DESCRIBES = re.compile(
    r"\b(?:shows?|lists?|follows?|comes? from|contains?|means?|appears? (?:on|in|under)|needs?|names?|states?|starts? the|exists?|helps?|reads?|has|have|had|was|were|did|accepts?|records?|puts?|prints?|counts?|refers?|describes?|explains?|covers?|keeps? (?:the|its|a)|stands? (?:in|on|below|above|for)|"
    r"is (?:net|sent|issued|printed|dated|counted|measured|shown|listed|found|named|made|kept|based|built|sorted|decided|entered|approved by your|needed|a|an|the|in|on|what|your own|your|one|from|not)|are (?:net|sent|issued|printed|counted|measured|shown|listed|found|kept|decided|sorted|entered|points|a|an|the|in|on|what|your|from|not))\b"
)
#: What turns a description into a favour: the vendor's own prices, a comparison, a future, a person it is for.
_TURNS = re.compile(
    r"\bour (?:own )?(?:pric|fee|rate|tariff|charg)\w*|\b(?:same|old|student|partner|loyalty|non-?profit|friend\w*|small|less|lower|lowest|low|off|revers\w+|exempt\w*|stop(?:s|ped)?|level|in step|pennies|nobody|never|will|'ll|shall|going to|from now on|for you|to you|only|just|bonus|today's|yours|nothing|no more|no longer|not right|"
    r"already|instead|anyone|each of|everyone|you add|back|gone|taken|nailed|held|protect\w*|match\w*|thanks?|noted|quiet|none|next|renewal|coming|future|later|further)\b"
)
#: The customer's question, repeated: it promises nothing unless an answer stands in it.
ASKED = re.compile(
    r"^\W*(?:(?:in|on|at|during) [\w ,']{2,40}? )?(?:you|slot|they|somebody|someone|your \w+|your \w+ \w+|slot and slot) (?:also |have |has |had |then |once )*(?:ask(?:s|ed)?|wrote|writes|wonder(?:s|ed)?|would like|wish(?:es|ed)?|want(?:s|ed)?|hop(?:e|es|ed)|mention(?:s|ed)?|raised|request(?:s|ed)?|inquired) |"
    r"\b(?:we|i) (?:were|was|have been|are often|are sometimes) asked\b|\byour (?:question|request|wish|message|letter|mail) (?:was|is|asks?|asked|about|for|to|whether|on)\b|^\W*whether [^.]{3,120} (?:is|are) (?:a (?:question|matter)|something|for|not)\b"
)
_ANSWERED = re.compile(
    r", (?:and|so|hence|therefore|which|it|we|then|this|that|here)\b|\b(?:granted|agreed|confirmed?|approved|done|arranged|yours|yes|it can|it does|it is|they are|of course|gladly|happy|gets?|will have|noted|we (?:will|have|can|are)|it will)\b|-> "
)
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
    lower = _HARMLESS.sub(" ", words.ended(folded).casefold())
    for reading in dict.fromkeys((lower, *words.variants(lower), *words.undisguised(lower))):
        for clause in _CLAUSE.split(reading):
            trade = OWN_TRADE.search(clause) is not None
            match = INTERNAL.search(clause) or INTERNAL_VIEW.search(clause) or (None if trade else INTERNAL_COMMON.search(INTERNAL_OF_THEIRS.sub(" ", clause)))
            if trade or match is None:  # what we think of the account is no word of the customer's trade
                match = VIEWS.search(clause)
            if match is not None:
                yield "internal_word", f"the internal word {match[0].strip()!r}"
                return
