"""What states a risk, by families of meaning: who, what became of them, what was done to a thing. Data for `risks.py`.

A lexicon cannot hold every sentence about a customer's trouble, so it is the first of three nets: hearsay is held whatever it says, and
so is a statement about somebody or something of the customer that no fact speaks of (see `ACTORS` and `CUSTOMER`).
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: People and bodies at the customer, by their function.
_WHO = (
    r"(?:name|sponsor|champion|supporter|advocate|ally|cfo|ceo|cto|coo|cio|ciso|vp|svp|president|head (?:of|for) \w+(?: \w+)?|chief|\w+ (?:head|chief|lead|boss)|chair\w*|founder|economic buyer|buyer|budget holder|executive|"
    r"decision[- ]maker|main contact|key (?:contact|user|person|player|people|staff)|power users?|admins?|administrators?|contact|managers?|directors?|owner|lead|boss|department|team|whoever|person|colleague|people|somebody|someone|"
    r"voice|owner of the (?:project|product))"
)
_GONE = (
    r"(?:has left|(?<!who )have left|had left|left (?:the|last|for|in|us|them|a|this|on)|(?<!who )(?<!who have )(?<!who has )left[.!]?$|(?:is|are|was|were|will be|be) (?:leaving|gone|departing|let go|fired|dismissed|sacked|replaced|demoted|suspended|transferred|reassigned|retiring)|will (?:soon )?(?:leave|go|quit|depart|resign|retire)\b|"
    r"depart(?:ed|s|ure)|resign\w*|(?:has|have|had) quit|(?:has|have) been (?:replaced|let go|dismissed|fired|moved|transferred|reassigned|promoted)|was replaced|no longer (?:there|works|with|in)|retire[sd]?\b|retirement|moved? on\b|moving on\b|step(?:ped|s|ping) (?:down|back|aside)|"
    r"was (?:let go|fired)|changed jobs|(?:has|have|had|found|finds?|accept\w*|taken?|took|takes|start\w*|got|gets?|for|applied) (?:a|an|another|a new|a different|some other) (?:job|position|post|role|employer|offer)\b|on (?:her|his|their|the) way out|hand(?:ed|s|ing)? (?:in|over) (?:(?:his|her|their) (?:notice|resignation|keys)|$)|hand in|(?:his|her) last day\b|(?:sick|parental|maternity|medical|long|extended) leave|on leave\b|"
    r"(?:post|position|seat|role|chair|job) (?:is|stands|stays|remains|has been) (?:\w+ )?(?:vacant|empty|open|unfilled)|vacan(?:t|cy)|turnover|looking (?:for|around)|job[- ]hunt\w*|head-?hunt\w*|one foot out|jump\w* ship|fallen ill|falls ill|passed away|burn(?:ed|t) out|walk(?:s|ed|ing) out)"
)
_LEAVE = (
    r"(?:leav(?:e|ing)(?! (?:the (?!product|platform|vendor|contract)|it|them|that|this|room|time|an? |no |to |for |behind|his|her|its|your))|cancel\w*|terminat\w+|quit\w*|go elsewhere|move (?:away|on|off|to)|moving (?:away|on|off)|switch\w*|walk (?:away|out)|not (?:to )?(?:renew|extend|continue|stay)|end (?:the|its|their|this|our) (?:contract|relationship|cooperation|subscription|agreement)|drop us|drop the|"
    r"get rid of|part ways|look elsewhere|give (?:us )?notice|pull out|back out|opt out|say goodbye|phase (?:us|it|the product) out|turn (?:us|it) (?:down|off)|let (?:the|its|their) (?:contract|agreement|subscription) (?:run out|lapse|expire|end)|scale (?:back|down)|downgrade|downsize|stay away)"
)
_OTHER = r"(?:another|other|different|new|second|third|alternative|cheaper|simpler|smaller|bigger|larger|own|better|local|younger|established|some|somebody else's|someone else's)"
_PRODUCT = r"(?:vendors?|suppliers?|providers?|systems?|offers?|bids?|tools?|solutions?|products?|software|suites?|platforms?|packages?|applications?|apps?|technology|consultanc\w+)"


class Family(NamedTuple):
    """Words of a kind of risk, with the rules and the facts that allow them; none: nothing does. `is_trade`: the customer's own customers have it too."""

    name: str
    rules: tuple[str, ...]
    facts: tuple[str, ...]
    words: re.Pattern[str]
    is_trade: bool = False


def _family(name: str, *words: str, rules: tuple[str, ...] = (), facts: tuple[str, ...] = (), is_trade: bool = False) -> Family:
    return Family(name, rules, facts, re.compile("|".join(words)), is_trade)


_LEAVING = ("NOTICE_SERVED",), ("notice_on", "lost_on")
_SILENT = ("SILENCE",), ("is_silent",)

FAMILIES: tuple[Family, ...] = (
    _family(
        "people gone", rf"\b{_WHO}\b(?:(?!, and)[^.;:]){{0,40}}?\b{_GONE}", r"\bno (?:champion|sponsor) left\b", r"\b(?:lost|losing|lose|loss of) (?:its|their|the|our|a|his|her) (?:\w+ )?(?:sponsor|champion|supporter|advocate|ally|voice|contact|manager|head)\b",
        r"\b(?:departure|resignation|retirement|exit|dismissal|absence) of (?:the|their|its|our|a)\b", r"\bnobody with a budget speaks\b", r"\bturnover (?:among|of|at|in|is)\b", r"\b(?:staff|personnel|people|skill|talent)[- ](?:turnover|exodus|drain|shortages?)\b", r"\bbrain drain\b",
        r"\bexodus\b", r"\bunderstaffed\b|\bshort[- ]staffed\b|\bshort of (?:staff|people|hands)\b",
        rules=("SPONSOR_LOST",), facts=("no_sponsor", "lost_on"),
    ),
    _family(
        "notice served",
        r"\b(?:gave|given|served|handed in|sent|received|signed|hands? in|is giving|are giving) (?:us |in )?(?:their |its |the |a |formal |written )*notice\b", r"\bnotice (?:was|has been|is|came|arrived|lies) (?:served|given|in|here|on)\b",
        r"\b(?:termination|cancell?ation|farewell) (?:letter|notice|mail|note|form)", r"\bletter of (?:termination|cancell?ation)", r"\b(?:has|have|had|was|were|been) (?:been )?(?:already )?(?:cancell?ed|terminated|quit|called off)\b", r"\bcancell?ed (?:the|their|its) (?:contract|subscription|agreement)",
        rules=_LEAVING[0], facts=_LEAVING[1],
    ),
    _family(
        "will leave",
        rf"\b(?:likely|unlikely|about|going|plan\w*|intend\w*|decided|determined|wants?|wish\w*|hopes?|prepar\w+|ready|set|threaten\w*|consider\w*|thinking (?:of|about)|thinks? (?:of|about)|close|inclined|tempted|poised|mind\w*|would rather|prefers?|due|free|toy\w* with(?: the idea of)?|talks? (?:of|about)) (?:to )?{_LEAVE}\b",
        rf"\b(?:might|may|could|will|would) (?:well |soon |simply |just |probably |likely |then )*{_LEAVE}\b", r"\b(?:might|may|could|will) (?:well |soon )?(?:churn|defect)\b",
        r"\bchurn\w*", r"\bdefect(?:s|ed|ing|ion|ions)\b", r"\bwill not (?:renew|stay|extend|continue)\b", r"\b(?:is|are) (?:leaving|abandoning|dropping|deserting) us\b", r"\b(?:lose|losing|lost|loss of) (?:the|this|that) (?:account|customer|contract|renewal|deal)\b",
        r"\bone foot out\b|\bfoot out of the door\b|\bon (?:its|their) way out\b|\bas good as (?:gone|lost)\b|\blost cause\b|\bwriting on the wall\b|\bdays are numbered\b|\bexit (?:plan|strategy|clause)\b|\bpart(?:ing)? (?:of )?ways\b|\bway out of the (?:contract|agreement)",
        r"\b(?:renewal|contract|account) (?:is|are|looks?|seems?) (?:\w+ )?(?:doubtful|uncertain|in doubt|in danger|lost|doomed|shaky|off the table|unlikely|at risk|in jeopardy|dead|in question|wobbly)\b", r"\bjeopard\w+", r"\blet (?:the|its|their) (?:contract|agreement|subscription) (?:run out|lapse|expire|end)",
        r"\b(?:against|not in favou?r of) (?:a |the )?(?:renewal|renewing|extension)", r"\b(?:shrink|cut back|scale back|scale down|downsize|reduce)\w* (?:to|by|the) (?:\w+ )?(?:contract|subscription)\b",
        rules=_LEAVING[0], facts=_LEAVING[1],
    ),
    _family(
        "bad mood",
        r"\b(?:unhapp\w+|dissatisf\w+|frustrat\w+|angry|anger\w*|annoy\w*|upset\w*|disappoint\w+|displeas\w+|furious|fed up|resent\w*|hostil\w+|bad mood|bad blood|irritat\w+|discontent\w*|disgruntl\w+|unimpressed|regrets?|regretted|exasperat\w+|outrag\w+|indignant|offend\w+|embitter\w*|bitter\w*|grumbl\w+|moan\w*|grievances?|"
        r"hates?|hated|hatred|loath\w+|detests?|despis\w+|dislik\w+|curses?|cursed|despair\w*|demoti?vat\w+|demoralis\w+|demoraliz\w+|disillusion\w*|disenchant\w+|sour(?:ed|ing|s)?|sulk\w*|impatien\w+|detractors?|sceptic\w*|skeptic\w*|cynic\w*|aversion|antipath\w+|uneas[ey]|unease|discord|tensions?|quarrel\w*|feuds?|conflict (?:with|between)|"
        r"had enough|sick of|tired of|weary of|worn (?:out|thin)|let down by|lets? (?:them|us) down|feels? (?:ignored|neglected|cheated|abandoned|unheard|misled|betrayed|let down|forgotten|left alone))\b",
        r"\bcomplain(?:s|ed|t|ts|ing)?\b", r"\bmorale\b", r"\b(?:mood|atmosphere|feeling|spirits?|climate)\b[^.]{0,30}\b(?:bad|low|sour(?:ed|ing)?|poor|tense|dark|worse|icy|cold|down|ugly|against)\b", r"\bbad feeling\b",
        r"\b(?:bad|poor|terrible|awful|devastating|low|worst|negative|harsh|scathing|damning|critical) (?:marks?|reviews?|ratings?|feedback|grades?|verdict|opinion|press|impression|comments?|publicity)\b", r"\b(?:waste of (?:time|money)|a burden|a nuisance|useless|unusable|a mistake|a failure|a flop|clumsy|cumbersome|too (?:slow|complicated|hard|difficult|expensive|dear|buggy))\b",
        r"\b(?:nobody|no one|hardly anyone|few)\b[^.]{0,20}\b(?:likes?|wants?|enjoys?|loves?|trusts?|believes?|values?) (?:the|our|this|us|in)\b", r"\b(?:question\w*|doubts?|doubted|doubting) (?:the|our|its|whether|us|if) ?(?:value|benefit|use|worth|product|need|purchase|decision|investment)?\b", r"\bout of patience\b|\bruns? out of patience|\bpatience\b[^.]{0,30}\b(?:end|thin|gone|lost|up|over|out|exhausted)\b",
        r"\b(?:harsh|hard|angry|loud|heavy) (?:words|letters?|calls?|criticism)\b|\bcriticis\w+|\bcriticiz\w+|\bheavy criticism\b|\bopenly against\b|\bresist(?:s|ed|ance|ing)\b|\brefus(?:e|es|ed|al|ing)\b|\bboycott\w*|\brevolt\w*|\brebel\w*|\bprotest\w*",
    ),
    _family(
        "trust lost",
        r"\b(?:los(?:t|ing|es?)|loss of|shaken|shook|shatter\w*|erod\w+|dent\w*|damag\w+|destroy\w*|undermin\w+|broken|broke|betray\w*|spoil\w*|ruin\w*|lack of|little|no|breach of|crisis of) (?:\w+ ){0,2}(?:trust|confidence|faith|credibility|goodwill|reputation|relationship|respect)\b",
        r"\b(?:trust|confidence|faith|credibility|goodwill|reputation|standing|relationship|rapport|respect|belief|loyalty|partnership|cooperation)\b[^.]{0,40}\b(?:gone|lost|los(?:t|ing)|shaken|shattered|erod\w+|dented|damaged|destroyed|broken|broke|used up|exhausted|suffer\w*|strained|tense|cold|cooled|cooling|bad|poor|sour(?:ed|ing)?|rock bottom|low|at an end|over|crumbl\w+|evaporat\w+|vanished|dwindl\w+|fad\w+|weak\w*|worse\w*|deteriorat\w+|fragile|brittle|rocky|on the line|wrecked|toxic|frosty|icy|wan\w+|shot|slipp\w+|beyond repair)\b",
        r"\b(?:distrust|mistrust)\w*", r"\bbetray\w*", r"\bno longer (?:trusts?|believes?|seen as|sees? us|relies|rely|counts? on|wants?|takes? us|respects?)\b", r"\b(?:does|do|did) not (?:trust|believe|respect|take us)\b", r"\bbridges? (?:is|are|has|have|were|was) (?:been )?burn\w*|\bburn(?:ed|t) (?:its |their |the |our )?bridges",
        r"\b(?:blames?|blamed|blaming|accus\w+) (?:us|our|the product|the vendor)\b", r"\b(?:doubts?|doubted|suspects?|avoids?|distrusts?) us\b", r"\b(?:fall(?:en|ing)?|fell)[- ]out with\b|\bfall(?:ing)?[- ]out\b|\bat odds\b|\brift\b|\bestranged\b|\balienat\w+",
    ),
    _family(
        "competitor",
        r"\bcompetitors?\b|\bcompeting\b|\bcompetition\b|\brivals?\b|\bincumbents?\b|\bchallengers?\b", rf"\b{_OTHER} (?:\w+ )?{_PRODUCT}\b", r"\b(?:talk\w*|speak\w*|negotiat\w+|meet\w*|flirt\w*|demo|trial|pilot|test) (?:to|with|of) (?:another|other|others|a different|an alternative|someone else|somebody else|something else)",
        r"\b(?:someone|somebody|something|anyone) else\b", r"\b(?:something|somewhere|anything) (?:cheaper|simpler|different|better|newer|smaller|elsewhere)\b", r"\bevaluat\w+ (?:an? |the )?(?:other|another|alternative|replacement|market|options?)", r"\balternatives\b|\balternative (?:to|from)\b|\breplacement (?:for|of|is|has|product|tool|project|system)|\breplac(?:e|es|ed|ing) (?:us|the product|our|it)\b|\bsubstitut\w+ (?:for|us)",
        r"\b(?:request for proposals?|rfp|rfi|rfq|tender\w*|invitation to bid|beauty contest|bake-off|shortlist\w*|bidding|vendor selection|market (?:scan|study|research|survey|overview))\b", r"\b(?:build(?:ing|s|t)?|develop(?:s|ing|ed)?|program(?:s|ming|med)?|writ(?:es|ing|ten)|wants? to (?:build|make|write|develop)|make|create) (?:the product |it |a tool |something |software |one )?(?:itself|themselves|their own|its own|of (?:its|their) own|on (?:its|their) own|in-?house|internally)\b",
        r"\bbuild(?:ing)? (?:it|their own|its own|the product)\b", r"\bin-?house (?:tool|solution|replacement|development|build|system|team builds)", r"\bhome-?(?:grown|made|built)\b", r"\bshop(?:s|ping|ped)? around\b|\blook(?:s|ing|ed)? (?:elsewhere|around|further|outside)\b|\bweigh(?:s|ing)? (?:its|their|other|up) ?(?:options)?\b|\bkeep(?:s|ing)? (?:its|their) options open\b|\bexplor\w+ (?:the market|options|other)\b|\bon the market for\b|\bin the market for\b",
        r"\b(?:woo(?:s|ed|ing)?|court(?:s|ed|ing)|poach\w*|lur(?:e|es|ed|ing)|tempted by|in talks with)\b", r"\b(?:prefers?|preferred|favou?rs?|swears? by|fond of|fan of|used to|came from|knows from) (?:the |an? |another |other |her |his |their )*(?:\w+ )?(?:tool|product|software|system|vendor|suite|platform|supplier|solution)\b",
        r"\b(?:migrat\w+|switch(?:es|ed|ing)?|go(?:es|ing)? back|went back|return(?:s|ed|ing)?|turn(?:s|ed|ing)? (?:back )?|mov(?:es|ed|ing)|chang(?:es|ed|ing)) (?:\w+ )?(?:to|over to|onto) (?:another|a different|a new|the suite|their|its|paper|pen|excel|spreadsheets?|mail|manual|whiteboards?|the old|something|someone|a cheaper|a rival|an? \w+ (?:tool|system|product|suite|vendor))\b", r"\bstandardi[sz]\w+ on\b|\bconsolidat\w+ (?:its |their |the )?(?:tools?|vendors?|suppliers?|systems?|software)|\b(?:reduce|cut|fewer|number of|limit|trim) (?:the |its |their )?(?:number of )?(?:vendors|suppliers|tools)\b",
        r"\b(?:undercut|underbid|outbid|counter-?offer|better offer|lower offer|cheaper offer)\w*",
    ),
    _family(
        "insolvency",
        r"\bbankrupt\w*|\binsolven\w*|\breceivership\b|\bchapter eleven\b|\bliquidat\w+|\bcreditors?\b|\bwind(?:ing)?[- ]up\b|\bwound up\b|\bgo(?:es|ing|ne)? (?:under|bust|broke|out of business)\b|\bwent (?:under|bust|broke)\b|\b(?:administrators|trustee|receiver) (?:has|have|was|were|is|are) (?:been )?(?:appointed|named|called|in)\b|\b(?:in|into|under) administration\b|\bfil(?:es|ed|ing) for (?:protection|bankruptcy|insolvency)",
        r"\b(?:short|out|low|running (?:out|short|low)|run out|runs out) (?:of|on) (?:cash|money|funds|funding|liquidity)\b|\b(?:cash|money|funds|funding|liquidity) (?:is|are|has|have) (?:\w+ )?(?:run(?:ning)? (?:out|low|dry)|short|dried up|low|gone)\b|\bcash[- ](?:strapped|poor|flow)|\bcash (?:problems?|trouble|crunch|position)|\bliquidity\b|\bin the red\b|\bred figures\b|\bdeep(?:ly)? in debt\b|\bdebts?\b|\bindebted\b|\bloss[- ]making\b|\bmak(?:es|ing) (?:a )?loss(?:es)?\b|\b(?:heavy|big|record|mounting|growing) loss(?:es)?\b|\bprofit warning\b|\bprofits? (?:\w+ )?(?:collaps\w+|gone|vanish\w*|plung\w+|slump\w*|fell|fall\w*|shrink\w*|warn\w*)",
        r"\bfinancial(?:ly)? (?:trouble|difficult\w*|distress|weak|problems?|straits|crisis|pressure|worries|hardship|shape|health|squeeze)|\beconomic(?:ally)? (?:trouble|difficult\w*|pressure|problems?)|\b(?:fight\w*|struggl\w*) (?:for|to) (?:survival|survive|stay afloat)|\bstruggling\b|\b(?:may|might|will|could) not survive\b|\bon the (?:brink|verge|edge|ropes)\b|\bsurviv\w+|\bstay afloat\b|\bmake ends meet\b|\bpay(?:s|ing)? (?:its|their) own (?:staff|people)|\b(?:cannot|not|unable to) (?:\w+ )?(?:afford|pay (?:its|their|us|the|our|back|any|salaries|wages|suppliers|staff|anybody|anyone))\b|\binvestors?\b[^.]{0,30}\b(?:pull|leave|left|withdr\w+|lost|back|nervous|out)|\bfunding round\b|\bfinancing\b|\bcredit (?:rating|line|hold|insur\w+|limit)\b|\bbail-?out\b|\bgoing concern\b|\b(?:revenue|sales|turnover|business|orders?|demand|order book)\b[^.]{0,25}\b(?:collaps\w+|plung\w+|slump\w*|dried up|crash\w*|broken? away|tank\w*|implod\w+|dwindl\w+)",
        is_trade=True,
    ),
    _family(
        "non-payment",
        r"\bpays? (?:\w+ )?late\b|\blate (?:pay\w*|with (?:its|their|the) payments?)\b|\bpaid late\b|\boverdue\b|\bunpaid\b|\bnon-?payment|\bin arrears\b|\barrears\b|\b(?:customer|they|company|firm|group|account|name|division)\b[^.]{0,15}\bow(?:es?|ed)\b|\bow(?:es?|ed|ing) (?:us|money)\b|\bdefault(?:s|ed|ing)? on\b|\bdunning\b|\bdebt collect\w+|\bwith collections\b|\bcollection agency\b|\bpayment reminder\b|\breminder about the (?:\w+ )?(?:bill|invoice|payment)",
        r"\b(?:invoices?|bills?|payments?|fees?|instal+ments?|remittances?)\b[^.]{0,30}\b(?:open|unpaid|disputed|overdue|outstanding|bounced?|withheld|refused|rejected|returned|ignored|late|missing|not (?:been )?(?:settled|paid|arrived|come|cleared)|unsettled|stopped|behind|contested)\b|\b(?:open|outstanding|unsettled|ignored|disputed|contested|rejected) (?:invoices?|bills?|payments?|fees?|amounts?|balance)\b|\bbehind (?:with|on|in) (?:its|their|the) (?:payments?|bills?|invoices?|fees?)",
        r"\b(?:refus\w+|fail\w*|stopp?ed|stops?|declin\w+|delay\w*|unwilling|unable|neglect\w*|forgot|omit\w*|not) (?:to )?(?:pay(?:ing|ment|ments)?|settle|settling)\b|\b(?:withhold\w*|withheld) (?:the |its |their |our )?(?:\w+ )?(?:payments?|fees?|money|amounts?|invoices?)|\b(?:has|have|had) not (?:yet )?paid\b|\bmoney (?:we are|is) owed\b",
        is_trade=True,
    ),
    _family(
        "budget cut",
        r"\bbudgets?\b[^.]{0,40}\b(?:cuts?|cutting|frozen|freez\w+|froze|slashed|reduced|under (?:pressure|review|threat)|gone|shrink\w*|shrank|shrunk|squeez\w+|tight\w*|exhausted|pulled|withdrawn|halved|at an end|used up|spent|blocked|on hold|smaller|lower|trimmed|redirected|reallocated|cancelled|not (?:been )?(?:approved|renewed|released|granted|there|signed)|missing|unclear|uncertain|run out|runs out|running out|stopped|scrutin\w+|shrivel\w*|evaporat\w+|disappear\w*|no room)\b|\b(?:cuts?|cutting|froze|frozen|slash\w*|freez\w*|squeez\w+|pull\w*|trim\w*|reduc\w+|shrink\w*|halv\w+|smaller|lower|tight\w*|stop\w*|block\w*|lack of) (?:\w+ ){0,3}budgets?\b",
        r"\b(?:hiring|spending|budget|purchas\w+|investment|travel|recruit\w+) (?:freeze|stop|cuts?|ban|halt|moratorium|review|restrictions?|limits?)\b|\b(?:spending|expenses|expenditure|investments?|purchases|costs|outlay)\b[^.]{0,40}\b(?:stopped|frozen|cut|slashed|halted|on hold|under review|reviewed|scrutin\w+|reduced|lowered|down|banned|blocked|trimmed|squeezed|brought down)\b|\bunder review\b|\bchopping block\b|\baxed?\b|\bon the block\b|\btighten\w* (?:its|their|the|your) belts?\b|\bbelt[- ]tightening\b|\bdo more with less\b|\bpenn(?:y|ies)[- ]pinch\w*|\bcutbacks?\b|\beconomy drive\b",
        r"\blay-?offs?\b|\blay(?:s|ing)? off\b|\blaid off\b|\bredundan\w+|\bcost[- ](?:cutting|saving|reduction|pressure|program\w*|discipline|control program\w*)|\bcut(?:s|ting)? (?:\w+ )?(?:costs?|staff|jobs?|people|spending|positions|expenses)\b|\b(?:costs?|jobs|positions|staff|heads) (?:must|have to|need to|should|will|are to) (?:be )?(?:cut|go|come down|reduced|fall|drop)|\bsav(?:e|es|ing) (?:money|costs?|wherever|where|on)\b|\b(?:must|has to|have to|needs? to|is to|are to) (?:save|economi[sz]e|cut)\b|\bsavings? (?:program\w*|target|plan|drive|measures?)|\bheadcount\b|\bjob (?:cuts|losses)\b|\bausterity\b|\bfurlough\w*|\bshort-?time work\b|\bno budget (?:for|left|this|next|at|any)\b|\bthere is no budget\b|\bmoney is (?:tight|short|scarce|lacking)\b|\bno money\b|\btight (?:money|finances|means|times)\b|\b(?:hard|lean|difficult|tough|bad) (?:times|year|quarter)\b|\bpurse strings?\b|\bwatch\w* every\b",
    ),
    _family(
        "new owners, new structure",
        r"\brestructur\w+|\breorgani[sz]\w+|\bre-?orgs?\b|\breshuffl\w+|\bshake-?ups?\b|\bnew (?:structure|set-?up|organi[sz]ation|org chart|reporting lines?|management|leadership|board|owners?|ceo|cfo|cio|cto|coo|parent\b|parent company|boss|bosses|shareholders?|investors?|strategy)\b|\b(?:being|been|was|were|is|are|be|gets?|got) (?:\w+ )?(?:dissolved|disbanded|split(?: up)?|merged|absorbed|broken up|wound down|phased out|outsourced|offshored|centrali[sz]ed|decentrali[sz]ed|relocated|closed down|shut down|spun off|carved out|acquired|taken over|bought (?:by|up|out)|sold (?:by|off|to)|swallowed|folded into|put up for sale|downsized|streamlined|abolished|nationali[sz]ed|privati[sz]ed|eliminated)\b",
        r"\bmerg(?:er|ers|e|es|ing|ed)\b|\bacqui(?:sition|sitions|rer|rers|rers|re|res|red|ring)\b|\btake-?overs?\b|\b(?:takes?|taking|took) (?:them|it|us|the (?:company|firm|group|business|customer)) over\b|\b(?:takes?|taking|took) over (?:the|their|this) (?:company|firm|group|business|customer|division)\b|\bbuy-?outs?\b|\bprivate equity\b|\bup for sale\b|\bfor sale\b|\bchang(?:e|es|ed|ing) (?:of )?(?:ownership|control|management|hands|owners?)\b|\bspin-?offs?\b|\bspun? off\b|\bcarve-?outs?\b|\bdivest\w*|\bjoint venture\b|\bjoin(?:s|ed|ing)? forces\b|\bbuyer (?:for|has|is|was)\b|\bbidder\b|\b(?:sells?|selling|sold|sale of) (?:off )?(?:the|its|their) (?:company|firm|business|division|unit|group|subsidiary|department|branch\w*|stake|plants?|itself)\b|\b(?:bought|buys|buying|purchased) (?:the|their|this) (?:company|firm|business|group|customer|whole|division)\b|\btalks (?:\w+ ){0,4}(?:about|on|over) a (?:sale|merger)|\bholding\b[^.]{0,15}\b(?:controls|owns|took)|\bowners? wants?\b|\b(?:company|firm|business|group|division|unit|team|department|sites?|plants?|offices?|branch\w*|subsidiary|they|customer)\b[^.,;:]{0,20}\b(?:is|are|was|were|been|being|be) (?:\w+ )?(?:sold|bought|closed|shut|split|dissolved)\b|\bgo(?:es|ing)? public\b|\bipo\b|\bdue diligence\b",
        r"\b(?:clos(?:e|es|ing|ure|ures)|shut(?:s|ting)?(?: down)?) (?:of )?(?:\w+ )?(?:sites?|plants?|offices?|branches|stores|depots|departments?|divisions?|units?|locations?|factor(?:y|ies)|warehouses?|shops|facilit\w+)\b|\boutsourc\w+|\boffshor\w+|\brelocat\w+|\bshared service\b|\bcentrali[sz]\w+|\bdissol(?:ve|ves|ution)\b|\bdisband\w*|\bnearshor\w+|\b(?:moves?|moving|moved|shift\w*) (?:\w+ ){0,2}(?:abroad|overseas|to (?:head office|headquarters|the group|the parent|another (?:site|country|unit)))\b|\bchange program\w*|\btransformation program\w*|\breporting lines?\b|\bpower struggle\b|\bin upheaval\b|\bupheaval\b|\bturmoil\b|\bin transition\b",
    ),
    _family(
        "law",
        r"\blawsuit\w*|\blitigat\w+|\blegal (?:action|dispute|trouble|proceedings|claims?|steps?|threat\w*|battle|case|notice|fight|advice|counsel)\b|\b(?:to|in|before|into) (?:the )?courts?\b|\bcourt (?:case|hearing|order|date|filing|ruling)|\b(?:a|the) judges?\b|\barbitrat\w+|\binjunction\w*|\bsubpoena\w*|\bsu(?:e|es|ed|ing) (?:us|them|the|its|their|over|for)\b|\bbeing sued\b|\bclass action\b|\bdamages\b|\bindict\w*|\bprosecut\w+|\bplaintiff\w*|\battorneys?\b|\bsolicitors?\b|\bbarristers?\b|\b(?:general|outside|external|their|its|legal) counsel\b|\blaw firm\b|\bin(?:to)? mediation\b|\bcease and desist\b|\b(?:breach|breaking|broke|violat\w+) (?:of )?(?:the |our |its )?(?:contract|agreement|law|rules|terms|licen[cs]e)",
        r"\bdisputes? (?:about|over|with|on)\b|\bin dispute\b|\bdisput(?:e|es|ed|ing) (?:the|an|our|its|their|that|a|every|some|parts?)\b|\bdisputed (?:invoice|bill|clause|charge)|\bcontest(?:s|ed|ing) (?:the|our|its|an)\b|\blawyers?\b", is_trade=True,
    ),
    _family(
        "breach, outage, regulator",
        r"\bsecurity (?:breach|incident|hole|problem|concern|leak|issue|gap|flaw|scare|event|alarm|review|audit)\w*|\b(?:data|privacy|information|password|records?) (?:breach|leak|loss|theft|exposure|spill|protection (?:officer|problem|complaint))\w*|\bbreach(?:es|ed)? (?:at|in|on|of (?:their|its|our|the) (?:data|systems?|network|security|product))|\b(?:was|were|been|got|being|is|are) (?:hacked|breached|compromised|exposed|leaked|stolen|infiltrated|encrypted by|attacked)\b|\bhack(?:s|ed|ers?|ing)?\b|\bransom\w*|\bmalware\b|\bvirus\b|\btrojan\b|\bphish\w*|\bcyber\w*|\bintru(?:der|ders|sion|sions)\b|\bvulnerabilit\w+|\bleak(?:s|ed|ing|age)?\b|\bst(?:ole|olen|eal\w*) (?:\w+ )?(?:data|credentials|passwords?|records|files)|\bunauthori[sz]ed access\b|\bexploit(?:s|ed)?\b|\bespionage\b|\bsabotage\w*",
        r"\boutages?\b|\bdowntimes?\b|\b(?:service|system|platform|servers?|product|site|application|software|network|app)s? (?:went|was|were|is|are|has been|had been|keeps? going) (?:\w+ )?(?:down|offline|unavailable|unreachable|dead)\b|\bcrash\w*|\boffline (?:for|since)\b|\b(?:los(?:t|es|ing)|wiped out|deleted) (?:their|its|the|some|all|customer) (?:data|records|work|files)\b|\bcompliance (?:issue|problem|breach|concern|finding|failure)\w*|\bfraud\w*|\bscandal\w*|\bregulator\w*|\bunder investigation\b|\binvestigat(?:ed|es|ing) (?:by|the|them|us)|\bbad press\b|\bcorruption\b|\bbribe\w*|\bembezzl\w+|\brecalls?\b of|\bfailed (?:an?|the|its|their) (?:\w+ )?audit|\baudit\b[^.]{0,20}\b(?:fail\w*|found|objected|bad)|\bdata protection\b|\bfines?d? (?:by|for|of)\b|\bsanction(?:s|ed)\b|\bembargo\w*|\bpandemic\b|\baccident\b|\bfire at\b|\bflooded\b",
        is_trade=True,
    ),
    _family(
        "strikes",
        r"\b(?:on|a|the|go on|wildcat|general|warning|of|by|another|new) strikes?\b|\bstrik(?:ing|ers?)\b|\bstrikes? (?:is|are|has|have|will|at|by|loom\w*|threat\w*|paraly\w*|stop\w*|continu\w*|broke)\b|\b(?:trade |labou?r |workers' )?unions?\b|\bunioni[sz]\w+|\bwalk(?:ed|ing|s)? ?(?:-?outs?|off the job)\b|\bindustrial (?:action|dispute|relations)\b|\bworks? council\b|\blabou?r (?:dispute|unrest|conflict|trouble|relations|action|shortage)|\bpickets?\b|\bpicketing\b|\bunrest\b|\bdown(?:s|ed|ing)? tools\b|\btools are down\b|\bgo-slow\b|\bwork to rule\b|\bstaff council\b|\bcollective bargaining\b|\block-?out\b",
    ),
    _family(
        "dealings with us", r"\bup in arms\b|\bescalat\w+ (?:to|with) (?:the|our|their) (?:board|ceo|management)|\bultimatum\w*|\bthreaten\w*|\bthreats?\b|\bdemands? (?:compensation|money|a refund|concessions)|\bhostage\b|\bblacklist\w*|\bpulled the plug\b|\bpull(?:s|ing)? the plug\b|\bon the brink\b|\bcrisis\b|\bcollapse[sd]?\b(?! (?:in|of) use)|\bveto\w*",
    ),
    _family(
        "flood of tickets",
        r"\b(?:flood\w*|surg\w+|spik\w+|waves?|avalanche|storm|overwhelm\w*|swamp\w*|drown\w*|explo\w+|inundat\w+)\b[^.]{0,40}\b(?:tickets?|support|requests?|cases)|\b(?:support|tickets?|help ?desk)\b[^.]{0,40}\b(?:flood\w*|surg\w+|spik\w+|overwhelm\w*|swamp\w*|inundat\w+|explod\w+|piling up|pile up|drown\w*)",
        r"\b(?:complaints|tickets|requests|cases|questions)\b[^.]{0,30}\b(?:pil\w+ up|mount\w*|heap\w*|mushroom\w*|pour\w* in|rain\w* in|keep coming|exploded)\b",
        rules=('MURI_SPIKE',),
    ),
    _family(
        "old ticket",
        r"\b(?:old|aged|long-?standing|ancient|aging)\b[^.]{0,20}\bticket|\b(?:critical|urgent|severe|blocking) (?:support )?(?:tickets?|case|bug|issue|incident)\b|\b(?:ticket|case|incident)\b[^.]{0,25}\b(?:for (?:weeks|months|ages)|far too long|unsolved for|never been (?:solved|answered))",
        r"\b(?:tickets?|cases?|requests?|outage|incident|bugs?)\b[^.]{0,40}\b(?:unanswered|unsolved|unresolved|untouched|no fix|no answer|ignored|forgotten)\b[^.]{0,20}\b(?:for|after|since) (?:weeks|months|ages|days|a long)",
        rules=('MURI_AGED_P1',),
    ),
    _family(
        "service levels",
        r"\bmiss(?:ed|es|ing) (?:the |its |our |their )?(?:service levels?|sla|targets?|response)|\b(?:service levels?|slas?) (?:was|were|has been|have been|are|is) (?:missed|breached|broken)|\bbreach\w* (?:of )?(?:the |its |our )?(?:service|sla|agreement|contract)|\banswers?\b[^.]{0,25}?\b(?:came?|comes?|arrives?|arrived|are|were) (?:\w+ )?(?:too )?late\b|\b(?:slow|late) (?:answers?|responses?|support|replies)\b|\bsupport (?:is|was|has been) (?:too )?(?:slow|late|bad|poor)\b|\bkept waiting\b|\blet (?:them|the customer) wait\b",
        r"\b(?:answers?|answered|repl(?:y|ies|ied)|responds?|responded|responses?|reacts?|solves?|support)\b[^.]{0,30}\b(?:later|slower|longer|worse) than\b",
        r"\b(?:miss\w*|over|past|beyond|outside|behind) (?:the |its |our |their )?(?:agreed |promised )?(?:targets?|service levels?|slas?|response times?|time limits?)\b",
        r"\bsupport\b[^.]{0,30}\b(?:too slow|is slow|lets? (?:them|the customer) (?:wait|down)|fails|drags|behind)\b",
        r"\bservice levels?\b[^.]{0,30}\b(?:miss\w*|breach\w*|broken|fail\w*|violat\w*)",
        rules=('MURI_SLA',),
        facts=('sla_breaches_90d',),
    ),
    _family(
        "escalation",
        r"\b(?:has|have|was|were|is being|been|had to be) escalated\b|\b(?:an?|the|open|running|formal|executive) escalations? (?:is|are|was|were) (?:open|running|under way|with|on|at)\b|\bescalations? (?:runs?|came|lies|sits)\b|\bescalated (?:to|it|this|the)\b",
        facts=('escalations_90d',),
    ),
    _family(
        "use given up",
        r"\babandon\w*|\bstopped (?:using|working|coming|logging)|\bgave up on\b|\bgiven up on\b|\bturn(?:ed|ing) (?:their backs?|away)|\blos(?:t|ing|es) interest\b|\binterest (?:has )?(?:faded|waned|gone)\b|\bdisengag\w+|\bdrift\w* away\b|\bwalked away\b|\bloss of (?:interest|use|users)",
        r"\b(?:turn\w*|gone|went|go(?:es|ing)?|fall\w*|fell) back (?:to|on) (?:paper|spreadsheets|excel|mail|the old|pen)\b|\bturned to paper\b|\b(?:is|are|were|was) (?:leaving|abandoning|dropping|deserting) the product\b|\b(?:deserted|gave it up|given it up|dropped the product|uninstall\w*)\b",
        rules=('MURA_DROP', 'SILENCE', 'MURA_GAP', 'NOTICE_SERVED'),
        facts=('lost_on', 'use_falls'),
    ),
    _family(
        "silence",
        r"\b(?:gone|went|fallen|goes) (?:quiet|silent|dark)\b|\bno longer (?:answers?|responds?|repl\w+|returns?|picks? up)|\bunresponsive\b|\b(?:does|do|did) not (?:answer|respond|reply|return)\b|\bstopped (?:answering|replying|responding|talking)|\bghost\w*|\bradio silence\b|\bsilence (?:from|since|on their side)\b|\bavoid\w* (?:us|our calls|contact)\b|\bnot heard from (?:them|the customer|her|him|anyone|anybody)\b",
        r"\b(?:nobody|no one)\b[^.]{0,30}\b(?:picks? up|answers?(?! for)|repl(?:y|ies)|responds?|returns? (?:our )?calls?)\b",
        r"\bno longer ask\w*",
        r"\b(?:calls|mails?|messages|invitations)\b[^.]{0,25}\b(?:unanswered|ignored|unreturned|into the void)\b|\bignor\w+ (?:us|our)\b|\bgone cold\b|\bsilen(?:t|ce)\b[^.]{0,20}\b(?:for|since) (?:weeks|months)",
        rules=('SILENCE',),
        facts=('is_silent',),
    ),
    _family(
        "one person",
        r"\b(?:single|lone|sole) (?:person|contact|user|colleague|employee)\b[^.]{0,40}\b(?:carr\w+|depend\w*|holds?|runs?|does|knows|uses?|keeps?)|\b(?:depend\w*|rest\w*|hang\w*|rel(?:y|ies)|stands? or falls?) (?:\w+ )?(?:on|with) (?:a |the |only )?(?:single|one|lone|sole)\b|\bsingle[- ]thread\w*|\ball (?:the )?(?:use|work) (?:depends|hangs|rests)",
        r"\b(?:pair of shoulders|one-man show|bottleneck person|key[- ]person risk)\b",
        
        r"\bif (?:their|the|this|that|its|the only) [\w-]+(?: [\w-]+)? (?:leaves?|goes|resigns|quits|falls ill|is (?:away|ill|gone|sick)|retires|stops)\b[^.]{0,15}\b(?:nobody|no one|everything|all|nothing|the (?:use|product|work|rollout)|use|work)\b",
        r"\bwithout (?:him|her|that person|this person)\b",
        rules=('SINGLE_THREAD',),
        facts=('contacts_active', 'psp_verdict'),
    ),
    _family(
        "no talk of the renewal",
        r"\bnobody (?:has )?(?:talk\w*|spoke\w*|speaks?) (?:with \w+ )?(?:about|of) the renewal|\bno (?:renewal )?talks? (?:about|on|have|has|is|are|with)\b|\bno renewal is open\b|\bcustomer decides without us\b|\brenewal (?:is|was) (?:being )?(?:ignored|forgotten)",
        r"\b(?:renewal|opt-out|notice|deadline)\b[^.]{0,60}\b(?:no (?:meeting|talks?|conversation|call|date)|nobody|no one|nothing)\b[^.]{0,30}\b(?:planned|scheduled|held|spoke\w*|talk\w*|called|begun|started|arranged|booked|under way|happen\w*|has|is)\b",
        r"\bnobody has (?:yet )?(?:called|spoken (?:with|to) (?:them|the customer))\b",
        rules=('RENEWAL_NO_TALK',),
        facts=('renewal_open_amount', 'renewal_open_close_on'),
    ),
    _family(
        "stale data",
        r"\b(?:data|figures|records|numbers)\b[^.]{0,30}?\b(?:is|are|was|were|has become|have become) (?:far |much )?(?:too )?(?:stale|old|out of date|outdated|unreliable|wrong|incomplete)\b|\brest on old data\b|\bstale data\b|\bcannot trust (?:the|these|our) (?:data|figures)",
        r"\b(?:data|figures|records|numbers|feed|usage|sync|import)\b[^.]{0,30}\b(?:stopped (?:arriving|coming|flowing|updating)|(?:has|have) not (?:arrived|been (?:updated|refreshed|delivered))|no longer arriv\w+|dried up|broke off|missing for|late for|(?:is|are) (?:weeks|months) old)\b",
        rules=('DATA_STALE',),
        facts=('no_usage',),
    ),
    _family(
        "late first value",
        r"\b(?:first value|the milestone|first result)\b[^.]{0,30}\b(?:is |was |comes? |came |much |too )*(?:late|overdue|missed|delayed|slipp\w+|behind schedule)\b|\bhas not reached (?:the|its|their|any) (?:first|result|milestone|value)|\blate first value\b|\bonboarding (?:is|was|has) (?:late|stalled|stuck|delayed|failed)|\b(?:rollout|implementation|onboarding) (?:has )?(?:failed|stalled|slipped)",
        r"\b(?:still )?wait\w* for (?:their|its|the|a) first (?:result|value|success)\b",
        r"\b(?:first value|first result|promised value|milestone)\b[^.]{0,30}\b(?:not (?:yet )?(?:been )?(?:reached|there|arrived|come|seen)|still (?:missing|outstanding|out|open)|never (?:came|arrived|reached))\b",
        r"\b(?:onboarding|rollout|implementation|go-live|launch|migration|project)\b[^.]{0,25}\b(?:never got off|stall\w*|stuck|failed|slipp\w+|behind schedule|late|delayed|postponed|stopped|halted|on hold|got nowhere)\b",
        rules=('FTTV_LATE',),
        facts=('first_value_late', 'fttv_due_on'),
    ),
    _family(
        "handoff",
        r"\b(?:gaps?|holes?) in the (?:sales )?handoff|\bhandoff\b[^.]{0,25}\b(?:has|have|is|was|are|with|full of|leaves) (?:\w+ )?(?:gaps?|holes?|incomplete|thin|poor)\b|\bhanded over (?:an? )?(?:incomplete|half|thin|poor)|\bhandoff (?:is|was) (?:incomplete|full of|poor|missing|thin)|\bwithout things that sales knew\b|\bsales (?:promised|oversold|kept from us)|\boversold\b",
        r"\b(?:handoff|handover|hand-over)\b[^.]{0,40}\b(?:gaps?|holes?|incomplete|thin|poor|lost|missing|half|lack\w*|botched|sloppy|left out)\b",
        r"\bsales (?:never|did not|failed|forgot|left|hid|lied|over)\b",
        r"\b(?:nobody|no one) (?:told|handed) us\b",
        rules=('HANDOFF_GAP',),
        facts=('handoff_missing', 'handoff_missing_count', 'handoff_conflicting'),
    ),
    _family(
        "uneven use",
        r"\bswing\w*\b[^.]{0,20}\bweek\b|\buneven (?:weekly )?use\b|\b(?:erratic|irregular|volatile|patchy) (?:use|usage|activity|pattern)|\bspiky\b|\bups and downs\b",
        rules=('MURA_SPIKY',),
    ),
    _family(
        "long pause",
        r"\b(?:weeks|months|days)\b[^.]{0,15}?\bwithout (?:using|use|any|anybody|anyone|a single|logging|opening|work)|\bnot (?:been|logged|worked|signed|used)\b[^.]{0,30}?\b(?:for|in) (?:a long|weeks|months|days|ages)|\b(?:long|longest|endless) (?:stretch|run|pause|gap|period)\b[^.]{0,25}\bwithout\b",
        r"\b(?:for|in) (?:weeks|months|days|ages|a long time)\b[^.]{0,15}\b(?:nobody|no one|none|nothing|not a soul)\b",
        r"\b(?:nobody|no one|not a soul)\b[^.]{0,40}\b(?:for|in|since) (?:weeks|months|days|ages|a long)\b",
        rules=('MURA_GAP',),
        facts=('long_gap',),
    ),
    _family(
        "shelfware",
        r"\bshelf ?ware\b|\bover-?licen[cs]ed\b|\bover-?bought\b",
        rules=('MUDA_SHELFWARE',),
        facts=('shelfware_seats', 'unused_seats', 'waste_annual'),
    ),
    _family(
        "paid features unused",
        r"\bpaid features? (?:is|are|lie|go|stay|left|remain) (?:left )?unused\b|\bpays for (?:capabilities|features) (?:that )?(?:its|nobody|no one)",
        rules=('MUDA_FEATURE',),
        facts=('unused_feature_names',),
    ),
)  # fmt: skip

#: Somebody says so: no fact of ours is a rumour, so whatever follows is not known.
HEARSAY = re.compile(
    r"\b(?:rumou?rs?|rumou?red|word (?:has it|is|on the street)|gossip\w*|reportedly|allegedly|supposedly|purportedly|hearsay|grapevine|it is (?:said|whispered|believed|thought|feared|an open secret|no secret) that|(?:people|they|some|sources|insiders|the press|newspapers?|the media|analysts) (?:(?:say|claim|whisper|report|write)s? that|whispers?)\b|(?:some|sources|insiders|the press|newspapers?|the media|analysts) (?:say|claim|report|write)s?\b|"
    r"(?<!what )(?:we|i) (?:(?:hear|heard)(?! (?:nothing|no|from|them|him|her|back|about))|are told|were told|understand that|suspect|fear|gather that|have (?:heard|learnt|learned|been told) (?:that|of))\b|by all accounts|as far as one hears|a little bird|off the record|between you and me|behind closed doors|an open secret|according to (?:rumou?rs?|sources|insiders|the press|a source|people)|is said to|are said to|is rumou?red|are believed to|is believed to|is thought to|is expected to (?:leave|quit|sell|cut|close))"
)

#: People and bodies of the customer, or around it, of whom no fact of a sheet speaks: whatever they do, want or suffer, nobody has computed it.
_ACTOR = (
    r"(?:cfo|ceo|coo|cto|cio|ciso|chro|vp|svp|board|supervisory board|procurement(?: (?:team|department|people|office))?|finance(?: (?:team|department|people|director|chief|lead))?|controlling|controllers?|(?:it|hr|legal|purchasing|compliance|security|accounting|marketing|operations|finance|data protection) (?:team|department|people|staff|officer|lead|head|director|chief|unit|manager)|"
    r"operations (?:chief|lead|head|director)|project (?:lead|manager|team)|head (?:of|for) [\w ]{2,20}|management(?: team)?|leadership(?: team)?|(?<!account )executives?(?! business)|executive (?:team|board|committee)|steering committee|committee|directors?|owners?|shareholders?|investors?|creditors?|banks?|auditors?|lawyers?|counsel|"
    r"parent(?: company)?|mother company|holding|headquarters|unions?|works council|workers|workforce|staff|consultants?|advisers?|advisors?|successor|predecessor|chair(?:man|woman)?|founders?|president|employer|government|ministry|regulator|press)"
)
ACTORS = re.compile(
    rf"(?:^|[,;:] |\b(?:and|but|because|since|as|so|while|that|although|though|where|for|then|now|today|yet|still|also|moreover|meanwhile|perhaps|apparently|maybe|probably|clearly|seems|says?|means|sure|fact|clear|likely|known|sadly|unfortunately|besides|behind|however) )(?:that )?(?:their|its|the|a|an|your|one of (?:their|the)|some of (?:their|the)|most|many|all of (?:their|the))? ?(?:\w+ )?\b{_ACTOR}\b"
    r"(?: (?:there|itself|themselves|at the customer|on their side|of the (?:customer|company|group)|in charge|who|that|which|has|have|had|is|are|was|were|will|would|may|might|can|could|must|wants?|plans?|thinks?|says?|does|did|feels?|fears?|sees?|seems?|looks?|prefers?|doubts?|likes?|told|asked|asks|decided|decides|went|goes|took|takes|lost|loses|made|makes|put|puts|gave|gives|cut|cuts|sold|sells|left|quit|fell|ran|held|kept|knew|found|got|came|came|said|stood|brought|bought|hurt|broke|chose|drew|drove|grew|heard|hit|let|met|paid|read|rose|saw|sent|set|shut|spent|spoke|stole|swore|taught|threw|wrote|burnt|fled|sought|shrank|\w+ed|\w{3,}s)\b)"
)
#: The customer as the one of whom something is said.
CUSTOMER = re.compile(
    r"(?:^|[,;:] |\b(?:and|but|because|since|as|so|while|although|though|that|where|then|now|seems|apparently|perhaps|probably|sadly|clearly) )(?:that )?(?:they(?! did\b)|their \w+(?: \w+)?|the customer|this customer|the client|nobody there|no one there|(?:people|everyone|everybody|users|someone|somebody|colleagues|planners|managers|staff|most) (?:there|at the customer|on their side)|"
    r"half (?:of )?their \w+|some of their \w+|many of their \w+|one of their \w+|(?:the|its|their|a|this) (?:\w+ )?(?:business|group|division|company|firm|team|department|unit)|the (?:people|users|relationship|mood|project|rollout)(?: (?:there|we \w+ with|that \w+ us|of the customer))?|we (?:feel|sense|have (?:upset|failed|hurt|angered))|things|trouble|problems|there (?:is|are) (?:trouble|problems|a problem|bad|little|no love))\b"
)
#: What the facts speak of: a sentence with such a word is judged by the words above, because it may say a fact in other words.
TOPICS = re.compile(
    r"\b(?:words|us(?:e|es|ed|er|ers|ing|age)|unused|idle|seats?|licen[cs]es?|log(?:s|ged|ging)?(?: in)?|logins?|sign(?:s|ed)? (?:in|up)|active|activit\w+|open\w*|features?|capabilit\w+|untouched|tickets?|support|answer\w*|ask\w*|renew\w*|notice|opt-out|deadline|contract\w*|agreement|pays?|paid|bought|buys?|purchas\w+|"
    r"right size|train\w*|onboard\w*|first (?:value|result)|results?|goals?|targets?|outcomes?|handoff|sales|champions?|sponsors?|contacts?|recorded|records?|known?|data|measur\w+|figures?|numbers?|score|health|meetings?|met|calendar|reviews?|kick-?off|adopt\w*|work(?:s|ed|ing)?|started?|begun|began|grow\w*|write|wrote|written|expects?|decides?|decision|revenue|price|stop(?:ped)?|quiet|silent|waits?|hear|argument|feels?|likes?|trend|season\w*|weeks?|days?|months?)\b"
)
