"""Ways of committing us that need neither a commercial noun nor a verb of promising, by class.

`commitments.py` knows the grammar of a promise: somebody of ours grants a thing of the trade. These classes have no such pair in the
sentence: an act done by saying it ("this page is that confirmation"), a paper that is made binding, an assurance about law or service,
a hint that leaves the conclusion to the reader, a thing of somebody else's that the reader gets from us as well. Written by class, from
what a reviewer would count as binding or as showing our own view, so that a class holds sentences that nobody has thought of yet.

All patterns are for folded lower-case text in which a slot stands as the word `slot`; a pattern stands for itself, unless the clause refuses.
"""

from __future__ import annotations

import re

_PAPER = r"(?:plan|document|page|letter|text|roadmap|note|mail|message|paper|summary|list)"
_BOND = r"(?:contracts?|agreement|order form|signature|commitment)"
_MEETING = r"(?:dates?|days?|times?|meetings?|sessions?|appointments?|attendance|receipt|participants?|names?|agenda|rooms?|places?|trainings?|calls?|workshops?|owners?|list|figures?|numbers?|contacts?|steps?|next|with|who|when|where|whether|how|in|on|by|slot|seats? in)"
#: Adverbs that may stand between us and what we do.
_READILY = r"(?:(?:hereby|gladly|happily|therefore|fully|also|formally|thus|so|herewith|and|will|can|do|simply|of course|always) ){0,2}"
#: Those who judge whether something is lawful.
_JUDGES = r"(?:courts?|judges?|regulators?|authorit(?:y|ies)|auditors?|inspectors?|supervis\w+|tribunals?|lawyers?|works councils?)"

#: (category, pattern), as in `commitments.IDIOMS`.
TURNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (category, re.compile(pattern))
    for category, pattern in (
        # A paper that is made binding, or changed.
        ("term_change",
         rf"\b(?:this|the|that|our) {_PAPER}\b[^.]{{0,60}}\b(?:forms? (?:a )?part of|becomes? (?:a )?part of|is (?:a )?part of|counts? (?:like|as)|is as good as|has the (?:force|weight) of|supplements?|amends?|replaces?|overrules?) (?:the|your|our|an?)? ?(?:\w+ )?{_BOND}\b|"
         rf"\b(?:counts?|binds?|holds?|stands?|is worth|weighs?|is good) (?:us )?(?:just )?(?:like|as(?: much as| good as)?|the same as) (?:the|an?|your|our) (?:\w+ )?{_BOND}\b|"
         rf"\bwe have (?:already |also )?signed (?:it|this|that)\b|\b(?:we|i) {_READILY}(?:change|amend|adjust|rewrite|alter|redo|reissue|correct|reopen|loosen|tear up) (?:the|your) (?:order form|form|order|contract|agreement|paper\w*|schedule|annex|subscription|commitment)\b|"
         rf"\b(?:walk|step|slip|get|buy yourself|back|pull) (?:away|out)(?: of (?:it|this|the (?:contract|agreement|deal)))? (?:earlier|early|sooner|ahead of|before|at any|whenever|without)\b|\b(?:treat|take|regard|read|see|consider) (?:the|your|that|this) (?:notice|deadline|opt-?out|term|minimum|commitment|clause|renewal)\b[^.]{{0,40}}\b(?:as|more like) an? (?:suggestion|guideline|formality|guide|hint|recommendation|rough\w*)\b"),
        # An assurance about the law, in whatever words.
        ("legal_warranty",
         rf"\bno (?:legal|liability|compliance|privacy|regulatory|contractual) (?:risks?|problems?|issues?|obstacles?|questions?|doubts?|concerns?|consequences?|trouble|hurdles?)\b|\bno {_JUDGES} (?:\w+ )?(?:would|will|can|could|has|have|ever|sees?|finds?)\b|\b(?:any|every|your) {_JUDGES} (?:would|will|can) (?:\w+ )?(?:agree|accept|be happy|be satisfied|sign|approve|find nothing|pass|side|take it)\b|"
         rf"\b(?:meets?|satisf(?:y|ies)|fulfils?|fulfills?|compl(?:y|ies) with|conforms? (?:to|with)|withstands?|stands? up (?:in|to|before)|passes?|agrees? with) (?:\w+ ){{0,4}}(?:laws?|regulations?|gdpr|statutes?|directives?|{_JUDGES})\b|\b(?:lawful|legally (?:safe|sound|clean|fine|required|sufficient)|court-?proof|audit-?proof|watertight|beyond (?:legal )?reproach|admissible|within the law)\b|"
         rf"\b(?:safe|right|good|dry) side (?:of|with|before) (?:the )?(?:law|{_JUDGES})\b|\b(?:stand in|answer|vouch|liable|on the hook|responsible|take the blame) for (?:any|every|all|whatever|the) (?:\w+ )?(?:harm|damage|loss(?:es)?|fines?|consequences?|error|mistake|breach)\b|\b(?:cannot|can't|never|impossible to) (?:be )?(?:breach\w*|hack\w*|leak\w*|get lost|break into)\b|"
         rf"\b(?:we|i) {_READILY}(?:read|understand|interpret|construe) (?:it|the clause|that clause|this clause|the (?:contract|paragraph|wording)) (?:your way|as you do|in your favou?r|the way you)\b"),
        # How fast somebody's trouble is over.
        ("sla_penalty",
         r"\b(?:tickets?|problems?|faults?|errors?|incidents?|bugs?|ones|requests?|outages?|cases?)\b[^.]{0,60}\b(?:closed|solved|fixed|resolved|repaired|gone|off the table|dealt with)\b[^.]{0,16}\b(?:before|within|the same (?:day|hour|morning|evening|shift)|by the (?:end|evening)|overnight|at once|from now on|for good|from here on)\b|\bbefore the (?:day|hour|week|shift) is (?:out|over|up)\b|\bjump\w* (?:the|any|every) (?:queue|line)\b|"
         r"\b(?:you|your (?:tickets?|requests?|calls?|people|teams?)) (?:\w+ )?(?:hears?|gets?|has|have|will (?:hear|get|have)|receives?) (?:\w+ ){0,4}(?:before|within|sooner than|faster than|in less than|by return|same day)\b|\b(?:never|no longer|not) (?:again )?(?:wait|be kept waiting|be left waiting)\b[^.]{0,20}\b(?:longer|more|than)\b|\baround the clock\b|\bon (?:call|standby) for you\b"),
        # A thing that is still being made, met in time.
        ("delivery_date",
         r"\b(?:will|'ll) (?:find|see|have|meet|discover|get|hold|notice) (?:\w+ ){0,4}(?:in (?:the|your) (?:product|tool|menu|platform|app|software|edition|next release|new version|hands?|workspace)|waiting)\b[^.]{0,20}\b(?:when|after|before|by|once|next|as soon as)\b|\b(?:by hand|manually|without (?:it|this|that)|this way|the old way)\b[^.]{0,40}\b(?:for much longer|not (?:much|for) long|not for ever|soon)\b|"
         r"\bjoins? (?:the|your) (?:product|edition|suite|platform|menu|tool|standard)\b|\b(?:in|into) your hands (?:before|by|when|in|within|next|as)\b|\b(?:leaves?|left) (?:the|our) (?:workshop|lab|bench|kitchen|factory|works)\b|\b(?:out of|through) the door (?:by|before|in|next|soon|with)\b|\bnext (?:out of|through|one out) (?:of )?the door\b|\b(?:as good as|almost|nearly|all but) (?:built|finished|released|shipped|coded)\b|"
         r"\b(?:goes|go|going|went) live (?:while|when|before|by|with|in|on|during|next|after|soon)\b|\bships? (?:right |soon |shortly |directly )?(?:after|before|with|by|in|next|this|to you|soon)\b|\b(?:it|that|this|they) (?:is|are|'s) on (?:its|their) way\b|\b(?:top|head|front) of (?:the|our) (?:list|queue|backlog|roadmap)\b|\b(?:will|'ll) (?:speak|learn|master|support|understand) [a-z]+ (?:by|before|when|soon|in|from|next)\b"),
        # A lower amount, without the words for it.
        ("discount_credit_refund",
         r"\bearly[- ]bird\b|\bat cost\b(?: price)?|\b(?:even|balance|square|straighten|sort|smooth)(?:s|ed)? (?:\w+ )?(?:out |up |off )?(?:on|in|with|through) (?:the|your|our) (?:next )?(?:invoice|bill|statement)\b|\b(?:some|a little|enough|always|still|plenty of|a bit of) (?:room|leeway|slack|space|margin|give|play)\b[^.]{0,40}\b(?:renewals?|prices?|fees?|amounts?|total|offers?|quotes?|our side|terms|budget|us)\b|"
         r"\b(?:next|coming|following) (?:statement|bill|invoice)\b[^.]{0,30}\b(?:takes? care|in your favou?r|kinder|gentler|lighter|friendlier|softer|smaller|makes? (?:up|good)|shows? it|the difference)\b|\b(?:difference|it|this|that|effect)\b[^.]{0,12}\bon your next (?:statement|bill|invoice)\b|\b(?:gentler|lighter|kinder|friendlier|softer|slimmer) (?:bill|invoice|total|amount|rate|sum|number|figure|fee|price)\b|"
         r"\b(?:meet|find each other|settle|come together) (?:somewhere )?in the middle\b|\b(?:find|make|finds|makes) (?:its|their) way back to you\b|\bhand(?:s|ed|ing)? (?:it |them |that |the \w+ )?back (?:to you|in cash)\b|\b(?:treated|looked after) (?:kindly|well|generously|gently) (?:on|with|in|at|about) (?:the )?(?:total|price|amount|invoice|fee|renewal|sum)\b|\bin your favou?r\b|\b(?:write|writes|wrote|written) (?:it |that |this )?off\b"),
        ("price_quote",
         r"\b(?:same|identical|equal|unchanged) (?:rate|amount|sum|figure|number|tariff|fee|price|money) (?:as|to|that|from)\b[^.]{0,60}\b(?:first|parent|one|pilot|today|before|team|now|year|basic)\b|\b(?:set you back|come back with more|work out at|comes? out (?:at|under|below|a touch)|be looking at|land (?:at|around|near|somewhere))\b|\b(?:put|pencil|write|enter|plan with|budget) (?:in |down )?(?:the )?(?:same|a similar|an unchanged|roughly|about) (?:figure|sum|amount|number)\b|"
         r"\b(?:costs? (?:the same as|as much as|about|roughly|no more than|less than)|small change|pocket money|low [a-z]+-figure|(?:four|five|six)-figure)\b"),
        ("price_lock_cap",
         r"\b(?:carved|set|cast|written) in stone\b|\b(?:rate|price|line|sum|number|figure|amount|tariff|charge\w*|fee) (?:of today|of now|you have|you pay|on it)?\s?(?:is|stays?|remains?|are|will be|keeps?) (?:the (?:rate|price|sum|number|figure|amount|fee) of tomorrow|where (?:it|they) (?:is|are|was)|as protected|protected|put)\b|\b(?:our|not your|nobody else's) problem\b|\bnobody (?:will |shall |is going to )?(?:touch|move|raise|change|look at)\w* (?:your|the) (?:rate|price|line|fee|number|figure|amount|sum)\b|"
         r"\b(?:others|everyone else|the rest|other customers|the market)\b[^.]{0,24}\b(?:feel|pay|see|bear|notice)\w* it\b|\bceiling (?:over|on|above|for)\b|\byears? to come\b|\b(?:step|move|rise|adjustment)s? (?:up )?(?:does|do|will) not (?:apply|reach|concern|touch|happen)\b|\bexempt\w*\b|\bset aside for you\b"),
        ("free_months_seats",
         r"\b(?:seats?|logins?|licen[cs]es?|bill|invoice|charges?|fees?|costs?|add-?on|module)\b[^.]{0,30}\b(?:taken care of|looked after|seen to|covered)\b|\bcall it (?:even|quits|square)\b|\blook(?:s|ed|ing)? the other way\b|\bnothing to sign\b|\bslipped (?:\w+ ){0,6}(?:into|onto|in) your\b|\b(?:payment|billing|the (?:meter|clock|bill|fee)) (?:for (?:it|them|this|that) )?(?:only )?(?:starts|begins)(?: only)? (?:once|when|after|with)\b|\bquarter of grace\b|\bgrace (?:period|months?|weeks?|time)\b|"
         r"\bwithout anybody (?:counting|noticing|asking|minding|charging)\b|\b(?:handed over|given to you|yours) without (?:a|any) (?:bill|charge|invoice)\b|\bkeep the doors? open\b|\bour (?:way of saying )?(?:thanks|thank-?you)\b[^.]{0,40}\b(?:seats?|access|weeks?|months?|days?|time)\b|\b(?:access|weeks?|months?|days?|seats?|stretch)\b[^.]{0,60}\bour way of saying\b"),
        # What others have or offer, from us as well; ours after theirs.
        ("competitor_match",
         rf"\b(?:we|i) {_READILY}(?:match|beat|undercut|outbid|underbid|equal|top|better)(?:e?s|ed)? (?!(?:the |your )?(?:names?|records?|users?|logins?|lists?|entries|data|invitations?|people|colleagues|trainings?|goals?|targets?|dates?|calendars?|sessions?))|\bfrom us (?:too|as well|under another name|also)\b|\b(?:get|have|do|offer|give) (?:that|this|it|the same) (?:from us|with us|here|as well|too)\b(?=.{{0,20}}$)|"
         r"\bour(?:s| (?:bid|offer|number|figure|answer|quote|line|sheet))\b[^.]{0,24}\b(?:lowest|lower|cheapest|last|better|friendlier|below|under)\b|\b(?:go|get|come|went|move|moves) (?:below|under|beneath|past) (?:it|them|that|theirs|our|their)\b|\b(?:former|other|old|previous|rival|outside|second|competing) (?:supplier|vendor|provider|house|suite|bid|offer|quote|team|bidder)(?:'s)?\b[^.]{0,60}\b(?:from us|with us|of ours|ours|equalled|follow|match\w*|meet|answer)\b|"
         r"\b(?:not )?too proud to\b|\b(?:nowhere|not)[^.]{0,24}\b(?:for less|cheaper)\b|\bfriendlier (?:number|figure|bid|offer|total)\b"),
        # A hint that leaves the conclusion to the reader.
        ("hint",
         r"\bdraw your own conclusions?\b|\bread between the lines\b|\b(?:do|doing) the (?:maths?|sums)\b|\byou (?:can|may) (?:guess|imagine|work out) (?:what|when|how|the rest|yourself)\b|\byou know what (?:that|this|it) means\b|\bsay no more\b|\bnod and a wink\b|\bwe know how to (?:find|do|arrange|make|get) (?:it|that|this|them|you)\b|\byou did not hear (?:it|this|that) from\b"),
    )
)  # fmt: skip

#: An act that is done by saying so, whatever it is about: checked before what excuses a clause, because a quotation or a colleague's name before it
#: does not undo it. What people confirm about meetings is none.
PERFORMED = re.compile(
    rf"\b(?:we|i) (?!can ){_READILY}(?:confirm|accept|certify|warrant|pledge|vouch for|concede|grant|waive|honou?r|endorse|sign off)s? (?!(?:(?:the|your|all|our|a|each|every|this|that|these|those) )?(?:\w+ )?{_MEETING}\b)(?:that|it|this|these|those|all|your|the|as)\b|"
    rf"\b(?:this|the|our) {_PAPER} (?:is|serves as|stands as|counts as|gives|brings) (?:that|the|your|our|this|exactly that) (?:confirmation|consent|approval|promise|acceptance|word|assurance|guarantee|release|waiver)\b|"
    r"\b(?:so|hereby|herewith|thereby) (?:\w+ )?(?:confirmed|granted|agreed|accepted|approved|promised|done|ordered|released|shortened|waived|extended|credited)\b|\band (?:so|hence|therefore|thus) (?:you|it|they|we) (?:are|is) (?:\w+ )?(?:released|granted|free|exempt\w*|credited|confirmed|extended|waived)\b|"
    r"\bwe (?:go along|comply|fall in) with (?:it|that|this|them|your)\b|\b(?:consider|take|regard) (?:it|that|this|them|yourself|your \w+) (?:as )?(?:done|settled|granted|confirmed|protected|equalled|matched|agreed|released|approved|arranged|squared|yours)\b"
)

#: The vendor's own view of the account, and what goes on about it in the house.
VIEWS = re.compile(
    r"\b(?:we|our \w+(?: \w+)?) (?:have |has |had |also )*(?:flagged|marked|classed|classified|graded|labell?ed|rated|scored|ranked) (?:that|you|your|this account|the account|it)\b|\bworr(?:y|ies|ied) (?:us|me|our|the) ?(?:\w+ ){0,2}(?:team|house|side|desk|directors?|management|sales)?\b|"
    r"\bescalation\b[^.]{0,60}\b(?:about|concerning|over|on) (?:you\b|your (?:account|company|contract))|\bwithout your knowledge\b|\bbehind your back\b|(?:^\W*|[,;:] )between (?:us|you and me)[,:] (?:our|your|we|you|i)\b|\b(?:watch|black|danger) ?list\b|\b(?:light|dot|flag|mark|colou?r) (?:beside|next to|against|behind|on|at) your (?:name|account)\b|\b(?:green|amber|yellow) to (?:amber|yellow|red)\b|"
    r"\b(?:question mark|doubts?|cloud) (?:behind|over|about|beside|hangs over) your (?:renewal|account|contract|future)\b|\b(?:marked|down|listed|coded|filed|shown|kept) (?:as |in |on )?(?:red|amber|yellow) (?:with|by|at|among|in) (?:us|our)\b|\b(?:hard|difficult|easy|expensive|costly) to keep\b|\bslow to pay\b|\b(?:your )?(?:score|rating|grade|rank) (?:with us|in our|at our)\b|\b(?:retention|loyalty|renewal|health|account) rating\b|"
    r"\b(?:hole|dent|gap) in our (?:revenue|figures|books|numbers|forecast)\b|\b(?:room|potential|scope) to sell\b|\bsell you (?:twice|more|another|further)\b|\bwin over before\b|\b(?:service|customer|account) (?:group|class|tier)\b[^.]{0,30}\b(?:lowest|bottom|last|third|second)\b|\b(?:lowest|bottom|last) (?:service |customer |account )?(?:group|class|tier|drawer)\b|\bdanger sign\b|\bmoney down the drain\b|\bmight leave\b"
)
