"""Risks come from rules. What the prose adds, leaves out, makes worse or plays down is found here.

A risk of the taxonomy may be spoken of where its rule found it; what no rule can find (a competitor, a cut budget, a quarrel) may not be
stated at all. A question about it, a condition, a denial or a wish to prevent it states nothing.

Three nets, because a lexicon alone lets through whatever it has no word for (a fresh attack of 130 sentences in other words: 124 passed it):
words of risks by families; hearsay, whatever it says; and statements about somebody at the customer of whom no fact speaks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from vim_pipelines.core.severities import SEVERITIES
from vim_pipelines.reasoning.facts import Fact, FactSheet
from vim_pipelines.reasoning.gates import words
from vim_pipelines.reasoning.gates.base import SLOT, Demands, Finding, paragraphs, sentences
from vim_pipelines.reasoning.gates.commitments import OWN_TRADE, QUOTES
from vim_pipelines.reasoning.gates.inventions import load_inventions
from vim_pipelines.reasoning.gates.risk_words import ACTORS, CUSTOMER, FAMILIES, HEARSAY, TOPICS
from vim_pipelines.reasoning.gates.severities import MARK, unborne

if TYPE_CHECKING:
    from vim_pipelines.reasoning.schema import DraftDocument

#: Denials that deny nothing: what follows is stated. They are cut out before a denial is looked for.
_NO_DENIAL = re.compile(
    r"\b(?:no|without(?: any| a)?|beyond|there is no|little) (?:doubt|question|secret|wonder|surprise|mistake|way around|denying|mystery)\b(?: (?:that|about it|of it|is))?|\bnot (?:only|just|merely|simply|surpris\w+|unlikely|unusual|hard to see|to mention|least)\b|\bnothing (?:new|strange|less|but)\b|\bno longer\b|\bnever (?:again|mind)\b|"
    r"\b(?:nobody|no one|none of us) (?:doubts?|denies|disputes|knows? yet|is surprised|was surprised|should be surprised|can deny|told us|noticed|mentioned)\b|\b(?:cannot|can not|must not|do not|should not|let us not) (?:be )?(?:deny|denied|ignored?|overlook\w*|forget|hidden|hide|forgotten)\b(?: that)?|\bif (?:you ask me|i may say so|truth be told|anything|we are honest)\b|\bnot (?:long|far|many \w+) (?:ago|from now)\b"
)
#: A denial or a wish to prevent reaches over the words right behind it; a condition or a question to be put, to the end of its clause.
_DENIED = re.compile(
    r"(?:\b(?:no|not|never|without|neither|nor|nobody|no one|none|nothing|prevent\w*|avoid\w*|against|instead of|rather than|lest|cannot|unless|hardly|any|far from|free of)\b|n't\b)[^.;:]{0,45}$"
)
_SUPPOSED = re.compile(
    r"\b(?:if|unless|whether|in case|should (?!be\b)|ask|asks|asking|find out|learn|check|clarify|suppose|wherever|as long as|whatever|whoever|so that|would|until|once|when|before|who|which|rule(?:s|d)? (?:of|by|made)|in which|what (?:can|could|might|would|may))\b[^.;:,]{0,70}$|\bwhether (?!or not)[^.;:]{0,90}$|\b(?:ask|asks|find out|learn|check|clarify) (?:\w+ ){0,4}(?:whether|if|what|who|which|why|how)\b[^.;:]{0,90}$"
)
#: "Ask why their budget was cut" asks about the reason and states the rest.
_PRESUPPOSED = re.compile(
    r"\b(?:why|because|since|(?:now|given|know|knows|learned|says?|means|fact|clear|sure|accept|admit) that|due to|owing to|after|fact)\b[^.;:,]{0,60}$"
)


#: A proposal to whoever reads, which states nothing.
_ORDER = re.compile(r"^\W*let (?:me|us)\b")
#: An officer of the customer by title: that a sponsor is gone, or not known, says nothing of them.
_OFFICER = re.compile(r"\b(?:c[efiotm]o|ciso|chief (?!of\b)\w+|president|s?vp|head (?:of|for) \w+|chair(?:man|woman|person)?|founder)\b")
#: Slots of values: a sentence with one states a fact; a name alone states nothing. F01 to F04 are names.
_NAME = re.compile(r"\{\{F0[1-4]\}\}")
_VALUE = re.compile(r"\{\{F(?!0[1-4])\d\d\}\}")
#: Days of work without anybody at work, from which on one may speak of a stretch.
_LONG_GAP = 4
_HARD = re.compile(
    r"\b(?:critical|emergenc\w+|severe\w*|urgent(?:ly)?|urgency|alarm\w*|grave|graver|acute|dire|existential|catastroph\w+|disast\w+|devastat\w+|life[- ](?:threatening|and[- ]death)|life and death|drop everything|red (?:alert|flag|line)|fatal\w*|extreme\w*|gravest|very high|highest|utmost|cost us|tomorrow|any day|any (?:minute|moment|hour)|at any moment|"
    r"top priority|first priority|priority number|burning|on fire|deal[- ]?breaker|ruin\w*|lose (?:the|this|them) ?(?:account|customer)?|end of the (?:account|contract|road|relationship)|before it is too late|at once|immediate\w*|without delay|dramatic\w*|drastic\w*|threat\w*|crisis|crises|ticking|time bomb|bomb|dynamite|blow(?:s|n)? up|explo\w+|worst|sinks?|sinking|doom\w*|kill\w*|deadly|lethal|"
    r"serious(?:ly|ness)?|crippl\w+|wreck\w*|show-?stopper|everything else|all else|nothing is (?:more|as|so)|more than anything|outweigh\w*|overshadow\w*|overrid\w+|tip of the iceberg|(?:far |much |even )?(?:graver|worse|bigger|greater) than|heavy|heaviest|huge|enormous|massive|major|perilous|peril|dangerous|danger|scary|frightening|terrible|dreadful|tragic|panic|sos|mayday|"
    r"at stake|end (?:the|this|our) (?:relationship|contract|account|renewal)|stakes|on the line|hinges|make[- ]or[- ]break|point of no return|war room|the board|chief executive|all hands|night and day|around the clock|this minute|cannot wait|must not wait|hours count|no time to lose|brink|collapse|meltdown)\b"
)
#: No softer word for a risk that is high or critical: that it is small, that it passes by itself, that it waits, that nobody need act.
_SOFT = re.compile(
    r"\b(?:harmless|unimportant|(?:no|little|minor|small|scant|hardly any|barely any|of no) (?:importance|concern|weight|matter|consequence|urgency|effect|impact|significance|bearing|relevance|attention|priority|danger|risk|threat|worry|cause for)|formality|formalities|(?:only|just|merely|purely|mostly|a|mere) (?:formal|matter of form|technical\w*|cosmetic|theor\w+|paper)|matter of form|on paper|"
    r"can (?:safely |easily |well |also )?(?:wait|be (?:postponed|deferred|left|parked|ignored|skipped|dropped|delayed|forgotten|overlooked|shelved|put off|disregarded|neglected|closed))|may (?:safely |well )?(?:wait|be (?:postponed|deferred|left|parked|ignored|skipped|dropped|delayed|forgotten|overlooked|shelved|put off|disregarded|neglected|closed))|(?:left|put|set|kept|pushed) (?:for (?:another|later|now|some)|alone|aside|off|to one side|for the time|on the shelf)|"
    r"minor|negligible|trivial\w*|benign|mild|nothing (?:to (?:worry|fear|fret|do|lose|see)|needs?|much|serious|special|urgent|unusual|dramatic|alarming|must|has to|more)|not (?:so |that |very |too |really |all that |particularly |especially |at all )?(?:serious|urgent|important|critical|a (?:problem|concern|priority|big|worry|threat|danger)|worth|pressing|grave|severe|bad|alarming|dangerous|relevant|significant|worrying|need(?:ed)?|our problem|the worst)|"
    r"(?:low|lowest) (?:priority|severity|risk|urgency|importance)|cosmetic|ignor(?:e|es|ed|ing)|disregard\w*|overlook\w*|no (?:need|reason|cause|occasion|grounds|call) (?:to|for)|no (?:hurry|rush|worries|worry|problem|issue|panic|alarm|action|drama|haste|big)|there is time|plenty of time|in (?:good|due|its own) time|insignificant|immaterial|irrelevant|inconsequential|marginal\w*|side[- ]?(?:issue|show|line|note)|footnote|small (?:thing|matter|beer|fry|stuff|change)|detail only|(?:only|just|merely|mere) (?:a|an|noise)|"
    r"overstated|exaggerat\w+|overblown|overrated|overdone|looks? worse|sounds? worse|seems? worse|storm in a|teacup|false alarm|red herring|just noise|noise|blip|hiccup|blow(?:s|n)? over|(?:pass\w*|go(?:es)?|vanish\w*|resolve\w*|disappear\w*|settle\w*|end\w*|heal\w*|solve\w*|improve\w*|fade\w*|fix\w*|close\w*) (?:\w+ )?(?:by itself|on its own|over|soon|away|with time)|will pass|of its own accord|itself out|care of itself|solve(?:s)? itself|heal(?:s)? itself|goes away|go away|fade(?:s)? away|disappear\w*|"
    r"(?:does|do|need|needs|should|will|would) not (?:\w+ )?(?:matter|concern|worry|trouble|bother|alarm|deserve|hurt|harm|require|call for|need|weigh|affect|count|change (?:much|anything)|keep)|(?:hardly|barely|scarcely) (?:matters?|counts?|worth|weighs?|concerns?|serious|urgent|a|important|worrying|touches|affects?|needs?|deserves?)|no big (?:deal|thing|matter)|leave (?:it|that|this) (?:be|alone|for)|safely|when there is time|when convenient|bottom of the|later in the|end of the (?:list|queue)|next (?:year|quarter|term)|some day|some other|another day|sometime|eventually|"
    r"relax\w*|live with|rest easy|sleep (?:well|easy|soundly)|fine\b|all right|okay|ok\b|routine|business as usual|ordinary|everyday|common(?:place)?|usual|normal|nothing out of|under control|in hand|dealt with|taken care of|sorted|settled|resolved|already (?:solved|done|over|handled|fixed)|behind us|over and done|a thing of the past|(?:is|are|be) history|manageable|bearable|tolerable|acceptable|forgivable|unproblematic|good news|welcome|blessing|comfort\w*|reassur\w+|optional|nice to have|low on)\b"
)
_NOT_SO = re.compile(
    r"(?:\b(?:not|never|cannot|neither|nor|no|nothing|than)|n't)(?: (?:be|been|is|to|a|an|the|so|very|yet|get|become|by any means|at all))*,? ?$"
)
_LEVELS = re.compile(
    r"\b(low|medium|moderate|high|critical)(?:[- ]severity|[- ]rated)\b|\bseverity (?:is |of )?(?:now )?(low|medium|moderate|high|critical)\b|\brated (?:as )?(low|medium|moderate|high|critical)\b|\bis (?:a |now )?(low|medium|moderate|high|critical)\b"
)


def worded(sentence: str) -> str:
    """A sentence as it is compared with the playbook's own: folded, lower case, `slot` for every slot."""
    return " ".join(re.sub(r"\{\{[A-Za-z_0-9.]+\}\}", "slot", words.fold(sentence)).casefold().split())


def unfounded(document: DraftDocument, sheet: FactSheet, demands: Demands) -> Iterator[Finding]:
    """Risks without a rule, other severities than the rule's, and severe risks that the text does not name although its playbook wants them."""
    known = _shown_by(sheet)
    found = {risk.scope for risk in sheet.risks}
    yield from _stated(document.title, "title", found, known, demands)
    for where, paragraph in paragraphs(document):
        shown = _shown(paragraph.text_with_slots, sheet)
        cited = [fact for handle in paragraph.fact_ids if (fact := sheet.facts.get(handle)) is not None and fact.metric == "risk"]
        if paragraph.kind == "risk" and not shown:
            what = "a paragraph of kind risk shows no risk that a rule found" if cited else "a paragraph of kind risk cites no risk that a rule found"
            yield Finding("invented_risk", what, where)
        allowed = {risk.scope for risk in [*shown, *cited]} if paragraph.kind == "risk" else found
        yield from _stated(paragraph.text_with_slots, where, allowed & found, known, demands)
        yield from _severities(paragraph.text_with_slots, where, sheet, demands)
    for number, step in enumerate(document.steps, 1):
        for text in (step.action, step.success_measure):
            yield from _stated(text, f"step {number}", found, known, demands)
            yield from _severities(text, f"step {number}", sheet, demands)
    if demands.cite_risks_from is not None:
        yield from _omitted(document, sheet, demands.cite_risks_from)


def _shown_by(sheet: FactSheet) -> set[str]:
    """What the facts show by themselves: metrics that are known and not zero, and what follows from several of them."""

    def number(metric: str) -> Decimal | None:
        fact = sheet.known(metric)
        return None if fact is None else fact.value_number

    known = {fact.metric for fact in sheet.facts.values() if fact.is_known and fact.value_number != 0}
    recent, prior, gap = number("weekly_active_recent"), number("weekly_active_prior"), number("gap_days")
    sponsor, reached, due = sheet.get("sponsor_name"), sheet.get("fttv_reached_on"), sheet.known("fttv_due_on")
    signs = {
        "no_sponsor": sponsor is not None and not sponsor.is_known,
        "use_falls": recent is not None and prior is not None and recent < prior,
        "one_contact": number("contacts_active") == 1,
        "is_silent": number("tickets_28d") == 0 and number("active_users_28d") == 0,
        "long_gap": gap is not None and gap >= _LONG_GAP,
        "first_value_late": due is not None and reached is not None and not reached.is_known,
        "no_usage": (active := sheet.get("active_users_28d")) is not None and not active.is_known,
    }
    return known | {sign for sign, holds in signs.items() if holds}


def _stated(text: str, where: str, allowed: set[str], known: set[str], demands: Demands) -> Iterator[Finding]:
    is_for_customer = demands.audience == "customer"
    gate = "claim" if is_for_customer else "invented_risk"
    is_step = where.startswith("step")
    for number, sentence in enumerate(sentences(words.ended(words.fold(text)))):
        plain = SLOT.sub("slot", _NAME.sub("name", sentence)).casefold()
        if plain.rstrip().rstrip("\"')").endswith("?"):
            continue
        is_trade = is_for_customer and bool(OWN_TRADE.search(plain) or QUOTES.search(plain))
        hearsay = HEARSAY.search(plain)
        if hearsay is not None and not _is_denied(plain, hearsay.start()):
            yield Finding(gate, f"{hearsay[0]!r}: hearsay is no fact", where)
            return
        for at, said in _troubles(plain):
            family = FAMILIES[at]
            is_borne_out = bool(allowed & set(family.rules) or known & set(family.facts)) or (is_trade and family.is_trade)
            for word, is_denied in said:
                if is_borne_out and (family.name != "people gone" or "lost_on" in known or _OFFICER.search(word) is None):
                    continue
                if not is_denied:
                    yield Finding(gate, f"the text states {word!r} ({family.name}), and no rule or fact of this document says so", where)
                    return
        is_asked_for = is_step and number == 0  # what somebody shall do, or what it is measured by; what follows it says how things are
        if worded(sentence) in demands.own_wording:
            continue
        if not (is_for_customer or is_asked_for or _ORDER.search(plain)) and _claims(sentence, allowed, known):
            yield Finding(gate, f"it reads like a claim about the customer that no fact bears out: {plain.strip()[:80]!r}", where)
            return
        if is_step:  # what a step is measured by may be anything that people shall do
            continue
        about = ACTORS.search(plain) or (
            None if is_for_customer or plain.startswith("if ") or known & {"lost_on", "notice_on"} or TOPICS.search(plain) else CUSTOMER.search(plain)
        )
        if about is not None and not _VALUE.search(sentence) and not (is_trade or _is_denied(plain, about.end())):
            yield Finding(gate, f"a statement about {about[0].strip(' ,;:')!r} without a fact that says so", where)
            return


@lru_cache(maxsize=4096)
def _troubles(plain: str) -> tuple[tuple[int, tuple[tuple[str, bool], ...]], ...]:
    """(number of the family, its words in the sentence, each with whether it is denied) of the families that have one.

    Remembered: the same sentences stand in every account's draft, and these patterns are long.
    """
    found = ((at, tuple((match[0], _is_denied(plain, match.start())) for match in family.words.finditer(plain))) for at, family in enumerate(FAMILIES))
    return tuple((at, said) for at, said in found if said)


def _claims(sentence: str, allowed: set[str], known: set[str]) -> bool:
    """Whether the sentence reads like trouble that somebody made up (`inventions.py`). What a rule or a fact bears out is judged by the families."""
    if _VALUE.search(sentence) or "NOTICE_SERVED" in allowed or known & {"lost_on", "notice_on"}:
        return False
    plain = SLOT.sub("slot", sentence).casefold()
    for family in FAMILIES:
        match = family.words.search(plain)
        if match is not None and (allowed & set(family.rules) or known & set(family.facts) or _is_denied(plain, match.start())):
            return False
    return load_inventions().is_like(sentence)


def _is_denied(plain: str, at: int) -> bool:
    """Whether what begins at `at` is denied, asked for or supposed by the words before it."""
    before = re.split(r"[;:]\s", _NO_DENIAL.sub(" ", plain[:at]))[-1]
    if _DENIED.search(before):
        return True
    return _SUPPOSED.search(before) is not None and not _PRESUPPOSED.search(before)


def _shown(text: str, sheet: FactSheet) -> list[Fact]:
    return [fact for handle in SLOT.findall(text) if (fact := sheet.facts.get(handle)) is not None and fact.metric == "risk"]


#: In a step, which orders more than it says: a verb behind the risk's slot, or an order to take it for something.
_SAID_OF_IT = re.compile(
    r"\{\{F\d\d\}\}(?: [^\W\d_]+ly)? (?:is|are|was|were|can|could|may|might|must|will|would|has|have|seems?|looks?|needs?|puts?|poses?|calls?)\b|\b(?:[Tt]reat|[Cc]onsider|[Rr]egard|[Cc]all|[Rr]ate|[Ii]gnore|[Ll]et)\b"
)


def _is_risk(handle: str, sheet: FactSheet) -> bool:
    fact = sheet.facts.get(handle)
    return fact is not None and fact.metric == "risk"


def _severities(text: str, where: str, sheet: FactSheet, demands: Demands) -> Iterator[Finding]:
    """Words about how grave a risk is that its rule does not bear out: of a list, and any that `severities.py` does not know."""
    is_prose = not where.startswith("step")
    last: list[Fact] = []
    for sentence in sentences(words.ended(words.fold(text))):
        shown = _shown(sentence, sheet) or last
        last = _shown(sentence, sheet)
        if not shown:
            continue
        plain = SLOT.sub("slot", sentence).casefold()
        levels = {str(risk.detail) for risk in shown}
        if worded(sentence) not in demands.own_wording and (is_prose or _SAID_OF_IT.search(sentence)) and not plain.rstrip().rstrip("\"')").endswith("?"):
            marked = SLOT.sub(lambda match: MARK if _is_risk(match[1], sheet) else "slot", sentence).casefold()
            word = next(unborne(marked, levels, goes_on=not _shown(sentence, sheet)), None)
            if word is not None:
                yield Finding("severity", f"{word!r} is said of a risk that is {', '.join(sorted(levels))}, and no rule says so", where)
                continue
        hard, soft = _plainly(_HARD, plain), _plainly(_SOFT, plain)
        if hard is not None and not levels & set(SEVERITIES[SEVERITIES.index("high") :]):
            yield Finding("severity", f"{hard[0]!r} beside a risk that is {', '.join(sorted(map(str, levels)))}", where)
        if soft is not None and levels & set(SEVERITIES[SEVERITIES.index("high") :]):
            yield Finding("severity", f"{soft[0]!r} beside a risk that is {', '.join(sorted(map(str, levels)))}", where)
        for match in _LEVELS.finditer(plain):
            said = next(part for part in match.groups() if part)
            if {"moderate": "medium"}.get(said, said) not in levels:
                yield Finding("severity", f"{match[0]!r} beside a risk that is {', '.join(sorted(map(str, levels)))}", where)


def _plainly(pattern: re.Pattern[str], plain: str) -> re.Match[str] | None:
    """The first word of `pattern` that no "not" stands right before: "not alarming" alarms nobody, "must not be ignored" plays nothing down."""
    return next((match for match in pattern.finditer(plain) if not _NOT_SO.search(plain[: match.start()])), None)


def _omitted(document: DraftDocument, sheet: FactSheet, least: str) -> Iterator[Finding]:
    texts = [paragraph.text_with_slots for _, paragraph in paragraphs(document)] + [step.action for step in document.steps]
    named = {handle for text in texts for handle in SLOT.findall(text)}
    for risk in sheet.risks:
        if risk.detail in SEVERITIES[SEVERITIES.index(least) :] and risk.handle not in named:
            yield Finding("omitted_risk", f"{risk.handle} ({risk.value_text}) is not mentioned", "document")
