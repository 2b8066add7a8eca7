"""The grammar of promises: who promises, what is promised, and the ways of saying so without a promise's words.

A promise is a subject of ours that grants, a commercial thing that is so and stays so, a burden that is denied, a liberty that is given,
or an idiom. Refusals, referrals to a colleague and quotations of the contract use the same words and promise nothing. All patterns
are for folded lower-case text in which a slot stands as the word `slot`.
"""

from __future__ import annotations

import re

# --- what is promised -------------------------------------------------------------------------------------------------

#: Things that are bought and sold. In a customer's text they stand in refusals, referrals and quotations of the contract, or not at all.
STRONG = re.compile(
    r"\b(?:pric(?:e|es|ed|ing)|tariffs?|fees?|charg(?:e|es|ed|ing)|costs?|costing|surcharges?|quot(?:e|es|ed|ation|ations)|bill(?:s|ed|ing)?|invoic(?:e|es|ed|ing)|payments?|paid|pays?|paying|payable|"
    r"list price|rate card|rates?|discount\w*|rebates?|refund\w*|credits?|credited|reimburs\w+|compensat\w+|vouchers?|coupons?|bonus\w*|concessions?|waiv\w+|deduct\w*|money|cash|goodwill|"
    r"increases?|uplifts?|indexation|index clause|inflation|caps?|capped|penalt\w+|liab\w+|warrant\w*|indemni\w+|damages|slas?|uptime|minimum (?:term|commitment|order|purchase)|auto-?renew\w*|automatic renewal|spend|spending)\b"
)
#: Things of the contract, the service and the product that an honest text speaks of too.
TERM = re.compile(
    r"\b(?:contracts?|agreements?|terms?|renewals?|notice|deadlines?|extension|commitments?|clauses?|subscriptions?|licen[cs]es?|seats?|cancell?ation|termination|exit|opt-?out|window|conditions?|months?|weeks?|quarter|trial|pilot|upgrade|add-?on|edition|plan|package|training days?|onboarding|storage|limits?|quota|volume|sandbox)\b"
)
SERVICE = re.compile(
    r"\b(?:support|service|system|platform|tickets?|answers?|answered|responses?|replies|engineers?|technicians?|help ?desk|hotline|incidents?|outages?|downtime|down|availab\w+|repairs?|fix(?:es|ed)?|bugs?|servers?|queue|line|phone|operations|performance|speed|backups?|"
    r"maintenance|hours|uptime|problems?)\b"
)
PRODUCT = re.compile(
    r"\b(?:features?|connectors?|integrations?|modules?|exports?|imports?|importer|exporter|releases?|versions?|apps?|functions?|functionality|capabilit\w+|api|single sign-?on|sso|interfaces?|buttons?|screens?|updates?|patch\w*|beta|mobile|offline mode|plug-?ins?|add-?ins?|roadmap item|"
    r"dashboards?|reports?|fix|languages?|translations?|data cent(?:er|re)s?|hosting|region|widgets?|editor|scanner|sync\w*|automation|workflow|wish(?:es)?|request|development|migration|redesign)\b"
)
LEGAL = re.compile(
    r"\b(?:legal\w*|law|lawyers?|courts?|complian\w+|compliant|certif\w+|audits?|auditors?|regulat\w+|gdpr|dpa|data protection|privacy|fines?|claims?|risk|responsib\w+|loss(?:es)?|harm|insur\w+|contract|clause|consequences?|security|protected)\b"
)

# --- who promises -------------------------------------------------------------------------------------------------------

_OUR_SIDE = (
    r"(?:we|i|us|ourselves|our (?:\w+ )?(?:team|side|company|desk|management|director|engineers?|engineering|finance|people|support|house|board|ceo|sales|colleagues|developers?|product team|legal|lawyers?|office|vendor|billing)|"
    r"(?:your|the|my|an?) (?:account executive|account manager|ae|customer success manager|csm|contracts? (?:desk|team)|billing (?:team|department)|finance (?:team|department)|legal (?:team|contacts?|department|colleagues?)|support (?:team|desk)|"
    r"product (?:team|manager)|sales (?:team|colleague\w*|director)|commercial team|renewals? (?:team|manager|desk)|engineers?|director|manager|boss|vendor|provider|management)|management|finance|engineering|legal|nobody here|everyone here|headquarters)"
)
_AUX = (
    r"(?:will|'ll|shall|can|could|would|may|might|must|are|am|is|was|were|'re|'m|'ve|'d|have|has|had|do|does|did|be|been|to|going|happy|glad|ready|able|prepared|willing|pleased|delighted|also|already|gladly|simply|just|hereby|always|never|not|now|then|both|all|"
    r"of course|certainly|surely|gladly|even|still|again|personally|quietly|fully|formally|therefore|so|intend|intends|plan|plans|want|wants|wish|free|in a position|allowed|authori[sz]ed|about|likely|sure|determined|committed|keen|who|that|together|first|next|soon|only|usually|normally|gratefully|kindly|each)"
)
#: What our side may do in any sentence: it speaks, shows, asks, counts.
_SAFE_VERB = re.compile(
    r"(?:discuss\w*|talk\w*|speak\w*|spoke\w*|explain\w*|ask\w*|send\w*|sent|shar(?:e|es|ed|ing)|show\w*|meet\w*|met|review\w*|look\w*|walk\w*|help\w*|welcom\w+|prepar(?:e|es|ing)|introduc\w+|check\w*|not(?:e|es|ed)|forward\w*|invit\w+|listen\w*|train\w*|learn\w*|hear\w*|see|saw|seen|measur\w+|report\w*|"
    r"write|writes|wrote|written|read\w*|suggest\w*|recommend\w*|hop(?:e|es|ed|ing)|think\w*|thought|believ\w+|know\w*|knew|lik(?:e|es)|love|thank\w*|describ\w+|list(?:s|ed)?|record\w*|tell\w*|told|say\w*|said|remind\w*|visit\w*|call\w*|compar\w+|repeat\w*|understand\w*|understood|appreciat\w+|enjoy\w*|"
    r"start\w*|begin\w*|began|schedul\w+|organi[sz]\w+|collect\w*|follow\w*|find|finds|found|name|names|named|go|goes|went|bring\w*|brought|pass|passes|come|comes|came|work\w*|sit|sits|join\w*|gather\w*|clarif\w+|answer|answers|respond\w*|reply|replies|advis\w+|put you|put us|be in touch|get back|get in touch|in touch|contact\w*|"
    r"reach\w*|mention\w*|observ\w+|notic\w+|count|counts|counted|agree (?:on|with you on)|plan(?:ned)? (?:a|the|to|for)|learned|propos\w+|present\w*|demonstrat\w*|tour|guide\w*|coach\w*|study|studies|wonder\w*|look forward|care|watch\w*|need\w*|expect|point\w*|turn to|return to|stop by|drop by|leave (?:it|that|this|them) (?:to|with|out)|"
    r"rely on your|treat\w*|decide with you|translat\w+|summari[sz]\w+|draft\w*|sketch\w*|outline\w*|highlight\w*|want|wish|wants|ma(?:ke|kes|de) (?:a note|sure you (?:know|see|hear)|time|an introduction|a list)|took (?:a look|note|notes)|take (?:a look|note|notes|the (?:same )?figures|it up|stock|time|up|the questions?)|taken note|keep (?:you|an eye|in touch|it short|track)|"
    r"set (?:up|aside) (?:a|an|the|some) (?:call|meeting|session|talk|time|appointment)|(?:run|hold|have|give|offer|arrange|plan|do|book) (?:a|an|the|another|some|you a|your teams? a) (?:\w+ ){0,3}?(?:session|training|workshop|call|meeting|talk|introduction|review|walk-?through|tour|demo\w*|hour|chat|conversation|look|overview|question|ideas?|feeling|view)|have (?:no|not|an?|the|your|any|been|heard|seen|learned|met|noted|asked|talked|read)|"
    r"understand|reviewing|hand (?:it|this|that|your) (?:on|over)|route|refer\w*|direct|connect|consult|involve|handle|handles|deal|deals|look after|looks after|responsible|the (?:right|person)|where|there)\b"
)
_SUBJECT = re.compile(rf"\b{_OUR_SIDE}\b(?P<aux>(?:\s+{_AUX})*)\s+(?P<rest>[a-z'-]+(?:\s+[a-z'-]+){{0,7}})")


def grants(sentence: str) -> str | None:
    """A subject of ours with a verb that is none of the harmless ones, or None."""
    for match in _SUBJECT.finditer(sentence):
        rest = match["rest"]
        if re.match(r"(?:and|or|of|for|in|at|on|with|to|from|who|as|the|your|their|our|a|an|by|about|if|when|so|but|before|after|than|is|are|slot)\b", rest):
            continue
        if not _SAFE_VERB.match(rest):
            return match[0]
    return None


# --- forms of promising without a subject -----------------------------------------------------------------------------------

_DONE = (
    r"(?:waived|granted|approved|agreed|confirmed|reduced|lowered|cut|removed|added|extended|prolonged|credited|refunded|reimbursed|covered|included|locked|capped|frozen|fixed|guaranteed|settled|arranged|sorted|done|dropped|lifted|written off|taken (?:care|out|off|down)|moved|"
    r"switched off|suspended|accepted|forgiven|cancell?ed|halved|yours|gone|off|free|history|no longer|not (?:be )?(?:charged|billed|enforced|applied|counted|due|needed|required|payable|invoiced|owed|added)|nothing|set aside|struck|deleted|deducted|offset|absorbed|shelved|relaxed|loosened|protected|"
    r"secured|sealed|safe|reserved|booked|unlocked|activated|doubled|thrown in|paid|honou?red|matched|beaten|adjusted|reset|amended|changed|rewritten|postponed|deferred|paused|put on hold|ready|signed off|carried over|returned|released|on us|on the house|negotiable|flexible|open to|up for|optional|voluntary)"
)
#: A commercial thing that has been done, stays, goes away.
STATES = re.compile(
    rf"\b(?:has|have|had|is|are|was|were|be|being|'s|gets?|got|becomes?|will be|shall be|can be|could be|may be)\s+(?:(?:already|now|hereby|all|also|therefore|then|simply|of course|been|as good as|considered|quietly|fully|permanently|automatically|immediately|retroactively|formally) )*{_DONE}\b|"
    r"\b(?:stays?|remains?|holds?|keeps?|stands? (?:still|firm|where)|comes? (?:down|off|out|in at)|goes? (?:down|away|back)|drops?|falls?|shrinks?|disappears?|vanish\w*|lapses?|expires?|ends? (?:early|there)|no longer (?:appl\w+|counts?|exists?|binds?)|does not (?:apply|count|change|bind|rise|move)|do not (?:apply|count|change|rise|move)|"
    r"will (?:not|never) (?:rise|change|go up|increase|move|apply|appear|be|climb|grow|exceed|pass|hit|show|reach|touch|affect|bind|come)|won't (?:rise|change|go up|increase|move|apply|appear|be|climb|exceed|show)|never (?:rises?|changes?|exceeds?|goes up|moves?)|cannot (?:rise|go up|increase|exceed|change|be (?:raised|increased))|off the table|"
    r"starts? over|runs? on|carries over|rolls? over|belongs? to you|lands?|settles?|will (?:fall|drop|shrink|go down|come down|disappear|vanish|stay|remain|hold|last|continue|end|start|begin|apply)|can (?:fall|drop|shrink|stay|remain|come down|go down|wait|slip|be (?:lower|smaller|less))|unchanged|as (?:it|they) (?:is|are|was|were) (?:now|today)|"
    r"from our (?:side|pocket)|at our (?:expense|cost)|our (?:expense|treat|gift|tab|account|cost))\b"
)
#: A burden denied: 'nothing to pay', 'will not be billed', 'nobody will count them'.
BURDEN = re.compile(
    r"\b(?:no|nothing|never|not|without|nobody|none|zero|free of|neither|nor|don't|won't|doesn't|isn't|aren't|cannot|hardly|no one)\b(?:\W+\w+){0,5}?\W+"
    r"(?:bill\w*|charg\w*|pay|paid|paying|payable|payment|cost\w*|invoic\w*|penal\w*|fees?|consequences?|limits?|enforc\w*|obligation\w*|strings|extra|increas\w*|surcharg\w*|price rise|raise[ds]?|rais\w+|owe[ds]?|due|catch|deduct\w*|expens\w*|insist\w*|hold you|held against|count (?:them|it|that)|counted|counting|"
    r"ask(?:ed)? (?:you )?(?:to pay|for (?:money|more|payment))|chase\w*|mind\b|look at (?:the|them|it)|strict\w*|uplift|index\w*|minimum|commitment|lock-?in|notice needed|deadline|fine[ds]?|liab\w+|harm)\b"
)
#: A liberty given to the customer.
LIBERTY = re.compile(
    r"\b(?:you|your (?:teams?|people|colleagues|company|side|organi[sz]ation)|anyone|everybody|they)\b(?:\W+\w+){0,2}?\W+(?:may|can|could|will|'ll|would|might|are|need|do|don't|won't|get|gets|receive|keep|keeps|have|deserve|only|just|simply|be|is|pay)\b[^.]{0,60}?"
    r"\b(?:leave|walk away|walk out|walk|cancel|hand (?:\w+ ){0,2}back|hand back|give (?:\w+ ){0,2}back|return|reduce|skip|pause|stop|exit|quit|terminate|step out|get out|step back|go early|opt out (?:late|after|whenever)|deduct|withhold|owe|owed|entitled|refund\w*|reimburs\w*|compensat\w*|credit\w*|"
    r"free (?:to|of)|welcome to|pay (?:less|nothing|later|half|what|the same|no)|less|billed|charged|invoiced|for as long as|whenever|at any time|at will|as many|as much|unlimited|beyond|without (?:paying|charge|cost|notice|penalty|a contract)|for nothing|for free|late|rely on|count on|hold us|money back|never pay|not pay|no longer pay|"
    r"upgrade|swap|exchange|downgrade|downsize|sign later|decide later|change your mind|drop (?:seats|licen\w+|out|them))\b|\bfeel free to (?:leave|cancel|add|use more|hand|return|exceed|go over|skip|ignore|deduct|pay)|\b(?:simply|just) (?:leave|cancel|send (?:them|it) back|hand|deduct|ignore|skip|add|keep|stop paying|pay)\b"
)


def defers(clause: str) -> bool:
    """Whether the clause only says who speaks about it, or that somebody asks, shows or sends something."""
    spoken = any(_SAFE_VERB.match(match["rest"]) for match in _SUBJECT.finditer(clause))
    return spoken or _REFERRAL.search(clause) is not None


_REFERRAL = re.compile(
    r"\b(?:talk|speak|write|turn|go|belongs?|goes|direct\w*|address\w*|refer\w*|forward\w*|hand\w*|pass\w*|take|put|leave|left|send|sent|bring|ask|asks|contact|raise|question\w*|discuss\w*|conversation|talks|matter|clarif\w+|answer\w*|explain\w*|understand\w*|shown?|listed|described|written|stands? in|found in|see|read|reads|(?:come|comes) from (?:your|the) (?:account|contracts?|billing|legal))\b"
)

# --- idioms, by category ------------------------------------------------------------------------------------------------

#: (category, pattern). Each promises by itself, whoever is named and whatever else the sentence says, unless it is refused.
IDIOMS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (category, re.compile(pattern))
    for category, pattern in (
        ("free_months_seats",
         r"\bon us\b|\bon the house\b|\bfree of charge\b|\bf\.? ?o\.? ?c\b|\bfor free\b|\bfor nothing\b|\bat no (?:\w+ )?(?:cost|charge|expense)\b|\bno (?:extra|additional|further) (?:cost|charge|fee)s?\b|\bcomplimentary\b|\bgratis\b|\b(?:our|a|as a|small|little|welcome|parting) (?:\w+ )?(?:gift|present|treat)\b|\bgift(?:s|ed)?\b|"
         r"\bthrow(?:s|n|ing)? in\b|\bthrew in\b|\bfree (?:months?|period|trial|upgrade|access|licen[cs]es?|training|pilot|year|weeks?|quarter|service|support|extension|add-?on|storage|edition|ride|use)\b|\b(?:without|with no) (?:a |any )?(?:bill|charge|invoice|cost|fee|payment)\b|\bcosts? (?:you )?nothing\b|\bnothing to pay\b|\bno bill\b|"
         r"\b(?:extra|additional|spare|bonus|more) (?:seats|licen[cs]es|months?|weeks|users|capacity)\b[^.]{0,60}\b(?:for you|to you|same (?:fee|price|money)|included|without|no |at no|until|as (?:a )?thank|on top|yours|from us|open)|\bas many (?:seats|users|people|colleagues|licen\w+|accounts|of them) as\b|\bmeter (?:is |stays |remains )?off\b|\bits meter\b|"
         r"\bpick(?:s|ed)? up the (?:bill|tab|cost|cheque|check)\b|\bfoot(?:s|ing)? the bill\b|\bour tab\b|\bbeyond (?:the|your) (?:contract|licen\w+|seats|agreed)|\bnobody (?:will|is going to|would|ever) (?:\w+ )?(?:count|check|mind|ask|notice|charge|bill)s?\b|\bnobody (?:counts|checks|minds|charges|bills)\b|\bunlimited\b|\b(?:additional|further|new|extra|more|later|other) (?:colleagues|users|people|teams?|seats|members|accounts) (?:are|is|will be|come|comes|join|joins|get|get in|come in) (?:already |also |all |simply )?(?:covered|included|free|in\b|under|without|at no|on)|\bunder the umbrella\b|\blook(?:s|ing)? after the (?:cost|bill|fee|price|invoice)\w*|\bwith(?:out)? (?:our )?compliments\b|\byours to keep\b|\b(?:it|that|this|month|year|upgrade|module|licen[cs]e) is yours\b(?! (?:to|and)\b)|\bfirst (?:month|year|quarter|weeks?) (?:is|are|free|costs?)"),
        ("discount_credit_refund",
         r"\bmoney back\b|\bbest price\b|\bprice (?:cut|reduction|drop|break)\b|\bknock(?:s|ed|ing)? (?:\w+ ){0,4}off\b|\b(?:take|takes|taking|took|taken|shave|shaved|trim|trimmed|strike|struck) (?:\w+ ){0,5}off\b(?! (?:line|the list of))|\bpay(?:s|ing)? less\b|\bfriends?'? (?:and family )?price\b|\binvoice (?:\w+ ){0,4}(?:smaller|lighter|lower|shrinks?|drops?|falls?)\b|"
         r"\b(?:smaller|lower|lighter|reduced|cheaper) (?:\w+ )?(?:bill|invoice|fee|rate|price|amount|sum|contract|subscription|figure)\b|\b(?:bill|invoice|price|fee|rate|cost|total|renewal|figure|amount|sum)s? (?:\w+ ){0,4}(?:come|comes|coming|go|goes|gets?|turn|turns|be|is|look|looks) (?:\w+ ){0,2}(?:down|lower|lighter|smaller|less|cheaper|better|kinder|softer)\b|\bcheaper\b|\bless expensive\b|"
         r"\b(?:special|preferential|reduced|better|sharper|softer|kinder|friendlier|fairer|lower|attractive|favou?rable|improved) (?:price|rate|terms?|conditions?|deal|offer|tariff|pricing|figure|number)s?\b|\bsharpen (?:our|the|my) pencils?\b|\bwritten in pencil\b|\bwiggle room\b|\broom (?:in|on|for) (?:the )?(?:price|renewals?|negotiat\w+|rate|fee|manoeuvre|figure)|\bmeet you (?:half ?way|in the middle)\b|"
         r"\bwrit(?:e|ten|ing) (?:\w+ ){0,3}off\b|\bwrote (?:\w+ ){0,3}off\b|\bin your favou?r\b|\bgoodwill\b|\bgesture\b|\bas a (?:courtesy|thank[- ]you|sign of|token)\b|\bmake (?:it )?up (?:to you|for)\b|\bmake it worth\b|\bsweeten\w*\b|\b(?:towards|against|off) (?:your |the |next )?(?:next |coming )?(?:bill|invoice|renewal|fee|year's)|\bback (?:into|in|to) your (?:pocket|account|budget)\b|"
         r"\blist price is not\b|\bnot the last word\b|\bcarved in stone\b|\bset in stone\b|\bhave your back\b|\bconsider (?:it|that|this) (?:done|settled|waived|gone|approved|yours|agreed|sorted)\b|\bswallow the\b|\babsorb(?:s|ed)? the\b|\bsplit the (?:cost|bill|difference)\b|\bcover(?:s|ed)? (?:\w+ )?(?:the )?(?:costs?|fees?|expenses?|bill|difference|travel)\b|\bcarried over as\b|\bone-?off reduction\b|\bpercentage off\b|\b(?:ballpark|guide price|price point|rough figure|figure in mind)\b|\ba (?:good|nice|fat|decent) deal\b|\bdeal for you\b"),
        ("price_lock_cap",
         r"\bno (?:\w+ )?(?:price )?(?:increases?|rises?|uplift|hikes?)\b|\bprice (?:lock|guarantee|freeze|cap|hold|protection|promise|stop|brake)\b|\b(?:lock|freeze|fix|hold|cap|peg|nail|cement|protect|ring-?fence|shield)(?:s|ed|ing|en)?\b[^.]{0,40}\b(?:price|rate|fee|cost|tariff|amount|figure|conditions|terms)s?\b|\b(?:price|rate|fee|cost|tariff|amount|figure)s?\b[^.]{0,50}\b(?:locked|frozen|fixed|capped|pegged|guaranteed|for good|for ever|forever|for life|"
         r"as long as|stays? (?:where|what|the same|put|as)|stay (?:where|what|the same|put|as)|stays?\b|remains?\b|will not move|not move|never move|unchanged|sleeps?|asleep|same again|no higher|not (?:a cent )?(?:more|higher))|\bsame (?:price|rate|fee|money|cost|amount|conditions|terms|tariff|invoice)\b|\bwhat you pay (?:now|today|already)\b|\bstays? (?:asleep|where (?:it|they) (?:is|are))\b|\bindex(?:ation)?(?: clause)?\b|"
         r"\b(?:next|further|additional|new|other|later|future|more|every other) (?:seat|team|user|colleague|licen\w+|department)s?\b[^.]{0,50}\b(?:same (?:price|rate|fee|money|cost|amount)|like the first|at what|today's|current (?:price|rate|fee)|present (?:price|rate|fee)|no more than|price|rate)\b|\b(?:for (?:ever|life|good)|forever)\b|\bprice list (?:of today|as it is)|\btoday's (?:price|rate|fee|conditions|terms)\b|\bnever (?:pay|be charged|see) more\b|\bnot a cent more\b|\bceiling\b|\bprice tag\b|\bpay what you paid\b|\bsame as (?:last|this) (?:year|term)\b|\bno surprises? (?:on|at|in)\b|\bfor the (?:next|coming) (?:years|terms|renewals)\b|\binflation\b"),
        ("term_change",
         r"\b(?:reduc|cut|drop|remov|cancel|downgrad|hand(?:ing)? back|give back|take back|taking back|took back)\w*\s+(?:\w+\s+){0,5}?(?:seats?|licen[cs]es?|contract|subscription)\b|\b(?:smaller|fewer|less|shorter|looser|lighter) (?:contract|subscription|term|seats|commitment|notice)\b|\bwalk away\b|\bwalk out\b|\bhand(?:ed|ing)? (?:\w+ ){0,3}back\b|\b(?:give|send) (?:\w+ ){0,3}back\b(?= (?:any|when|before|after|at|if|in|with))|"
         r"\bleave (?:early|whenever|at any|before the|any time|the contract|when you|without|from one)|\b(?:end|leave|exit|stop|quit|cancel|terminate)\w* (?:\w+ ){0,4}(?:early|at any time|any time|whenever|before (?:the end|slot|its time)|without (?:notice|penalty|a reason|reasons|cost)|from one (?:day|month))\b|\bshorten(?:ed|s)?\b|\bprolong\w*\b|\bno lock-?in\b|\bmonth (?:by|to) month\b|\b(?:let|lets) (?:\w+ ){0,4}(?:pass|lapse|slip|slide)\b|"
         r"\b(?:accept|take|honou?r|allow|recogni[sz]e)\w* (?:\w+ ){0,5}(?:late|afterwards|after (?:the|slot)|later)\b|\bafter the deadline\b|\bmiss(?:ed|ing)? (?:the|that|your) (?:deadline|date|notice)\b|\bgrace period\b|\bextra time\b|\bmore time to (?:decide|opt|cancel|give notice)\b|\bautomatic(?:ally)? renew\w*|\bauto-?renew\w*|\bback door\b|\bescape (?:clause|hatch)\b|\bopt-?out (?:date|deadline|window|period) (?:will|can|may) (?:be )?(?:moved?|shift\w*|pass|wait|slip|extended)\b|\b(?:regard|treat|consider|see|take|count)\b[^.]{0,40}\bas (?:extended|waived|lifted|suspended|prolonged|cancelled|moved|met|done|given|granted|approved|agreed|void|dead|gone|settled)\b|\btear up\b|\btrial (?:period|phase|basis)\b|"
         r"\bnot (?:bound|tied|held) (?:by|to)\b|\b(?:minimum|fixed) (?:term|commitment|period|volume|number)\b|\bturn a blind eye\b|\b(?:(?:a|always a|your) way out|door (?:stays|is|remains) open|no hard feelings|nothing holds you|free to go|not married|pretend\w*|loopholes?|side (?:letter|agreement)|handshake|gentlemen\w*)\b|\blook(?:s|ed|ing)? (?:away|the other way)\b|\bnobody (?:will )?hold(?:s)? you\b|\bbend the\b|\bstretch the\b|\boverlook\w*\b|\brenegotiat\w+|\breopen the (?:contract|terms)\b|\bpaus(?:e|es|ed|ing) (?:\w+ ){0,4}(?:contract|subscription|payments?|seats|licen\w+|fee)s?\b|\bswap (?:\w+ ){0,4}(?:seats|licen\w+|modules?)\b"),
        ("sla_penalty",
         r"\b(?:always|around the clock|round the clock|day and night|night and day|at any hour|at all hours|every (?:hour|minute|second)|at all times|on sundays?|weekends?|public holidays?)\b[^.]{0,60}\b(?:support|service|system|platform|available|answer\w*|reach\w*|there|staffed|team|desk|up|online|running|engineer)|\b(?:support|service|system|platform|desk|team|engineer)s?\b[^.]{0,60}\b(?:always|around the clock|round the clock|day and night|at any hour|at all times|every (?:hour|minute)|weekends?|on sundays?)\b|"
         r"\b(?:never|not|no longer|no more) (?:\w+ ){0,2}(?:go(?:es)? down|fail|fails|crash\w*|be down|be unavailable|stall|break down|stand still|outages?|interruption\w*|downtime)\b|\bno (?:outages?|downtime|interruptions?|more outages)\b|\bruled out\b|\bwithin (?:the|an?|minutes|hours|moments|(?:the )?same) ?(?:half |working |business |single )?(?:hours?|days?|minutes?|afternoon|morning|of)?\b[^.]{0,30}(?:answer\w*|repl\w+|respon\w+|fix\w*|solv\w+|repair\w*|resol\w+|back|ticket)|\b(?:answer\w*|repl\w+|respon\w+|fix\w*|solv\w+|repair\w*|resol\w+|hear\w*|call\w*|react\w*|engineer\w*|support|desk)\b[^.]{0,60}\b(?:within (?:the|an?|minutes|hours|moments)|(?:the )?same (?:working )?day)\b|\b(?:the )?same (?:working )?day\b[^.]{0,40}\b(?:answer\w*|repl\w+|fix\w*|solv\w+|repair\w*|resol\w+)|"
         r"\b(?:before|by) (?:lunch|noon|evening|the evening|close of business|the end of the day)\b|\b(?:front|top|head|first) (?:place )?(?:in|of) (?:the |our |every )?(?:queue|line|list)\b|\bjump the queue\b|\bpriority (?:support|queue|line|treatment|access|handling)\b|\b(?:dedicated|named|personal|own) (?:engineer|support|technician|agent|hotline)s?\b(?! (?:at your|on your))|\bservice credits?\b|\bcontractual penalt\w+|\bmobile number\b|\bred phone\b|\bguarantee\w*|\bresponse times?\b[^.]{0,30}\b(?:will|shall|of slot|minutes|hours|better|shorter|halve)|"
         r"\bpay (?:\w+ ){0,4}(?:for (?:every|each)|if we|when we|penalt)\w*|\b(?:owed|owe you) compensation\b|\bnines\b|\b(?:first ring|nobody waits|no (?:more )?waiting|never wait|stand-?by|on call)\b|\brun(?:s)? without (?:a )?(?:interruption|break|fail)\w*|\bup and running (?:all|at all|every|always)"),
        ("delivery_date",
         r"\b(?:go|goes|going|went|be) live\b|\b(?:will|shall|to|we) ship\b|\b(?:it|feature|module|version|update|release|app|export|connector|integration|fix) ships\b|\bships (?:with|in|before|next|soon)\b|\brelease (?:date|plan|notes? of)\b|\bnext (?:\w+ )?(?:release|version|update|sprint|iteration)\b|\bcoming (?:release|version|update)\b|\b(?:in|on) (?:the|our|this|next) (?:\w+ )?(?:sprint|backlog|pipeline|roadmap(?! (?:is|says|shows|that|we|at)))\b|\bgeneral availability\b|\b(?:as good as|almost|nearly|all but|already half) (?:finished|done|ready|complete|built)\b|\bbeing (?:built|developed|coded|written for you|tested)\b|\bunder (?:construction|development)\b|"
         r"\broll(?:s|ed|ing)? out (?:the|your|this|it|a new|to)\b(?= (?:new |missing )?(?:feature|connector|module|release|version|app|integration|export|fix))|\bfeature request (?:is|was|has)\b|\bvoted in\b|\bin the works\b|\bwatch this space\b|\byou will (?:soon |then )?(?:have|see) (?:it|the (?:\w+ )?(?:feature|connector|module|export|app|fix))\b|\bweeks away\b|\bmonths away\b|\bdays away\b|\bjust around the corner\b|\baround the corner\b|\bon its way\b|\bdate for the (?:release|launch|delivery)\b|\bdeliver(?:y|s|ed|ing|able\w*)?\b[^.]{0,40}\b(?:date|by|before|in time|feature|module|connector|integration|fix|export)|\bdeveloper\w* (?:is|are|will|has|have)\b"),
        ("legal_warranty",
         r"\blegally (?:binding|safe|sound|covered|protected|responsible|bound)\b|\bwe undertake\b|\byou have (?:my|our) (?:word|promise|assurance|guarantee|commitment)\b(?! that we (?:shall|will) (?:ask|tell|inform))|\b(?:we|i|us|company|management|director|side) (?:\w+ )?(?:stand|stands) (?:behind|by|surety|in for|up for)\b|\bhold us (?:to|liable|responsible|account)|\byou (?:can|may|could|should) (?:safely |always |fully |really )?(?:count|rely|depend|bank|build|bet) on (?!your|them|the people)|\bguarant\w+|\bwarrant\w*|\bindemni\w+|\bliab(?:le|ility|ilities)\b|\bhold(?:s)? (?:you )?harmless\b|"
         r"\b(?:take|takes|taking|assume|accept|bear|bears|carry|carries|shoulder)s? (?:the |full |all |any |every |sole )*(?:responsib\w+|liab\w+|risks?|blame|damage\w*|fines?|loss\w*|consequences?|cost\w*)\b|\b(?:that|this|it) (?:is|would be|will be|becomes) (?:our|ours|for us|on us)\b[^.]{0,30}(?:problem|sort|fix|pay|carry|responsib\w+|fault|risk|headache)|\bour problem\b|\bour risk\b|\bat our (?:own )?risk\b|\bwill pass (?:the|every|any|your) (?:audit|inspection|check|exam)|\bno legal (?:risk|exposure|problem|consequence)|"
         r"\bfully (?:compliant|covered|insured|certified|protected|secure)\b|\b(?:compl(?:y|ies|iant)|conform\w*|meets?|satisf\w+) (?:with )?(?:all|every|any|each) (?:\w+ ){0,2}(?:law|rule|regulation|requirement|standard|norm|audit|obligation)s?\b|\bbinding\b|\bmake (?:good|whole)\b|\bassur(?:e|es|ed|ance|ances)\b|\bpromis(?:e|es|ed|ing)\b|\bvouch\w*|\bswear\w*|\bpledge\w*|\bcross our hearts?\b|\bword of honou?r\b|\b(?:our|my) word\b(?! that we)|\bcannot be held\b|\b(?:sleep (?:soundly|well|easy)|nothing to fear|our name on|you are safe|safe with us|take our word|our insur\w+|in court|on the safe side|keeps? you safe|beyond doubt|without fail|cast[- ]iron|rock[- ]solid|bulletproof|watertight)\b|\bapproved? (?:\w+ ){0,4}(?:dpa|clause|amendment|contract change|changes?)\b|\bsafe harbou?r\b|\bimmune\b|\bnothing can (?:happen|go wrong)\b|\bwithout (?:any )?risk\b|\brisk[- ]free\b|"
         r"\bpay (?:\w+ ){0,3}(?:the )?(?:fines?|damages?|lawyers?|claims?)\b|\bfit for (?:\w+ )?purpose\b|\berror[- ]free\b|\bwe answer for\b|\bif (?:anything|something) goes wrong\b"),
        ("competitor_match",
         r"\bwhatever (?:they|others?|the others?|another|anyone|anybody|somebody) (?:\w+ )?(?:charge|quote|offer|ask|bid|pay|promise|put)\w*|\bwhat (?:others?|the others?|another|anyone|somebody) (?:\w+ )?(?:charge|quote|offer|ask|bid|promise|put)\w*|\bwhat they (?:charge|quote|offer|bid)\w*|\b(?:match|beat|undercut|underbid|equal|meet|top)(?:s|ing|ed|ten)?\b[^.]{0,50}\b(?:quote|bid|offer|price|vendor|competitor|competition|rival|supplier|they|theirs|deal|proposal|figure)s?\b|\b(?:other|another|any other|different|cheaper|competing|rival|second|alternative) (?:vendor|quote|bid|offer|supplier|provider|desk|side|price|deal|tender|proposal)s?\b|"
         r"\b(?:find|found|get|got|offered|quoted|cheaper|same|better|less|price|pay) (?:\w+ ){0,3}elsewhere\b|\bpay the difference\b|\bprice match\w*|\blike-?for-?like\b|\bcounter-?offer\b|\b(?:quote|offer|bid|price) (?:from|of|by) (?:them|someone|somebody|another|others|the other|any)|\btheir (?:price|quote|offer|bid|rate|fee|conditions)\b|\bparity\b|\b(?:as|like|than|with|to|match\w*|meets?|from|equals?|beats?|follows?|under|below) theirs\b|\btheirs (?:will|is) (?:be )?(?:yours|ours)\b|\b(?:come|comes|came|go|goes|stays?|sit|sits) (?:in )?(?:below|under|beneath|at or below) (?:us|ours|that|it|them)\b|\bshop(?:ping)? around\b|\bcompar\w+ (?:offers|quotes|prices)\b|\blevel with (?:them|theirs)\b|\bundersell\w*\b|\bno worse off\b"),
    )
)  # fmt: skip

#: Forms of favour that need no word of the trade: (category, pattern). They promise unless the clause says no, asks or leaves it to somebody else.
FAVOURS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (category, re.compile(pattern))
    for category, pattern in (
        ("legal_warranty",
         r"\bcustomer\b[^.;]{0,60}\b(?:shall|may (?:give|claim|rely|terminate|withdraw|deduct|withhold|reduce|cancel|end|set off)|undertakes?|is entitled|waives?|hereby)\b|"
         r"\b(?:the )?(?:vendor|parties|party|provider|licensor|supplier)\b[^.;]{0,60}(?<!\bwe )(?<!\bi )\b(?:shall(?! (?:we|i)\b)|may (?:give|claim|rely|terminate|withdraw|deduct|withhold|reduce|cancel|end|set off)|undertakes?|is entitled|assumes?|accepts?|waives?|hereby|are agreed|have (?:fixed|agreed)|has (?:fixed|agreed|resolved))\b|"
         r"\b(?:contract|agreement|term|fee|price|charge|notice|amount|sum|clause|expenses?|obligations?|customer's|claims?|application|data|seats?|licences?|allowance|adjustment|rights?|plan|errors?|functions?|modules?|reports?|support|service)\b[^.;]{0,60}(?<!\bwe )(?<!\bi )\bshall\b(?! (?:we|i)\b)|"
         r"\bnotwithstanding\b|\bfor the avoidance of doubt\b|\bshall be deemed\b|\bherewith\b|\btime being of the essence\b|\bin respect of\b|\bas against\b|\bfailing which\b|\bretroactive\w*|\bdischarging\b"),
        ("price_quote",
         r"\bcosts? (?:\w+ ){0,3}(?:no more|less|half|a third|a quarter|as much|the same|what)\b|"
         r"\b(?:dearer|more expensive|pricier)\b|"
         r"\b(?:price tag|per head|a head|all-in|pocket change|round sum|lump sum)\b|"
         r"\b(?:same|old|yearly|annual|agreed|lower|smaller|renewal|round|unchanged) (?:yearly |annual )?(?:sum|amount|total|number|figure|instalments?|money|line)\b(?! of\b)|"
         r"\bset you back\b|\bthe (?:yearly|annual|renewal) (?:sum|amount|figure|total)\b|"
         r"\b(?:what|whatever|everything|all) (?:you|they) (?:overpaid|paid)\b|"
         r"\bsomething (?:will )?come[s]? off\b|\bcom(?:es?|ing) off (?:again|the (?:bill|invoice|next|price|contract))\b|\bstrike from\b|\b(?:number|sum|bill|amount) gets put right\b|\bturned round\b|\bhas been undone\b|\bset (?:it|that|this) against\b|\bkeep the difference\b|\bhold back the\b|\bshav\w+ the\b|\blet go\b|\bgone (?:easy|light) on\b|"
         r"\bgoes up\b[^.]{0,40}\byou\b|\bnothing upwards\b|\bwith more next year\b|\b(?:barely|hardly|not) feel it\b|\bnext adjustment\b|\byearly adjustment\b|\bnailed (?:down|to)\b|\bgrandfathered\b|\bnew (?:price )?sheet\b|\bsame (?:again|year in)\b|\bclosed the question\b|\bput it up\b|\b(?:a lid|ceiling) on\b"),
        ("term_change",
         r"\bnot for you\b|\bin your case(?:[.;,]|$)(?<!, in your case,)|\b(?:except|exception) (?:for|of) you\b|\bunlike (?:customers|others|other|what)\b|\byou (?:are|'re) (?:the|an|our) exception\b|\bis meant for (?:others|newcomers)\b|\bisn't meant for you\b|"
         r"\byours (?:counts|does not|doesn't|won't|will not|is not|isn't|stays?|are not|begins?|goes|is exempt)\b|\bthey are yours\b|"
         r"\bthe paper (?:will|need|does|can)\b|\bonly on paper\b|\bwhatever the (?:paper|contract|small print|terms|price list) says?\b|\bunlike what\b|"
         r"\byou (?:need not|do not need to|don't need to|do not have to|don't have to|won't have to|needn't)\b[^.]{0,40}\b(?:wait|send|sign|pay|give notice|buy|order|count|worry|do anything|ask|fear|plan|go through)\b|"
         r"\b(?:forget (?:it|about|the)|leave (?:it|that) to us|we have seen to it|seen to it|been seen to|we'll see to|help yoursel\w+|go over|by all means|let it slide|waved through|compliments of|be it)\b|"
         r"\byou (?:may|can) (?:hold|take|quote|rely|put|pass|book|count|bank)\b[^.]{0,30}\b(?:me|us|that|it|on it|this|down|board)\b|"
         r"\b(?:cross my heart|no ifs|mark my words|we will stick to it|hold me to|bet the|put our name|say that now|they said fine|it is all right|that's only fair|only fair)\b|"
         r"\bwe (?:talked|spoke) about (?:it|that|you)\b|\bwe checked\b|\bhas been put through\b|\balready (?:typed|noted|entered|booked|done)\b|\btaken the liberty\b|\btook the liberty\b"),
        ("free_months_seats",
         r"\bover and above\b|\bon top of (?:the|your) (?:contract|seats|licen\w+)\b|\babove the number\b|\bextra (?:licen\w+|seats?|weeks?|months?|logins?|people|users)\b|\bbonus (?:seats?|months?|period|quarter|weeks?)\b|\bspare seats on our\b|"
         r"\b(?:unpaid|nobody pays|without charge|no charge|paid part|nobody's cost|bear(?:s|ing)? the (?:cost|expenses?)|borne by (?:us|the vendor)|on our side of the|goes to us|covered by us|our own licence|donation|a courtesy|for no money)\b|"
         r"\b(?:clock|meter|year|paid part|contract|term|billing|subscription) (?:\w+ ){0,3}(?:starts?|begins?) (?:\w+ ){0,2}(?:when|once|after|with)\b|"
         r"\bas (?:if|though) you had (?:booked|bought|paid|ordered)\b|\bas (?:many|much) as (?:you|they)\b|\bnever expire\b|\b(?:stay|keep|leave|let) (?:\w+ ){0,4}(?:in|open|on)\b[^.]{0,30}\b(?:afterwards|longer|after the trial|after slot)\b"),
        ("term_change",
         r"\b(?:give|giving) notice\b[^.]{0,40}\b(?:any time|later|whenever|after|once|by phone|still)\b|\btreated as (?:punctual|timely|on time|received)\b|\bas on time\b|\b(?:moved|pushed|shifted|postponed) (?:it|slot|that|the (?:date|deadline|day|notice))\b|\b(?:push|move|shift|postpone) (?:the )?(?:day of decision|last day|deadline|notice|opt-out|slot)\b|"
         r"\b(?:date|deadline) (?:\w+ ){0,3}(?:open|go by|pass|slip|give in it|on paper|just a date|does not matter|doesn't matter|makes no difference)\b|\bmakes no difference to us\b|\blast day for notice\b[^.]{0,20}\b(?:after|weeks|later|new)\b|\b(?:more|all the) time (?:than you|you need|to decide)\b|"
         r"\b(?:let|lets|letting) (?:you|customers?\b[^.]{0,20}|them) (?:go|out|off)\b|\bout of (?:it|the (?:group )?(?:contract|agreement|deal))\b|\bget out (?:early|of (?:the |your |this )?(?:contract|agreement|deal|it))\b|\bend(?:s|ed)? (?:that|the same|this) day\b|\bcontract (?:goes|ends|closes|stops|waits)\b|\bsimply (?:won't|not) renew\b|\byou stop when\b|\bstep out\b|\brolling\b|\bmonth-to-month\b|\bon ice\b|\block-in\b|\bgive the licences back\b|\bowe us\b|\bshrink you\b|\bdon't sign\b|\byou (?:are|'re) in until\b|\bthe end (?:of it )?(?:forward|date|to)\b|\bcarry on automatically\b|"
         r"\bdowngrad\w+ (?:the|to|in)\b|\bquarterly instalments\b|\bswap (?:the|your)\b|\bexit right\b|\bearly termination\b[^.]{0,60}\b(?:acceptable|possible|allowed|fine|open)\b|\bvolume (?:commitment|allowance)\b|\bown contract\b|\bnext paper\b|\bnew terms\b"),
        ("delivery_date",
         r"\bby the time (?:you|your|their|the|they|we)\b[^.]{0,60}|"
         r"\b(?:is|are|be|been|will be|gets?|get) (?:out|shut|gone|released|closed|switched on|opened up|fixed|mended|history|repaired)\b[^.]{0,40}\b(?:before|by|in (?:the )?(?:spring|summer|autumn|winter|new year|june|march|may|april|next)|from (?:the )?(?:first|monday)|next|tonight|tomorrow|until|this)\b|"
         r"\b(?:sprints?|releases?) from now\b|\bin the build\b|\btwo (?:releases|sprints)\b|\bin your hands\b|\bfront of the roadmap\b|\bmust-have\b|\bbringing (?:it |that )?out\b|\bgoes out (?:on|before|in)\b|\bbeing worked on\b|\bgives? us \w+ weeks\b|\bgive us \w+ weeks\b|\bwill reach you\b|\barrives? (?:ahead of|before|with the)\b|\bno later than\b|\bthe thing (?:you|your)\b|\bnot missing for\b|\bthe (?:missing|gap|bug|button|fix)\b[^.]{0,50}\b(?:will|gets|is (?:being|gone|shut)|before|by the)\b|"
         r"\bour (?:developers|engineers|engineering|product team|product manager)\b[^.]{0,60}\b(?:will|has|have|are|is|promised|building|finish\w*|start\w*|working)\b"),
        ("legal_warranty",
         r"\byou(?:'re| are) (?:insured|covered|safe|clear|certified|compliant|in the clear)\b|\b(?:could|can|will|ever) come back to you\b|\b(?:come|comes|came|coming) after (?:you|us)\b|\bheld against you\b|\b(?:claims?|damage|risk|case|burden|fault|fines?|it) (?:\w+ ){0,2}(?:lands?|stays?|lies) with us\b|\b(?:claims?|damage|risk|burden|fault|fines?) is with us\b|\bmakes? you whole\b|\bmade good\b|\bmake good\b|"
         r"\b(?:law|courts?|regulators?|inspectors?|auditors?|authorit\w+|committee|judge)\b[^.]{0,40}\b(?:is fine|fine with|like[s]? it|satisfied|happy|accept\w*|recogni[sz]\w*|no objection|nothing to say|pass\w*)\b|\brecogni[sz]ed by the auth|"
         r"\b(?:works council|lawyers?|legal|data protection officer|representatives?|employees?)\b[^.]{0,40}\b(?:need not|cannot object|no say|not be asked|put their pens|no need|does not have to|do not have to|don't have to)\b|\bno need to (?:ask|wait for|involve) (?:the|your) (?:works|lawyer|legal|data)\w*|"
         r"\binfring\w+|\bcertif(?:y|ied) (?:you|by us)\b|\bbreach\b|\bdata loss\b|\bperfectly legal\b|\bno legal\b|\bin (?:every|all) countr\w+\b|\bstatutory\b|\bin law\b|\ball that it has to\b|\bclaim lands\b|\bfrom all claims\b|\bassum(?:e|es|ed) responsib\w+|\bassumed by\b|\bwarranted\b|\bdamages?\b"),
        ("competitor_match",
         r"\b(?:ours|we|our (?:price|fee|number|figure|offer))\b[^.]{0,30}\b(?:becomes?|drops? to|goes? to|follows?|mirrors?|matches|equals?) (?:theirs|that|their|the lowest|whatever)\b|\bwhichever is (?:lower|less|smaller)\b|\b(?:their|other) (?:number|figure|sum|amount) (?:is|lies|comes) (?:\w+ )?(?:below|lower|smaller|less|under)\b|"
         r"\bbeaten\b|\bnobody beats\b|\bno daylight\b|\bcourted\b|\blowest (?:bid|bidder|tender|figure)\b|\bunder(?:cut|bid)\w*|\bmore attractive (?:proposal|offer)\b|\bfrom across the street\b|\bwe go where they go\b|\bthey'll find here\b|"
         r"\b(?:rival|challenger|suite|tender|bidder|vendor|supplier|competing \w+|their (?:offer|package|slide|trial|edition))\b[^.]{0,80}\b(?:same|ours|too|here as well|as well|also|do that|look like|made ours|mirror\w*|level|match\w*|in line)\b|"
         r"\b(?:anything|nothing|everything) they (?:give|offer|charge|include|have)\b|\bwe'd do that\b|\bas much as they\b|\bno more here than there\b|\bnew customers coming from\b"),
    )
)  # fmt: skip
#: The vendor's view of the account in plain words: forecasts, hopes, lists.
INTERNAL_VIEW = re.compile(
    r"\bour (?:model|algorithm|segmentation|account team|account notes|forecast|scoring|retention|loss column|books|pipeline|danger list|crm|dashboard|management|list)\b[^.]{0,60}\b(?:you|your|this account|slot)\b|\byou\b[^.]{0,50}\b(?:on|in|into|from) our (?:\w+ )?(?:list|column|books|model|pipeline|forecast|segment|category)\b|"
    r"\bprobable (?:exit|cancellation)\b|\b(?:you|your) (?:leaving|departure|exit|cancellation)\b|\blikely to (?:cancel|leave|go)\b|\bto (?:keep|win|save) you\b(?! (?:informed|posted|waiting|company|time|the|a|up|in))|(?<![\w,] )\bbetween us,|\bdoubtful\b|\bfragile\b|\bgoner\b|\bhostile\b|\bblockers?\b|\bdanger (?:list|rating)\b|\bred line under\b|\bclose eye on you\b|\byou(?:'re| are) (?:difficult|a (?:worry|case|risk))\b|\bmy (?:bonus|target|boss|retention)\b|\b(?:our|the|my) retention (?:committee|target|team|list|desk)\b|\bseats written down\b|\bwritten off part\b|\blow-value\b|\byou(?:r company)? (?:are|is) (?:\w+ ){0,4}a sleeping account\b|\bnot the good one\b|\byour revenue\b|\bpartial renewal\b|\blow influence\b|\bbegins to slide\b|\bjudgement of our\b|\bloss column\b|\bfalling logins\b|\bpredict\w+ (?:of )?you\b|\bwhat we call\b"
)  # fmt: skip

#: Inside the house: an instruction or an intention to give what no plan may give.
INSIDE = re.compile(
    r"\b(?:offer|promis|grant|waiv|refund|reimburs|credit|guarante|compensat|undercut|match|concede|rebate|discount)\w*\b(?:\W+\w+){0,9}?\W+(?:discounts?|rebates?|refunds?|credits?|pric\w+|fees?|charges?|costs?|free|months?|notice|terms?|penalt\w+|compensation|reductions?|part|uptime|liab\w+|"
    r"warrant\w+|damages?|delivery|release|service level|sla|competitor\w*|quote|offer|upgrade|extension|concessions?|money|invoices?|bill|increase|exit|seats? for)\b|"
    r"\bfree of charge\b|\bat no (?:\w+ )?(?:cost|charge)\b|\bfor free\b|\bcomplimentary\b|\bmoney back\b|\bfree (?:months?|period|upgrade|licen[cs]es?|year|service)\b|\bprice (?:lock|cap|freeze|guarantee|match|cut)\b|\b(?:price|fee|rate)s? (?:\w+ )?(?:will|shall|stays?|is) (?:not (?:rise|go up|increase)|stay|frozen|capped|locked|where|as)\b|"
    r"\b(?:lower|reduce|cut|drop|freeze|cap|halve|lock|slash|sweeten)\w* (?:the |their |its |your |our )?(?:\w+ )?(?:price|fee|rate|bill|invoice|cost)s?\b|\b(?:give|gives|given|throw in|add) (?:them|the customer|slot|her|him)?\W*(?:\w+ ){0,4}(?:discount|rebate|credit|free|reduction|months?|extra seats)\b|\b(?:full|all|any) liability\b|\bwe bear\b|\bguaranteed\b|"
    r"\b(?:discount|rebate|refund|credit|reduction|fee waiver) (?:\w+ )?(?:applies|is (?:granted|approved|agreed|due|given|promised)|was (?:granted|approved|agreed|promised)|has been)\b|\bshorten (?:the )?(?:term|notice)|\bextend (?:the )?(?:term|notice|opt-?out|deadline)|\bswitch(?:ed)? off (?:the )?(?:automatic )?renewal|\b(?:let|release) (?:them|the customer) (?:out|go early|leave)\b|\bwithin the hour\b|"
    r"\b(?:assur|guarante|promis|pledg|vow)\w* (?:to )?(?:slot|them|her|him|the (?:customer|sponsor|champion|buyer|account|director|team|board)|everyone|everybody|their \w+)\b|"
    r"\b(?:tell|inform|let|write|confirm|say|explain|signal|hint)\w* (?:to )?(?:slot|them|her|him|the (?:customer|sponsor|champion|buyer|account|director|team|board)|their \w+)(?: know)?,? (?:that|how|they)\b[^.]{0,80}\b(?:credited|refunded|reimbursed|waived|compensated|delivered|shipped|released|extended|discount\w*|cheaper|lower(?:ed)?|reduced|match\w*|free of|for free|not (?:rise|go up|increase|be billed|be charged)|frozen|capped|locked|"
    r"leave early|cancel\w*|liab\w+|guarant\w+|same day|within the hour)\b|\bpay (?:their|the customer's|its) (?:fine|damage|cost|lawyer)\w*|\bservice credits?\b|\bbeat (?:any|the|their|every)\b"
)

#: The vendor's own view of the account, in everyday words too.
INTERNAL = re.compile(
    r"\b(?:risk (?:score|band|rating|level|register|list|class|report)|health score|(?:red|yellow|amber|green|orange) (?:account|flag|list|light|band|zone|box|category)|(?:marked|flagged|rated|ranked|classed|listed|scored|coded|tagged|categori[sz]ed) (?!by you|it as|in yellow|for )(?:\w+ ){0,3}(?:red|amber|yellow|as|low|high|poor\w*|weak|critical|with us|by us|internally)|not green\b|in the red\b|turned red|"
    r"shelf ?ware|muda|mura|muri|lean (?:risk|score)|save (?:play|plan|case|desk|team)|rescue\w*|renewal risk|detractor\w*|upsell\w*|up-sell\w*|cross-?sell\w*|down-?sell\w*|nrr|grr|internally (?:we|you|our|rated|known|ranked|at our)|internal(?: (?:view|note|list|score|report|notes|forecast|review|meeting|discussion|assessment|use))?|lifecycle phase|win-?back|post-?mortem|champion risk|escalation risk|"
    r"right-?siz\w+|headroom|over-?licen[cs]ed|over-?bought|over-?sold|expansion (?:target|potential|play|case|revenue)|watch ?list|on (?:our|the|a) (?:watch|radar|list of)|alarm\w*|early warning|warning (?:sign|light|list|lamp)s?|a warning|(?:we|i|our \w+) (?:\w+ )?(?:fear|fears|worry|worries|worried|doubt|doubts|suspect|suspects|dread|expect to lose|are afraid|are nervous|is nervous|are concerned|are worried)|nervous|in doubt|"
    r"(?:might|could|may|will|would|going to|about to|likely to) (?:well |soon )?(?:leave us|leave|lose you|churn|drop us|not renew|jump ship|be lost)|(?:lose|losing|lost) you\b|losing (?:this|your|the) (?:account|business|contract)|leave us|leaving us|our (?:forecast|notes|records|crm|books|scor\w+|ranking|system|director|board|management|list|file|files|model|report) (?:\w+ )?(?:say|says|show|shows|carr\w+|describ\w+|count\w*|lists?|puts?|rates?|see|sees|reads?|marks?|holds?|has you|expects?|"
    r"ranks?|predict\w*|call\w*|warn\w*)|(?:on|in) your file\b|among ourselves|between ourselves|in our books|behind the scenes|off the record|confidential\w*|weak (?:sponsor|champion|account|use)|(?:sponsor|champion) (?:is|was|seems|looks) (?:weak|gone|lost|shaky|absent)|our experience says|accounts (?:(?:that|which) (?:could|might|may|will|are likely|tend|leave|cancel|we)|like yours)|customers (?:who|that) (?:leave|cancel|churn|usually)|probabilit\w+|likelihood|how likely|prospects of (?:a )?renewal|"
    r"profitab\w*|margins?|quota|commission|(?:low|high|top)[- ]priority account|segment\b|tier\b|arr\b|revenue (?:at|in) (?:risk|danger)|at stake|in danger|endanger\w*|jeopard\w*|shaky|wobbl\w+|bad (?:shape|account)|problem (?:account|child)|difficult (?:account|customer)|unhealthy|poor health|your health|health of (?:your|the|this) (?:account|contract|relation\w*)|our (?:internal )?view of you|"
    r"what we (?:say|think|write|note) (?:of|about) you|second thoughts|on the way out|write you off|written you off|given up on you|cold(?:er)? (?:account|relation\w*)|we (?:rank|score|grade|count you|put you|list you|see you as|regard you|have you (?:down|marked))|our (?:worr\w+|concerns?|doubts?|fears?)\b|signs? of leaving|lukewarm|(?:talked|spoke|spoken) about you\b|do not (?:share|forward|show) (?:this|it)|for our eyes)\b"
)
#: Words of the house that a customer's own trade has too: they count beside us or you, and not beside the customer's customers.
INTERNAL_COMMON = re.compile(
    r"\bred flags?\b|\b(?:at[ -]risk|churn\w*|wast(?:e|es|ed|ing|age)|expansion)\b(?=[^.]*\b(?:you|account|accounts|seats?|licen\w+|contract|subscription|revenue|renewal|renew\w*|customers?|slot|we|us|our|logo|segment|list|model|score)\b)|"
    r"\b(?:you|your|account|accounts|seats?|licen\w+|contract|subscription|revenue|renewal|renew\w*|slot|we|us|our|model|score|flagged|rated|marked|risk)\b[^.]*\b(?:at[ -]risk|churn\w*|wast(?:e|es|ed|ing|age)|expansion)\b"
)
INTERNAL_OF_THEIRS = re.compile(
    r"\b(?:food|paper|hazardous|solid|green|bulky|toxic|medical|industrial|construction|zero|less|cutting|scrap and|weigh\w*|book\w*) waste\b|\bwaste (?:per|in|of the|is booked|are booked)\b|\bchurn (?:report|view|of|rate|status|figure|dashboard|analysis|model of yours)\b|\b(?:own|customer|subscriber|your customers'?|member|tenant|employee|staff) churn\b|\bcall it churn\b|\"(?:churned|at risk)\"|\bat[ -]risk (?:orders?|projects?|flag|pupils|students|patients|deliver\w+|families|children|shipments?|tasks?|milestones?)\b|\btime (?:should|must|need|is|gets|was) (?:not )?be wasted\b|\bwasted (?:trips?|journeys?|time|effort|paper|material)\b|\bwast\w* (?:time|anybody's|anyone's|nobody's|their)\b|\b(?:site|office|store|shop|plant|market) expansion\b|\bexpansion of (?:the|your) (?:plant|site|warehouse|store|network|fleet|building)\w*"
)

# --- what promises nothing -------------------------------------------------------------------------------------------------

_GRANTED = (
    r"(?:offer\w*|promis\w+|grant\w*|guarantee\w*|confirm\w*|commit\w*|agree\w*|quot\w+|discount\w*|refund\w*|credits?|rebate\w*|waiv\w+|extend\w*|extension\w*|chang\w+|match\w*|decid\w+|decision\w*|negotiat\w+|speak|discuss\w*|say|tell|comment\w*|answer\w*|give|provide|make|name|set|reduc\w+|lower\w*|prices?|pricing|terms?|assur\w+|undertak\w+|"
    r"speculat\w+|mean|contain\w*|include\w*|date|dates|deadline\w*|free|authori\w+|announc\w*|concession\w*|warrant\w*|liab\w*|legal|roadmap|release\w*|compar\w+|competitor\w*|exception\w*|compensat\w*|service level\w*|conditions?|figures?|amounts?|money|commercial\w*|accept\w*|move|touch|treat\w*|read|stand)"
)
_STRONG_NO = re.compile(
    r"\b(?:cannot|can not|can't|could not|unable to|not able to|not in a position to|no authority|without (?:the )?authority|not authori[sz]ed|not allowed to|not (?:mine|ours|for us|for me|our place|up to us)|may not|must not|nobody (?:here |at our side )?(?:can|may)|no one (?:can|may)|do not|does not|don't|doesn't|will not|won't|never|neither|nor|none of|declin\w+|refus\w+|refrain\w*|"
    r"rather not|would be wrong|wrong to|is not (?:possible|something|part|a matter|in|meant|intended|an)|are not|isn't|no(?! longer)|without|rul(?:e|es|ed) out|leav(?:e|es|ing) out|outside|beyond (?:our|my|this)|nothing (?:in this|here|that we)|not here|not with this|answered with no|answer is no|say no|not)\b"
    rf"[^.;,]{{0,70}}?\b{_GRANTED}\b"
)
_GRANTED_NO = re.compile(
    rf"\b{_GRANTED}\b[^.;]{{0,60}}?\b(?:is|are|was|were|would be|must be|has to be|have to be|will be|can be|can|may|could|should)?\s*(?:not (?:possible|ours|mine|for us|something|part|in|a matter|decided|made|given|offered|promised|discussed|agreed|to be|be|meant|available)|cannot|impossible|out of (?:the question|our|my)|answered with (?:a )?no|declined|refused|beyond (?:our|my|this))\b"
)
#: A no to a no, and an exception to a no.
_UNDONE = re.compile(
    r"\b(?:cannot|can't|will not|won't|not|never|hardly) (?:\w+ )?(?:refuse|decline|say no|turn (?:it|you|this|that) down|object|stand in (?:the|your) way|deny|resist)\b|\bexcept (?:for|to|in|with) (?:you|your|this)|\bexcept you\b|\bbut for you\b|\bunless (?:it is )?you\b|\bthis (?:time|once) (?:we|it|you)|\bapart from you\b|\bwith (?:one|an|the) exception\b|\bmake an exception\b|"
    r"\bnot only\b|\bno longer\b|\bnot (?:any ?more|for you|to you|yours|in your case)\b|\bnot (?:be|being|get|have to be|to be) (?:billed|charged|invoiced|asked|enforced|counted|held|penali[sz]ed|raised|increased|applied)\b|\bdo(?:es)? not (?:charge|bill|invoice|enforce|apply|count|insist|raise|increase|cost|bind|expire)\b|\bwill not (?:charge|bill|invoice|enforce|apply|count|insist|raise|increase|cost|rise|go up|change|move|see|pay|bind|be)\b|\bnot (?:pay|see|notice|owe|feel)\b|\bno doubt\b|\bnothing stands in\b|\bno problem\b|\bno (?:\w+ )?(?:charge|cost|fee|bill|invoice|increase|penalty|surcharge|uplift)s?\b"
)
#: We, or this paper, cannot: whatever it is.
_PLAIN_NO = re.compile(
    r"\b(?:we|i|customer success|this (?:plan|document|letter|page|roadmap|paper|text|note)|nobody here|no one here|nobody on our side|none of (?:this|these|it|them|us)|nothing (?:here|in this \w+|written here|in it)|csm|customer success managers?)\b (?:therefore |also |simply |really |however )*"
    r"(?:cannot|can't|can not|could not|couldn't|are not able|am not able|are unable|am unable|have no (?:authority|right|power|say|mandate|means|part|date|view|promise)|are not (?:in a position|the ones?|allowed|authori[sz]ed|permitted|entitled)|am not|may not|must not|do not know|don't know|does not know|is silent|can be part|takes? no|makes? no|sets? no|contains? no|says? nothing|speaks? of no|changes? no|changes? nothing|should be read|is (?:a|an) (?:offer|promise|quote))\b"
    r"(?! (?:wait|help|but|imagine|charge|bill|invoice|ask you|take (?:your )?money|let you pay|hold you|raise|increase|enforce|insist|refuse|decline|deny|say no|object|resist))|"
    r"\b(?:is|are|was|were|would be) (?:not|beyond|outside) (?:what |anything |something )?(?:we|i|customer success|this (?:plan|document)|our|my|ours|mine|for us|for me)\b|\bnot (?:our|my) (?:part|decision|place|call|business|role|task)\b|\bnone of (?:these|them|this|that) (?:can|is|are|may|could)\b|\b(?:sadly|unfortunately|regrettably) (?:no|not)\b|\bwrong of (?:us|me) to\b|\bdishonest to\b|\b(?:isn't|is not|aren't|are not|wasn't) (?:\w+ ){0,2}(?:within|something|possible|a conversation|meant|part|paid)\b|\b(?:doesn't|does not|don't|do not|didn't) (?:\w+ ){0,3}(?:allow|permit|provide|promise|offer|interpret|include|imply)\w*|\b(?:depends on|leads? to), or (?:depends on|leads? to)\b|\bnone of (?:the|these|those|its) \w+\b[^.]{0,30}\b(?:depends|leads|is|are|can|changes|gives)\b|\bthere(?: is|'s) none\b|\bis no from our side\b|\bcan't be part\b|\bwill neither\b|\bbe overstepping\b|\bmakes? no statement\b|\bwe would be allowed\b|\bno conversation (?:my|our)\b|\bnot among them\b|\bwe are not(?:[.;,]|$)|\bno obligations?\b|"
    r"\b(?:has|have) (?:none|not been asked for)\b|\bwe (?:shall|will) not be in it\b|\bno date for\b|\bpasses? it on\b|\bthat is a negotiation\b|\bno authority\b"
)
_FIRST_NO = re.compile(
    r"\b(?:cannot|can not|can't|unable to|not able to|not in a position to|no authority to|not authori[sz]ed to|not allowed to|may not|must not|would be wrong to|wrong to|do not|does not|never|nobody (?:here )?(?:can|may)|no one (?:can|may)|neither [\w ]{0,20} nor [\w ]{0,20} can|is not (?:possible|ours|for us|for me|something we can)|declin\w+ to|refus\w+ to)\b[^.;]{0,40}?\b(?:promise|guarantee|confirm|say(?! no)|commit|assure|offer|quote|name|announce|discuss|speak|comment|decide|agree|give|make|negotiate|grant|undertake|provide)\b"
)


def refuses(clause: str) -> bool:
    """Whether the clause says no to what it speaks of. A denied burden ('will not be billed') and an exception ('but not for you') is a yes."""
    if _UNDONE.search(clause):
        first = _FIRST_NO.search(clause)
        return first is not None and not re.search(r"\bexcept|\bbut for you|\bunless you|\bexception\b|\bnot only\b|\bthis (?:time|once)\b", clause)
    return any(form.search(clause) is not None for form in (_STRONG_NO, _GRANTED_NO, _PLAIN_NO))


#: The contract speaks, not we.
QUOTES = re.compile(
    r"\b(?:according to|under|in|per|by|as (?:set out|stated|agreed|signed|written|listed|it stands|they stand|laid down|described)(?: in| by)?|pursuant to|from|of|on|governed by|with reference to|see) (?:the |your |our |this |that |its )*(?:current |signed |existing |present |running )?(?:contract|agreement|order form|order|subscription|appendix|schedule|annex|terms of service|general terms|signature)\b|"
    r"\b(?:the|your|our|this) (?:current |signed |existing |present |running )?(?:contract|agreement|order form|subscription|appendix|schedule|annex|paper|papers) (?:also |itself |now )?(?:say|says|state|states|set|sets|lists?|names?|shows?|provides?|govern\w*|covers?|runs?|renews?|ends?|describ\w+|contains?|defines?|is|has|holds?|includes?|fixe?s|comes|began|started|was|regulates?|requires?|lays|gives|began|spells?|counts?)\b|"
    r"\bas (?:signed|agreed|contracted|written|you signed|it stands|they stand|in the contract)\b|\bcontracted (?:price|fee|rate|seats|amount)\b|\b(?:price|fee|rate|amount) (?:in|of|under|from) (?:the|your) (?:\w+ )?(?:contract|agreement|order)"
)
_THIRD = r"(?:customers?|clients?|suppliers?|subscribers?|tenants?|guests?|patients?|members?|buyers?|shops?|stores?|citizens?|students?|pupils?|drivers?|dealers?|travell?ers?|passengers?|households?|residents?|donors?|applicants?|owners?|farmers?|fans|visitors?|readers?|players?|retailers?|carriers?|contractors?|employees?|applicants?|borrowers?|policy ?holders?|children|families|animals|buildings|sites|plants)"
#: The customer's own trade: their customers, their clerks, their invoices, and what the product does with these.
OWN_TRADE = re.compile(
    rf"\b(?:your|their|its|own) (?:\w+ )?{_THIRD}(?:'s|s')?\b|\byour (?:own |rivals|(?:menu|bank|penalty|subscription|service|supplier|software|dealer|customer|carbon|product|team's|branches|dean|office|suppliers|subcontractors|buyers|clerks|lawyers|dispatch\w*|planners?|treasury|accountants?|controll\w+|purchas\w+|receivables|quoting)\b)|\b(?:of|to|between|from|by) yours\b|\bcompetitors? of yours\b|\b{_THIRD}(?:'s|s')? (?:\w+ )?(?:pays?|paid|paying|has paid|have paid|could pay|can pay|invoices?|payments?|prices?|refunds?|credits?|contracts?|fees?|bills?|discounts?|quotes?|orders?|claims?|tickets?|accounts?)\b|\bcredit notes?\b|\bprice lists?\b|\bpayment (?:terms|runs?|data|files?|reminders?)\b|"
    r"\b(?:your|their|the|own) (?:own )?(?:pricing|billing|payments?|credit|contracts?|legal|finance|procurement|purchasing|accounts|accounting|invoicing|sales|collections?|quotation|cost|claims|tariff|fee|refund|discount|invoice|penalty|waste|risk|warranty|compliance) (?:team|teams|desk|department|people|colleagues|staff|clerks?|managers?|analysts?|office|group|specialists?|runs?|data|reports?|module|screen|page|tool|app|process\w*|rules?|tables?|files?|templates?|forms?|codes?|"
    r"cent(?:er|re)|view|dashboard|workflow|calculat\w+|import|export|numbers?|collection|tracking|control|history|lists?|engine|planning|register|entries|fields?|records?)\b|\bcost (?:centres?|centers?|accounting|control)\b|\bhow (?:to|they|your) \w+ (?:an? |the |their )?(?:invoices?|credit|payments?|refunds?|quotes?|discounts?|prices?|fees?)"
)
#: Short answers that promise what the sentence before spoke of.
ELLIPSES = re.compile(
    r"(?:^|[,;:] ?)(?:but |and |so )?(?:(?:the|our|my) (?:answer|reply|word) (?:is|was|will be) (?:a )?yes\b|not (?:for|to|with|in) (?:you|your)\b|not (?:you|yours|this time|any ?more|here)\b|yours (?:\w+ ){0,3}(?:not|is|are|will|has|have|stays?|does|do|too|as well|can)|(?:and )?so (?:will|do|does|can|are|is|have|has|would|shall) (?:you|we|yours|ours|our|your|it|they)\b|neither will yours|same (?:here|for you|goes)|the same (?:goes|holds|applies|is true) for (?:you|yours)|you (?:are|will be|would be|shall be) (?:the|an|our) exception|the exception|"
    r"forget (?:it|them|that|about)|consider (?:it|that|this)|(?:it|that|this) (?:is|'s|was|has been|will be|would be) (?:done|yours|settled|sorted|handled|fine|no problem|all right|ok|a deal|gone|over|history|taken care|arranged|agreed|our|on)|(?:it|that|this) (?:will|would|shall|can|does|need|must) (?:not|never|no longer|happen|stay|be|end|go|change|come|hold|work|still|have|too|also)\b|that (?:changes|ends|stops|stays|holds|includes|covers|settles|goes)\b|we (?:do|will|shall|can|have|did|would)(?:\.|,|$| so\b| that\b| it\b| too\b| for you\b| this\b| both\b)|"
    r"(?:just )?(?:say|give) (?:the word|us a word|so|us a sign|a sign)|(?:just )?tell (?:us|me) (?:and|when|which|how many|what you)|call (?:me|us)(?: and|\.|,|$)|ask (?:and|for it|us and)|deal\b|done\b|granted\b|agreed\b|approved\b|yes\b|no problem|problem solved|leave (?:it|that|them) (?:to|with) (?:us|me)|count on (?:it|us|that)|you can (?:count|rely|depend|have|keep|forget|stop|leave|drop|skip|ignore|go)\b|you (?:will|would|shall|do|need|can|may) (?:not|never|no longer)\b|you get (?:it|them|that|both|this)|"
    r"(?:for|with|in) (?:you|your case|yours)\b[^.]{0,40}\b(?:not|no|never|off|different|otherwise|free|less|stays|ends|gone)|ours (?:too|as well|will|is|does)|no (?:more|longer|need|reason|worries|worry)\b|nothing (?:more|else|changes|to (?:pay|sign|fear|do)|will)|never (?:again|mind)|there (?:is|will be) (?:none|no|nothing)\b|(?:it|they) (?:stays?|goes|go|ends?|disappears?|vanish\w*|drops?|comes?|waits?) (?:where|away|down|off|there|then|with|back|here|for|on)\b|half of (?:it|that)|from us\b|(?:with|on) our (?:account|tab|bill|cost|expense|compliments|blessing|word)\b)"
)

# --- text that obeys somebody else's --------------------------------------------------------------------------------------

_SOURCES = r"(?:tickets?|notes?|instructions?|transcripts?|comments?|subject lines?|display names?|account names?|contact names?|fields?|survey answers?|surveys?|free text|prompts?|attachments?|footers?|signatures?|memos?|command\w*|orders?(?! form)|messages?|call logs?|chat\w*|voice ?mails?|e-?mails?|mails?|documents?|records?|tags?|hidden \w+|request in)"
OBEYS = re.compile(
    rf"\b(?:as|what|just as|exactly as) (?:the|your|this|that|our|a|his|her|their)?\s?(?:\w+ ){{0,3}}{_SOURCES} (?:\w+ )?(?:asks?|asked|says?|said|tells?|told|orders?|ordered|instruct\w*|dictat\w*|demand\w*|requir\w*|states?|stated|wants?|wanted|requests?|requested|reads?|puts?|directs?|directed|commands?|suggests?|specif\w+|lays|laid|has it)\b|"
    rf"\b(?:per|following|according to|in line with|as per|pursuant to|obeying|by order of|on the order of|at the request of|in accordance with|based on|because of|due to|in answer to|in response to) (?:the|your|this|that|an?|his|her|their)? ?(?:\w+ ){{0,3}}(?:instructions?|ticket|tickets|transcript|comment|command\w*|order\b(?! form)|subject line|display name|account name|hidden \w+|field|note\b|note in|survey|request in|prompt|memo|voice ?mail)|"
    rf"\b(?:per|following|according to|in line with|as per|pursuant to|based on|because of|in answer to|in response to) (?:the|a|an|this|that|his|her|their) (?:\w+ )?(?:messages?|e-?mails?|mails?|letters?|chats?|text|call|posts?|entry|remark) (?:from|of|by|in|that|which)\b|"
    rf"\bas (?:requested|instructed|ordered|asked|directed|demanded|told|dictated|required|noted) (?:in|by|through|via|from) (?:the|your|this|a|an|that|our|his|her|their) (?:\w+ ){{0,3}}{_SOURCES}|\b(?:the|this|your|that|a) (?:\w+ ){{0,2}}{_SOURCES} (?:\w+ ){{0,2}}(?:instruct\w*|orders? (?:us|me|that)|told (?:us|me)|tells (?:us|me)|dictat\w*|demands? that|requires? (?:us|me|that)|authori[sz]\w*|obliges|commands?)|"
    rf"\b(?:the|this|your|that|a|their|his|her) (?:\w+ ){{0,2}}{_SOURCES} (?:says?|states?|notes?|claims?|reads?|mentions?|confirms?) (?:that )?[^.]{{0,60}}\b(?:(?:has|have|had|is|was|were) (?:\w+ )?(?:approved|granted|agreed|authori[sz]ed|promised|accepted|waived)|agreed|so (?:it|we|you))\b|"
    r"\boverrid(?:e|es|den|ing)? (?:all|any|the (?:rules|policy|gates?|instructions?|system)|previous|prior|every|your|code|mode)\b|\boverride\b|\bdebug\b|(?<!import )(?<!setup )(?<!search )\bassistant\b|\bnew rules?\b|\bend of (?:instructions?|prompt|ticket)|\bobey\w*|\bsystem (?:message|prompt|note|override)\b|\bignore (?:all|any|the|previous|prior|every)|\bdisregard\w*|\bas an? (?:ai|language model|assistant)\b|\binstructions? (?:above|below|received|followed)|\bnew instructions?\b|\bby (?:special )?order\b|\bhereby\b|\badmin(?:istrator)? mode\b|\bjailbreak|\bdeveloper mode\b|\bact as\b|\byou are now\b|\bprompt\b|\bhidden (?:note|text|instruction|message|line)"
)
