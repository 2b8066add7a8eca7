"""Risks come from rules. What the prose adds, leaves out, makes worse or plays down is found here.

A risk of the taxonomy may be spoken of where its rule found it; what no rule can find (a competitor, a cut budget, a quarrel) may not be
stated at all. A question about it, a condition, a denial or a wish to prevent it states nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vim_pipelines.core.severities import SEVERITIES
from vim_pipelines.reasoning.facts import Fact, FactSheet
from vim_pipelines.reasoning.gates import words
from vim_pipelines.reasoning.gates.base import SLOT, Demands, Finding, paragraphs, sentences
from vim_pipelines.reasoning.gates.commitments import OWN_TRADE, QUOTES

if TYPE_CHECKING:
    from vim_pipelines.reasoning.schema import DraftDocument

_WHO = (
    r"(?:sponsor|champion|cfo|ceo|cto|coo|cio|vp|head of \w+|economic buyer|buyer|budget holder|executive|decision[- ]maker|main contact|key (?:contact|user|person)|power user|"
    r"administrator|contact|manager|director|department|whoever)"
)
_GONE = r"(?:has left|have left|left (?:the|last|for|in|us|them)|left$|is leaving|are leaving|will leave|is gone|are gone|departed|resigned|has quit|was replaced|has been replaced|no longer (?:there|works|with)|retired|moved on|stepped down|was let go|was fired|changed jobs|has a new job|is on (?:her|his|their) way out|handed in)"
_LEAVE = r"(?:leave|leaving|cancel\w*|terminat\w+|quit\w*|go elsewhere|move away|switch\w*|walk away|not (?:to )?renew|end (?:the|its|their) contract|drop us|get rid of)"

#: Risk (rule ids that allow it), facts that allow it, words. No rule: nothing allows it.
_RISKS: tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...] = (
    (("SPONSOR_LOST",), (), rf"\b{_WHO}\b[^.]{{0,30}}?\b{_GONE}|\bno (?:champion|sponsor) left\b|\b(?:lost|losing|loss of) (?:its|their|the|our|a) (?:executive )?(?:sponsor|champion)|\bnobody with a budget speaks\b"),
    (("NOTICE_SERVED",), ("notice_on", "lost_on"),
     r"\b(?:gave|given|served|handed in|sent|received|signed) (?:us |in )?(?:their |its |the |a |formal )?notice\b|\bnotice (?:was|has been|is) (?:served|given|in)\b|\b(?:termination|cancell?ation) (?:letter|notice)|"
     r"\bletter of termination|\b(?:has|have) (?:cancell?ed|terminated|quit)\b"),
    (("NOTICE_SERVED",), ("notice_on", "lost_on"),
     rf"\b(?:likely|about|going|plan\w*|intend\w*|decided|determined|wants?|prepar\w+|ready|set|threaten\w*|consider\w*|thinking (?:of|about)|close) (?:to )?{_LEAVE}|\b(?:might|may|could|will) (?:well |soon )?(?:leave|cancel|terminate|churn|defect|quit|not renew|walk away)\b|"
     r"\bchurn\w*|\bdefect(?:s|ed|ing|ion)\b|\bwill not renew\b|\bis leaving us\b|\bare leaving us\b|\b(?:lose|losing) (?:the|this) (?:account|customer)\b|\bone foot out\b|\bon (?:its|their) way out\b|\bas good as (?:gone|lost)\b"),
    ((), (), r"\b(?:unhappy|dissatisf\w+|frustrat\w+|angry|anger|annoyed|upset|disappoint\w+|displeased|furious|fed up|resent\w*|hostile|los(?:t|ing) (?:confidence|trust|faith|patience)|runs? out of patience|out of patience|"
     r"bad mood|bad blood|complain(?:s|ed|t|ts|ing)?\b|irritat\w+|discontent\w*|unimpressed|regrets?)"),
    ((), (), r"\bcompetitors?\b|\bcompeting\b|\brival(?:s| \w+)?\b|\b(?:another|other|different|new|second|alternative) (?:vendor|supplier|provider|system|offer|bid)s?\b|\b(?:talk\w*|speak\w*|negotiat\w+|meet\w*|flirt\w*) (?:to|with) (?:another|other|a different|an alternative)|"
     r"\bevaluat\w+ (?:an? )?(?:other|another|alternative)|\balternatives? to (?:us|our|the product)|\b(?:request for proposal|rfp|a tender|tendering)\b|\bbuild(?:ing)? (?:it|their own|its own)\b|\bin-?house (?:tool|solution|replacement)"),
    ((), (), r"\bbankrupt\w*|\binsolven\w*|\breceivership\b|\bchapter eleven\b|\b(?:short|out) of (?:cash|money)\b|\bcash[- ](?:strapped|poor)|\bcash (?:problems?|trouble)|\bpays? (?:\w+ )?late\b|\blate pay\w*|\bpaid late\b|\boverdue (?:invoice|payment|bill)\w*|\bunpaid\b|"
     r"\bnon-?payment|\bin arrears\b|\bowes? (?:us|money|several|for)\b|\bdefault(?:s|ed)? on\b|\bcredit hold\b|\bfinancial(?:ly)? (?:trouble|difficult\w*|distress|weak|problems?)|\binvoices? (?:is|are|was|were|remains?|stays?) (?:open|unpaid|disputed|overdue)"),
    ((), (), r"\bbudgets?\b[^.]{0,30}\b(?:cuts?|frozen|freez\w+|froze|slashed|reduced|under pressure|gone|shrink\w*|shrank|squeez\w+|tight\w*|exhausted|pulled|withdrawn|halved|at an end)|\b(?:cuts?|froze|frozen|slash\w*|freez\w*|squeez\w+|pull\w*) [^.]{0,20}\bbudgets?\b|\b(?:hiring|spending|budget) (?:freeze|stop|cuts?)|"
     r"\blay-?offs?\b|\blaid off\b|\bredundanc\w+|\bcost[- ](?:cutting|saving)|\bcut(?:s|ting)? costs?\b|\bsav(?:e|es|ing) money\b|\bheadcount\b|\bjob cuts\b|\bausterity\b"),
    ((), (), r"\brestructur\w+|\breorgani[sz]\w+|\bre-?org\b|\bmerg(?:er|ers|ing|ed)\b|\b(?:be|been|being|was|is|were|are|was just) (?:acquired|sold|taken over)\b|\bacquisition\b|\btake-?over\b|\bup for sale\b|\bnew (?:owner|owners|management|ceo|cfo|cio|cto|parent company)\b|\bchange of (?:ownership|control|management)\b|\bspun? off\b"),
    ((), (), r"\blawsuit\w*|\blitigat\w+|\blegal (?:action|dispute|trouble|proceedings)|\b(?:a|the|in|open|legal) dispute (?:about|over|with|on)\b|\bin dispute\b|\bdisputes? (?:the|an|our|its|their) (?:invoice|bill|clause|contract|fee)|\bdisputed (?:invoice|bill|clause)|\bsu(?:e|es|ed|ing) us\b|\b(?:with|to) (?:its|their|the) lawyers?\b|\blawyers? (?:are|is|have|has)\b|\bsecurity (?:breach|incident|hole|problem|concern|leak|issue)\w*|"
     r"\bdata (?:breach|leak|loss|theft)\w*|\b(?:was|were|been|got) hacked\b|\bransomware|\bcyber\w*|\boutages?\b|\bdowntime\b|\b(?:service|system|platform|servers?|product|site|application) went down\b|\bcrash\w*|\bcompliance (?:issue|problem|breach|concern)\w*|\bfraud\w*|\bscandal\w*|\bregulator\w*|\bunder investigation\b|\bon strike\b|\bbad press\b"),
    (("MURI_SPIKE",), (), r"\b(?:flood\w*|surg\w+|spik\w+|waves?|avalanche|storm|overwhelm\w*|swamp\w*|drown\w*|explo\w+|inundat\w+)\b[^.]{0,40}\b(?:tickets?|support|requests?|cases)|\b(?:support|tickets?|help ?desk)\b[^.]{0,40}\b(?:flood\w*|surg\w+|spik\w+|overwhelm\w*|swamp\w*|inundat\w+|explod\w+|piling up|pile up|drown\w*)"),
    (("MURI_AGED_P1",), (), r"\b(?:old|aged|long-?standing|ancient|aging)\b[^.]{0,20}\bticket|\b(?:critical|urgent|severe|blocking) (?:support )?(?:tickets?|case|bug|issue|incident)\b|\b(?:ticket|case|incident)\b[^.]{0,25}\b(?:for (?:weeks|months|ages)|far too long|unsolved for|never been (?:solved|answered))"),
    (("MURI_SLA",), ("sla_breaches_90d",), r"\bmiss(?:ed|es|ing) (?:the |its |our |their )?(?:service levels?|sla|targets?|response)|\b(?:service levels?|slas?) (?:was|were|has been|have been|are|is) (?:missed|breached|broken)|\bbreach\w* (?:of )?(?:the |its |our )?(?:service|sla|agreement|contract)|\banswers?\b[^.]{0,25}?\b(?:came?|comes?|arrives?|arrived|are|were) (?:\w+ )?(?:too )?late\b|"
     r"\b(?:slow|late) (?:answers?|responses?|support|replies)\b|\bsupport (?:is|was|has been) (?:too )?(?:slow|late|bad|poor)\b|\bkept waiting\b|\blet (?:them|the customer) wait\b"),
    ((), ("escalations_90d",), r"\b(?:has|have|was|were|is being|been|had to be) escalated\b|\b(?:an?|the|open|running|formal|executive) escalations? (?:is|are|was|were) (?:open|running|under way|with|on|at)\b|\bescalations? (?:runs?|came|lies|sits)\b|\bescalated (?:to|it|this|the)\b"),
    (("MURA_DROP", "SILENCE", "MURA_GAP"), ("lost_on",), r"\babandon\w*|\bstopped (?:using|working|coming|logging)|\bgave up on\b|\bgiven up on\b|\bturn(?:ed|ing) (?:their backs?|away)|\blos(?:t|ing|es) interest\b|\binterest (?:has )?(?:faded|waned|gone)\b|\bdisengag\w+|\bdrift\w* away\b|\bwalked away\b|\bloss of (?:interest|use|users)"),
    (("SILENCE", "MURA_DROP", "MURA_GAP"), (), r"\b(?:gone|went|fallen|goes) (?:quiet|silent|dark)\b|\bno longer (?:answers?|responds?|repl\w+|returns?|picks? up)|\bunresponsive\b|\b(?:does|do|did) not (?:answer|respond|reply|return)\b|\bstopped (?:answering|replying|responding|talking)|\bghost\w*|\bradio silence\b|\bsilence (?:from|since|on their side)\b|\bavoid\w* (?:us|our calls|contact)\b|\bnot heard from (?:them|the customer|her|him|anyone|anybody)\b"),
    (("SINGLE_THREAD",), ("contacts_active",), r"\b(?:single|lone|sole) (?:person|contact|user|colleague|employee)\b[^.]{0,40}\b(?:carr\w+|depend\w*|holds?|runs?|does|knows?|uses?|keeps?)|\b(?:depend\w*|rest\w*|hang\w*|rel(?:y|ies)|stands? or falls?) (?:\w+ )?(?:on|with) (?:a |the |only )?(?:single|one|lone|sole)\b|\bsingle[- ]thread\w*|\ball (?:the )?(?:use|work) (?:depends|hangs|rests)"),
    (("RENEWAL_NO_TALK",), ("renewal_open_amount", "renewal_open_close_on"), r"\bnobody (?:has )?(?:talk\w*|spoke\w*|speaks?) (?:with \w+ )?(?:about|of) the renewal|\bno (?:renewal )?talks? (?:about|on|have|has|is|are|with)\b|\bno renewal is open\b|\bcustomer decides without us\b|\brenewal (?:is|was) (?:being )?(?:ignored|forgotten)"),
    (("DATA_STALE",), (), r"\b(?:data|figures|records|numbers)\b[^.]{0,30}?\b(?:is|are|was|were|has become|have become) (?:far |much )?(?:too )?(?:stale|old|out of date|outdated|unreliable|wrong|incomplete)\b|\brest on old data\b|\bstale data\b|\bcannot trust (?:the|these|our) (?:data|figures)"),
    (("FTTV_LATE",), ("fttv_due_on",), r"\b(?:first value|the milestone|first result)\b[^.]{0,30}\b(?:is |was |comes? |came |much |too )*(?:late|overdue|missed|delayed|slipp\w+|behind schedule)\b|\bhas not reached (?:the|its|their|any) (?:first|result|milestone|value)|\blate first value\b|\bonboarding (?:is|was|has) (?:late|stalled|stuck|delayed|failed)|\b(?:rollout|implementation|onboarding) (?:has )?(?:failed|stalled|slipped)"),
    (("HANDOFF_GAP",), ("handoff_missing", "handoff_missing_count", "handoff_conflicting"), r"\b(?:gaps?|holes?) in the (?:sales )?handoff|\bhandoff\b[^.]{0,25}\b(?:has|have|is|was|are|with|full of|leaves) (?:\w+ )?(?:gaps?|holes?|incomplete|thin|poor)\b|\bhanded over (?:an? )?(?:incomplete|half|thin|poor)|\bhandoff (?:is|was) (?:incomplete|full of|poor|missing|thin)|\bwithout things that sales knew\b|\bsales (?:promised|oversold|kept from us)|\boversold\b"),
    (("MURA_SPIKY",), (), r"\bswing\w*\b[^.]{0,20}\bweek\b|\buneven (?:weekly )?use\b|\b(?:erratic|irregular|volatile|patchy) (?:use|usage|activity|pattern)|\bspiky\b|\bups and downs\b"),
    (("MURA_GAP",), ("gap_days",), r"\b(?:weeks|months|days)\b[^.]{0,15}?\bwithout (?:using|use|any|anybody|anyone|a single|logging|opening|work)|\bnot (?:been|logged|worked|signed|used)\b[^.]{0,30}?\b(?:for|in) (?:a long|weeks|months|days|ages)|\b(?:long|longest|endless) (?:stretch|run|pause|gap|period)\b[^.]{0,25}\bwithout\b"),
    (("MUDA_SHELFWARE",), ("shelfware_seats", "unused_seats", "waste_annual"), r"\bshelf ?ware\b|\bover-?licen[cs]ed\b|\bover-?bought\b"),
    (("MUDA_FEATURE",), ("unused_feature_names",), r"\bpaid features? (?:is|are|lie|go|stay|left|remain) (?:left )?unused\b|\bpays for (?:capabilities|features) (?:that )?(?:its|nobody|no one)"),
)  # fmt: skip
_PATTERNS = tuple((rules, facts, re.compile(pattern)) for rules, facts, pattern in _RISKS)
#: What stands before a risk that is not stated: a denial, a condition, a question, a wish to prevent it.
_NOT_STATED = re.compile(
    r"(?:\b(?:no|not|never|without|neither|nor|nobody|none|nothing|if|unless|whether|in case|should|ask|asks|find out|learn|check|prevent\w*|avoid\w*|against|before|instead of|rather than|lest|so that|would|cannot|whatever|who|which|"
    r"until|once|when|suppose|wherever|as long as|any)\b|n't\b)[^.;:]{0,70}$"
)
_HARD = re.compile(
    r"\b(?:critical|emergenc\w+|severe|urgent(?:ly)?|alarm\w*|grave|acute|dire|existential|catastroph\w+|disast\w+|devastat\w+|life[- ]threatening|drop everything|red alert|fatal|extreme\w*|gravest|very high|highest|cost us|tomorrow|any day|at any moment|top priority|burning|deal[- ]breaker|ruin\w*|lose (?:the|this) (?:account|customer)|end of the (?:account|contract)|before it is too late|at once|immediately|dramatic\w*|threat\w*)\b"
)
_SOFT = re.compile(
    r"\b(?:harmless|unimportant|(?:no|little|minor|small) (?:importance|concern|weight|matter|consequence|urgency)|formality|can wait|may wait|minor|negligible|trivial|nothing to worry|not (?:serious|urgent|important|critical|a problem|worth)|low (?:priority|severity|risk)|"
    r"cosmetic|ignore[ds]?|no (?:need|reason) to (?:act|worry|hurry)|no hurry|insignificant|marginal|side issue|footnote|small thing|detail only|overstated|exaggerat\w+|just noise|blows? over|sort itself out|(?:does|do) not matter|hardly matters?|barely matters?|not worth|no big (?:deal|thing|matter)|passes by itself|nothing much|leave it (?:be|alone|for later)|no drama|safely be|not pressing|when there is time|bottom of the list|later in the year)\b"
)
_LEVELS = re.compile(
    r"\b(low|medium|moderate|high|critical)(?:[- ]severity|[- ]rated)\b|\bseverity (?:is |of )?(?:now )?(low|medium|moderate|high|critical)\b|\brated (?:as )?(low|medium|moderate|high|critical)\b|\bis (?:a |now )?(low|medium|moderate|high|critical)\b"
)


def unfounded(document: DraftDocument, sheet: FactSheet, demands: Demands) -> Iterator[Finding]:
    """Risks without a rule, other severities than the rule's, and severe risks that the text does not name although its playbook wants them."""
    known = {fact.metric for fact in sheet.facts.values() if fact.is_known and fact.value_number != 0}
    found = {risk.scope for risk in sheet.risks}
    is_for_customer = demands.audience == "customer"
    yield from _stated(document.title, "title", found, known, is_for_customer)
    for where, paragraph in paragraphs(document):
        shown = _shown(paragraph.text_with_slots, sheet)
        cited = [fact for handle in paragraph.fact_ids if (fact := sheet.facts.get(handle)) is not None and fact.metric == "risk"]
        if paragraph.kind == "risk" and not shown:
            what = "a paragraph of kind risk shows no risk that a rule found" if cited else "a paragraph of kind risk cites no risk that a rule found"
            yield Finding("invented_risk", what, where)
        allowed = {risk.scope for risk in [*shown, *cited]} if paragraph.kind == "risk" else found
        yield from _stated(paragraph.text_with_slots, where, allowed & found, known, is_for_customer)
        yield from _severities(paragraph.text_with_slots, where, sheet)
    for number, step in enumerate(document.steps, 1):
        for text in (step.action, step.success_measure):
            yield from _stated(text, f"step {number}", found, known, is_for_customer)
            yield from _severities(text, f"step {number}", sheet)
    if demands.cite_risks_from is not None:
        yield from _omitted(document, sheet, demands.cite_risks_from)


def _stated(text: str, where: str, allowed: set[str], known: set[str], is_for_customer: bool) -> Iterator[Finding]:
    for sentence in sentences(words.fold(text)):
        plain = SLOT.sub("slot", sentence).casefold()
        if plain.rstrip().endswith("?") or (is_for_customer and (OWN_TRADE.search(plain) or QUOTES.search(plain))):
            continue
        for rules, facts, pattern in _PATTERNS:
            if allowed & set(rules) or known & set(facts):
                continue
            for match in pattern.finditer(plain):
                before = re.split(r"[;:]\s", plain[: match.start()])[-1]
                if not _NOT_STATED.search(before):
                    yield Finding("invented_risk", f"the text states {match[0]!r}, and no rule or fact of this document says so", where)
                    return


def _shown(text: str, sheet: FactSheet) -> list[Fact]:
    return [fact for handle in SLOT.findall(text) if (fact := sheet.facts.get(handle)) is not None and fact.metric == "risk"]


def _severities(text: str, where: str, sheet: FactSheet) -> Iterator[Finding]:
    """A word for a severity that the risks of the sentence, or of the one before, do not have."""
    last: list[Fact] = []
    for sentence in sentences(words.fold(text)):
        shown = _shown(sentence, sheet) or last
        last = _shown(sentence, sheet)
        if not shown:
            continue
        plain = SLOT.sub("slot", sentence).casefold()
        levels = {risk.detail for risk in shown}
        hard, soft = _HARD.search(plain), _SOFT.search(plain)
        if hard is not None and not levels & set(SEVERITIES[SEVERITIES.index("high") :]):
            yield Finding("severity", f"{hard[0]!r} beside a risk that is {', '.join(sorted(map(str, levels)))}", where)
        if soft is not None and levels & set(SEVERITIES[SEVERITIES.index("high") :]):
            yield Finding("severity", f"{soft[0]!r} beside a risk that is {', '.join(sorted(map(str, levels)))}", where)
        for match in _LEVELS.finditer(plain):
            said = next(part for part in match.groups() if part)
            if {"moderate": "medium"}.get(said, said) not in levels:
                yield Finding("severity", f"{match[0]!r} beside a risk that is {', '.join(sorted(map(str, levels)))}", where)


def _omitted(document: DraftDocument, sheet: FactSheet, least: str) -> Iterator[Finding]:
    texts = [paragraph.text_with_slots for _, paragraph in paragraphs(document)] + [step.action for step in document.steps]
    named = {handle for text in texts for handle in SLOT.findall(text)}
    for risk in sheet.risks:
        if risk.detail in SEVERITIES[SEVERITIES.index(least) :] and risk.handle not in named:
            yield Finding("omitted_risk", f"{risk.handle} ({risk.value_text}) is not mentioned", "document")
