"""How text is read before it is judged, and the words the gates look for.

A number can be hidden from a plain search: full-width digits, letters of another script, zero-width characters inside a word,
letters with blanks between them. Every gate therefore looks at the folded text, and the folding is here once.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from pathlib import Path

#: Letters of other scripts that look like Latin ones. NFKC has already folded full-width, mathematical and circled letters.
_LOOKALIKES = str.maketrans(
    "абвгеезіїјкмнорстухѕԁһӏԛԝАВЕЗІЈКМНОРСТУХЅԌ" "αβγεζηικνορτυχωΑΒΕΖΗΙΚΜΝΟΡΤΥΧ" "ıȷɑɡɩʟʀǀ∣",
    "a6breeeiijkmhopctyxsdhlqwABE3IJKMHOPCTYXSG" "abyeznikvoptuxwABEZHIKMNOPTYX" "ijagilrll",
)  # fmt: skip

_NUMBER_WORD = (
    "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|"
    "twenty|thirty|forty|fourty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|trillion|dozen|nil|nought|naught"
)
#: The commonest ways out into a neighbouring language.
_FOREIGN_NUMBER = (
    "zwanzig|dreissig|vierzig|funfzig|fuenfzig|sechzig|siebzig|achtzig|neunzig|hundert|tausend|vingt|trente|quarante|cinquante|soixante|mille|veinte|treinta|"
    "cuarenta|cincuenta|sesenta|setenta|ochenta|noventa|cien|ciento|doce|prozent|pourcent|venti|trenta|quaranta|cinquanta|sessanta|settanta|ottanta|novanta|cento|duecento|"
    "twintig|dertig|veertig|vijftig|zestig|zeventig|tachtig|negentig|honderd|duizend|tjugo|trettio|fyrtio|femtio|sextio|sjuttio|hundra|tusen|vinte|trinta|quarenta|cinquenta|"
    "sessenta|oitenta|cem|zwei|drei|vier|funf|sechs|sieben|acht|neun|zehn|zwolf|deux|trois|quatre|cinq|neuf|onze|douze|quinze|cuatro|cinco|siete|ocho|nueve|diez|quattro|cinque"
)
_ORDINAL = (
    "third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|"
    "twentieth|thirtieth|fortieth|fiftieth|sixtieth|seventieth|eightieth|ninetieth|hundredth|thousandth|millionth"
)
_FRACTION = (
    "half|halves|halve|halved|halving|double|doubles|doubled|doubling|triple|triples|tripled|tripling|treble|quadruple|quadrupled|quintuple|twice|thrice|"
    "quarters|twofold|manyfold|tenths|percent|percents|percentage|percentages|percentile|pct|permille"
)
_CURRENCY_WORD = "dollar|dollars|usd|eur|euro|euros|gbp|pound|pounds|sterling|chf|franc|francs|sek|nok|dkk|krona|kronor|yen|jpy|cad|aud|inr|rupee|rupees|yuan|cny|cent|cents|pence|penny|bucks|buck|grand"
_MONTH = "january|february|april|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|januar|februar|märz|juni|juli|oktober|dezember|janvier|fevrier|mars|avril|mai|juin|juillet|aout|septembre|octobre|novembre|decembre"
NUMBER_WORDS = re.compile(
    rf"\b(?:{_NUMBER_WORD}|{_ORDINAL})+(?:s|th|ths|fold|ish|some|odd)?\b|\b(?:{_FRACTION}|{_FOREIGN_NUMBER})\b|\b[a-z]+teens?\b|\b(?:couple|pair|score|gross|brace) of\b|(?<!\bask a )(?<!\binterview a )(?<!\binvite a )(?<!\bpick a )(?<!\bchoose a )(?<!\bvisit a )(?<!\bmeet a )\bhandful of\b|(?<!\bthe )(?<!\btheir )(?<!\brisk )(?<!\blean )(?<!\bboth )\bscores of\b|\bevery second (?:seat|user|licen\w+|person|colleague|one)\b|\bquarter of\b|\bper cent\b|\b(?:majority|minority)\b|\b(?:the bulk|a fraction|the lion's share) of\b|"
    r"\b(?:nearly|almost) (?:all|none) (?:of )?(?:the |your |their |its )?(?:seats|users|licen\w+|tickets)\b|\bumpteen\b|\bcountless\b|\b(?:single|low|high|mid|double|triple) digits?\b|\btenners?\b|\bfivers?\b|\bbasis points?\b"
)
CURRENCY_WORDS = re.compile(rf"\b(?:{_CURRENCY_WORD})\b")
MONTH_WORDS = re.compile(rf"\b(?:{_MONTH})\b|\b(?:in|by|of|until|till|since|mid|early|late|before|after|from|to|this|next|last|during)[ -](?:may|march)\b")
#: Days and feasts that are dates without a number.
DAY_WORDS = re.compile(
    r"\b(?:(?:on|by|before|until|till|next|this|from|since|after) (?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)|easter|christmas|xmas|new year|thanksgiving|whitsun|halloween|midsummer|ramadan|hanukkah|diwali|"
    r"year's end|year[- ]end|end of (?:the|this|next) year|in a fortnight|(?:spring|summer|autumn|winter) of (?:this|next|the)|(?:by|before|until|this|next) (?:the )?(?:spring|summer|autumn|winter))\b"
)
#: 'may' and 'march' are verbs too; with a capital they are taken for months (fail closed).
CAPITAL_MONTHS = re.compile(r"\b(?:May(?! (?:we|I|you|they|our|your|he|she|it)\b)|March)\b")
#: Letters that stand in for digits: lOO, IO0.
LETTER_DIGITS = re.compile(r"(?<![A-Za-z])(?=[lIO|]*[O])(?=[lIO|]*[lI|])[lIO|]{2,}(?![A-Za-z])|(?<![A-Za-z])O{2,}(?![A-Za-z])")

#: II, IV, XIV, LXI: capitals only; of those with C, D, L or M none that is an abbreviation or a word.
ROMAN_NUMERALS = re.compile(
    r"(?<![A-Za-z])(?!(?:CV|MD|DC|CD|DI|MC|DL|ML|CM|MM|CC|DM|LI|LV|MI|CI|MIX|DIM|MDI|CCC|MCC|DCC|CIC|CLI|CDI|CDC|CMD|XXL)(?![A-Za-z]))(?=[IVXLCDM]{2,}(?![A-Za-z]))"
    r"M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})(?![A-Za-z])"
)
#: Capitals that pass for digits before a counted noun: SO seats, BO users.
CAPITAL_DIGITS = re.compile(
    r"(?<![A-Za-z])(?:[SBIZOl]{1,4}[OISBl]|[IVXLCDM]{2,})\s+(?:(?:unused|free|active|open|idle|contracted) )?(?:seats?|users?|days?|tickets?|people|colleagues|licen\w+|months?|weeks?|years?|teams?|persons?)\b|(?<![A-Za-z])[sbz][IOl](?![A-Za-z'])"
)

#: Idioms that hold a number word and state no number.
_HARMLESS = re.compile(
    r"\b(?:(?:no|every|each|any|this|that|which)[ -]one|one another|one by one|one of (?:their|its|your|our) own|in one (?:place|go|hand)|one[’']s|ones|"
    r"(?:risk|lean|health) score of|(?:the|is|was|as) one (?:who|that|which|to)|(?:the|a) score of(?= \ue000)|at once|one day|day one|one(?=[.,;?!](?:\s|$)| here| yet| today| now))\b"
)

_CHANGE_DOWN = (
    r"fell|fall|falls|falling|fallen|dropped|drops?|dropping|declin\w+|decreas\w+|shrank|shrunk|shrink\w*|slipped|slid|sank|sunk|sink\w*|dipped|lags?|lagging|erod\w+|weaken\w*|crumbl\w*|worsen\w*|"
    r"deteriorat\w+|dwindl\w+|tumbl\w+|plung\w+|wan(?:es|ed|ing)|ebb\w*|thinn?(?:ed|ing|s) out|tail(?:s|ed|ing)? off|tapered?|went down|gone down|going down|goes down|came down|coming down|"
    r"on (?:its|the|their) way down|los(?:t|es|ing) ground|slow(?:s|ed|ing)? down|clear loss|fewer people|fewer users|fewer colleagues|backwards|downhill|downward\w*|losing|melt\w*|collaps\w+|halv\w+"
)
_CHANGE_UP = (
    r"rose|risen|rises?|rising|grew|grown|grows?|growing|increas\w+|climb\w*|jump\w*|surg(?:ed|es|ing)|outgrew|doubled|recover\w*|accelerat\w+|strengthen\w*|improv(?:ed|es|ing)|soar\w*|rebound\w*|"
    r"pick(?:s|ed|ing)? up|went up|gone up|going up|goes up|came up|on (?:its|the|their) way up|clear gain|more (?:people|users|colleagues) (?:log|sign|use|work|come|are at)|(?:team|people|users|colleagues|they) (?:is|are) coming back|gain(?:s|ed|ing) (?:ground|pace)|"
    r"gathering pace|upward\w*|upswing|uphill|momentum|flourish\w*|took off|taken off|swell\w*|bounc\w+ back|ramp\w* up|on the rise|better than before"
)
_LESS = r"below|less than|fewer than|lower than|smaller than|down from|short of|shy of|under the|worse than|behind the|short of the"
_MORE = (
    r"exceed\w*|above|more than|higher than|larger than|greater than|up from|ahead of the figure|better than|beat(?:s|en)? the|surpass\w*|topped|outstrip\w*"
)
FALLING = re.compile(rf"\b(?:{_CHANGE_DOWN}|{_LESS})\b")
RISING = re.compile(rf"\b(?:{_CHANGE_UP}|{_MORE})\b")
LEVEL = re.compile(
    r"\b(?:unchanged|flat|level with|the same as|equals?|equal to|stable|steady|steadily|constant|nothing has moved|no change|has not moved|have not moved|plateau\w*|stagnat\w+|holds? its level|kept its level)\b"
)
#: Words that change states over time; the others compare two values that stand side by side.
CHANGES = re.compile(rf"(?:{_CHANGE_DOWN}|{_CHANGE_UP}|plateau\w*|stagnat\w+|nothing has moved|unchanged|has not moved|have not moved)$")
#: What a change of which would be a figure: without a value in the sentence, a direction word counts beside one of these.
FIGURE_WORDS = re.compile(
    r"\b(?:use|usage|activity|adoption|log(?:s|ged)? in|log-?ins?|users?|people|team|teams|colleagues|tickets?|revenue|score|figures?|numbers?|engagement|share|demand|traffic|utili[sz]ation|seats|attendance)\b"
)
#: Idioms, pages and dates: 'falls on', 'the steps below', 'above all', 'grow into the contract', 'a growing team'.
NO_DIRECTION = re.compile(
    r"\b(?:future|further|yearly|annual|later|any|price|cost|fee) increases?\b|\bfall(?:s|ing)? (?:on|to|due|back|into|in|under|away|short of what)\b|\bfell (?:to|due|into|on)\b|\babove all\b|"
    r"\b(?:steps?|list|table|figures?|see|find|named|given|set out|listed|described|shown|said|points?|questions?|facts?|text|plan|ones?|paragraph|section|note|notes|dates?|names?|proposal|actions?|as) (?:above|below)\b|"
    r"(?:^|[.!?:] )(?:below|above)\b|\bbelow (?:is|are|you|we|stands?|follow\w*)\b|\bgrow(?:s|ing|n|th)? (?:into|together|up|out of|team|company|business|customer|interest|list)\b|\bshrink out of\b|\bdrop[- ](?:in|by|off|down)\b|\bdrop (?:the|this|that|it|a|us|me|them)\b|"
    r"\bdeclin\w+ (?:the|an?|this|that|our|your|to|politely)\b|\bgive(?:s|n)? rise\b|\bflat (?:hierarch\w+|fee|rate|list|file)\b|\bpick(?:s|ed|ing)? up (?:the|a|where|on|from|with|an|our|your|their|this|that)\b|"
    r"\bcame up (?:for|in|at|with)\b|\bmore than (?:any|a|an|the|that|this|it|one|anything|words?|enough|seats)\b|\b(?:the same as) (?:being|a|an|having|saying)\b|\bsmaller than it (?:is|looks|seems)\b|\bmore (?:seats|users|people) than (?:people|seats|users)\b|"
    r"\bsteady (?:work|accounts?|customers?|pace|hand|hands|company|partner\w*|relationship|contact|rhythm)\b|\bgrowing (?:pains)\b|\bnothing less than\b|\bno less than\b|\bbetter than (?:a|an|any|the|no|nothing|none|to|asking|guessing|\w+ing)\b|"
    r"\b(?:lose|losing|loses) (?:the|this|that|a|an|time|sight|track|touch|sleep|interest|patience|them|it|us|their|its)\b|\bcom(?:e|ing) back to (?:you|us|them|it|this|that|the (?:customer|question|point|list|figures))\b|"
    r"\bunder the\b|\bbehind the\b|\brecover\w* (?:the|a|it|them|from|access|data|passwords?)\b|\bsign (?:up|off)\b|\bmore (?:people|users|colleagues) (?:in|into|on|who|to|from|could|can|should|from|at|with|than)\b|\bjump(?:s|ed|ing)? (?:in|on|to)\b|\bstable (?:version|contact|base)\b"
)

#: A word that bends an exact value: the renderer prints exact values, so 'almost {{F12}}' would be wrong.
HEDGE_BEFORE_SLOT = re.compile(
    r"(?<!spread )(?<!divided )(?<!issued )(?<!adds )(?<!add )(?<!sums )(?<!comes )(?<!amounts )\b(?:about|around|almost|nearly|roughly|approximately|circa|some|over|under|only|up to|at least|at most|more than|less than|fewer than|"
    r"minus|plus|times|another|well over|just|close to|in the region of|say|as (?:many|much|few|little) as)\s*\{\{(F\d\d)\}\}",
    re.I,
)
#: Words that bend even a date; 'a talk about {{renewal date}}' does not.
HEDGE_OF_DATE = re.compile(r"\b(?:around|roughly|approximately|circa|almost|nearly)\s*$", re.I)

COMMITMENT_VERBS = re.compile(
    r"\b(?:will|can|could|shall|agree\w*|guarantee\w*|confirm\w*|commit\w*|promis\w+|waiv\w+|extend\w*|honou?r\w*|match\w*|lock\w*|includ\w+|offer\w*|grant\w*|giv\w+|gave|provid\w+|"
    r"assur\w+|ensur\w+|approv\w+|authori[sz]\w+|entitled|ll|apply|applies|applied|reduc\w+|cut|lower\w*|cap|capped|freez\w+|frozen|hold|keep|drop|throw|credit\w*|refund\w*|reimburs\w+|happy to|able to|ready to)\b"
)
COMMERCIAL_NOUNS = re.compile(
    r"\b(?:discount\w*|rebate\w*|price\w*|pricing|quote\w*|quotation|credit\w*|refund\w*|fee|fees|charge|charges|cost|costs|surcharge|invoice\w*|bill|billing|payment\w*|"
    r"term|terms|termination|terminate|auto-?renew\w*|renewal terms?|notice period|sla|slas|uptime|penalt\w+|warrant\w+|liabilit\w+|indemni\w+|voucher\w*|bonus|concession\w*|waiver\w*|"
    r"free (?:month|months|seat|seats|licen[cs]es?|upgrade|period|of charge|access)|price (?:lock|cap|hold|match)|release date|delivery date|ship date|general availability|competitor\w*)\b"
)
#: Phrases that promise by themselves.
COMMITMENT_PHRASES = re.compile(
    r"\b(?:on us|on the house|free of charge|at no (?:extra |additional )?(?:cost|charge)|no (?:extra|additional) (?:cost|charge)|no (?:price )?increase|for free|complimentary|money back|best price|"
    r"price (?:lock|guarantee|match|freeze|cap)|(?:smaller|fewer|less|reduced?|cheaper) (?:contract|subscription|bill|invoice)|"
    r"(?:reduc|cut|drop|remov|cancel|releas|downgrad|return|hand back|give back|giv)\w*\s+(?:\w+\s+){0,5}?(?:seats?|licen[cs]es?|contract|subscription)|legally binding|we undertake|you have (?:my|our) word)\b"
)
INTERNAL_WORDS = re.compile(
    r"\b(?:at[ -]risk|churn\w*|risk (?:score|band|rating|level|register)|health score|(?:red|yellow|amber|green) account|shelf ?ware|wast(?:e|es|ed|ing|age)|down-?sell\w*|up-?sell\w*|cross-?sell\w*|expansion|"
    r"save play|renewal risk|muda|mura|muri|lean risk|red flags?|detractor\w*|arr|nrr|grr|internal(?:ly)?|lifecycle phase|win-?back|post-?mortem|champion risk|escalation risk|competitor\w*|right-?siz\w+|headroom|over-?licen[cs]ed|over-?bought|over-?sold|opt-?out)\b"
)
LINKS = re.compile(
    r"https?:|www\.|://|mailto:|\b[\w.+-]+@[\w-]+\.\w+|\[[^\]]*\]\(|!\[|<[a-z/!]|\b[a-z0-9-]+\.(?:com|net|org|io|ai|co|de|eu|app|dev)\b|@(?:here|channel|everyone)\b"
)
#: Text that tries to steer, which a source row may carry into a draft.
STEERING = re.compile(
    r"\b(?:ignore (?:all|any|the|previous|prior)|disregard|system prompt|as an? (?:ai|language model)|new instructions?|instructions? above)\b"
)

_ENGLISH = frozenset(
    re.findall(
        r"\w+",
        "the a an of to and in is are was were be been for on with by as at that this it its from or not no have has had which who what when where how can will "
        "would should their they them there than then so if but into out all each every any before after until during more most other our we us you your he she "
        "his her i do does did may must up about between while",
    )
)


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """`text` as the gates read it: NFKC, without zero-width and other format characters and accents, lookalike letters in Latin. Case is kept.

    Remembered: a draft's gates ask for the same few texts some 300 times (10 of the 18 ms that a draft took).
    """
    if text.isascii():  # nothing to fold but the one mark that stands for an apostrophe
        return text.replace("`", "'")
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(letter for letter in plain if unicodedata.category(letter) not in ("Cf", "Mn", "Me") and letter not in "\u115f\u1160\u3164\u2800")
    plain = plain.translate(_LOOKALIKES)
    plain = unicodedata.normalize("NFKD", plain)
    plain = "".join(letter for letter in plain if unicodedata.category(letter) not in ("Mn", "Me"))
    plain = re.sub("[\u2018\u2019\u02bc\u0060\u00b4]", "'", plain)
    return re.sub("[\u2010-\u2015\u2212]", "-", plain)


def variants(text: str) -> tuple[str, ...]:
    """Lower-case readings of folded `text`: as it stands, hyphens as blanks, and letters that are spaced out (`f i v e`) joined."""
    lower = _HARMLESS.sub(" ", text.casefold())
    joined = re.sub(r"\b(?:\w[\s._\-*/]+){2,}\w\b", lambda match: re.sub(r"[\s._\-*/]+", "", match[0]), lower)
    # 'tw-enty', 'th*ree': marks inside a word
    squeezed = re.sub(r"(?<=\w)[-_*'./](?=\w)", "", lower)
    return tuple(dict.fromkeys((lower, lower.replace("-", " ").replace("_", " "), joined, squeezed)))


#: Words that a disguise is worth for: found backwards, with doubled letters, without vowels, in pieces.
_WORTH_HIDING = [
    "discount",
    "discounts",
    "refund",
    "refunds",
    "rebate",
    "rebates",
    "guarantee",
    "guaranteed",
    "guarantees",
    "waive",
    "waived",
    "waiver",
    "free",
    "price",
    "prices",
    "pricing",
    "credit",
    "credits",
    "cap",
    "capped",
    "lock",
    "locked",
    "churn",
    "penalty",
    "warranty",
    "liability",
    "uptime",
    "gratis",
    "complimentary",
    "risk",
    "release",
    "delivery",
    "competitor",
    "match",
    "cancel",
    "terminate",
    "notice",
    "increase",
    "compensation",
    "voucher",
    "fee",
    "fees",
    "charge",
    "charges",
    "invoice",
    "renewal",
    "quote",
    "exempt",
]
_BACKWARDS = {word[::-1]: word for word in _WORTH_HIDING if len(word) > 4}
_SHORTENED = {
    "rfnd": "refund", "dscnt": "discount", "disc't": "discount", "appr'd": "approved", "guar'd": "guaranteed", "grntd": "guaranteed", "gtd": "guaranteed", "gteed": "guaranteed", "prc": "price", "pmt": "payment", "comp'd": "complimentary",
    "chrg": "charge", "cntrct": "contract", "frzn": "frozen", "lckd": "locked", "crdt": "credit", "grnt": "guarantee", "wvd": "waived", "xtra": "extra", "f.o.c": "free of charge", "foc": "free of charge",
}  # fmt: skip


def undisguised(lower: str) -> tuple[str, ...]:
    """Other readings of a lower-case text: single letters joined, hyphens and dots inside words taken out, doubled letters single, words turned round."""
    readings = []
    joined = re.sub(r"(?<![^\W\d_])(?:[^\W\d_][\s._\-*/|]+){2,}[^\W\d_](?![^\W\d_])", lambda match: re.sub(r"[\s._\-*/|]+", "", match[0]), lower)
    readings.append(joined)
    squeezed = re.sub(r"(?<=[^\W\d_])[-_*'./|](?=[^\W\d_])", "", lower)
    if any(word in squeezed and word not in lower for word in _WORTH_HIDING):
        readings.append(squeezed)
    pieces = re.sub(r"(?<=[^\W\d_])[.] (?=[^\W\d_])", "", lower)
    if any(word in pieces and word not in lower for word in _WORTH_HIDING if len(word) > 6):
        readings.append(pieces)
    turned = re.sub(r"[a-z'.]+", lambda match: _BACKWARDS.get(match[0]) or _SHORTENED.get(match[0].strip(".")) or _single(match[0]), lower)
    readings.append(turned)
    return tuple(reading for reading in dict.fromkeys(readings) if reading != lower)


def _single(word: str) -> str:
    """`diiscount` as `discount`: a word with doubled letters, if that makes it one that is worth hiding."""
    if len(word) < 5 or word in _WORTH_HIDING:
        return word
    collapsed = re.sub(r"(.)\1+", r"\1", word)
    return next((known for known in _WORTH_HIDING if collapsed != word and collapsed == re.sub(r"(.)\1+", r"\1", known)), word)


def hides_letters(folded: str) -> str | None:
    """Three or more single letters in a row, a word without a vowel, or a common one with a vowel doubled: nobody writes so who has nothing to hide."""
    match = (
        re.search(r"(?<![^\W\d_])(?:[^\W\d_][\s._\-*/|]+){2,}[^\W\d_](?![^\W\d_'])", folded)
        or re.search(r"(?<![^\W\d_'&])[bcdfghjklmnpqrstvwxz]{4,}(?![^\W\d_'])", folded)
        or re.search(r"&#?\w+;", folded)
    )
    if match is not None:
        return match[0]
    return next((word for word in re.findall(r"(?<![^\W\d_'])[a-z]{3,}(?![^\W\d_])", folded) if _doubled(word)), None)


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    """Ordinary words of texts about accounts, plans and people (`common_words.txt`), for the question whether a misspelt one hides another."""
    return frozenset(Path(__file__).with_name("common_words.txt").read_text(encoding="utf-8").split())


#: A word in small letters, a bracket or a slot, and behind it a capital that small letters or an abbreviation follow.
_BORDER = re.compile(r"((?<![\w'-])[a-z][\w'-]*|[)}\ue000])(\s+)(?=([A-Z][a-z']*)\s+(?:[a-z]|[A-Z]{2,}\b|\{\{|\ue000))")


@lru_cache(maxsize=4096)
def ended(text: str) -> str:
    """`text` with a full stop where a sentence begins behind one that has none, as actions and measures are often written.

    A sentence begins with an ordinary word in capitals; a name does not, and the second part of one follows a capital. Without the stop, what excuses the
    first sentence would excuse the second.
    """
    return _BORDER.sub(lambda match: match[1] + (". " if match[3].casefold() in _ENGLISH or match[3].casefold() in _common() else match[2]), text)


@lru_cache(maxsize=8192)
def _doubled(word: str) -> bool:
    """Whether `word` is none as it stands and an ordinary one with one of its doubled vowels single: `priice`, `leegal`."""
    if word in _common():
        return False
    return any(word[: match.start()] + word[match.end() - 1 :] in _common() for match in re.finditer(r"([aeiou])\1", word))


def has_numeric_character(text: str) -> str | None:
    """The first character that Unicode gives a numeric value (any script, superscripts, Roman numerals, CJK numerals), or None."""
    return next(
        (letter for letter in text if letter.isdecimal() or unicodedata.category(letter)[0] == "N" or unicodedata.numeric(letter, None) is not None), None
    )


def currency_sign(text: str) -> str | None:
    """The first currency sign, percent or per-mille sign, or None."""
    return next((letter for letter in text if unicodedata.category(letter) == "Sc" or letter in "%‰‱٪﹪％"), None)


#: Marks of honest typography.
_TYPOGRAPHY = frozenset(
    "\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u2010\u2011\u2013\u2014\u2026\u2022\u00b7\u00a0\u2009\u202f\u2032\u2033\u00a7\u20ac\u00a3\u00a5\u00b0\u00b2\u00b3\u00b9\u00bd\u00bc\u00be"
)


def strange_character(text: str) -> str | None:
    """The first character that an honest text of ours does not hold, or None: invisible, combining, of another script, or a letter in fancy dress.

    Folding and searching loses the race against Unicode; a draft has no reason to leave Latin letters and typographic marks at all.
    """
    for letter in unicodedata.normalize("NFC", text):
        if " " <= letter <= "~" or letter in _TYPOGRAPHY:
            continue
        is_latin = letter.isalpha() and ord(letter) < 0x250 and unicodedata.name(letter, "").startswith("LATIN ")
        if not is_latin:
            return letter
    return None


def foreign_letter(text: str) -> str | None:
    """The first letter that is not Latin after folding, or None: a text in another script cannot be checked by these lists."""
    return next((letter for letter in text if letter.isalpha() and not unicodedata.name(letter, "").startswith("LATIN")), None)


#: Function words of the neighbours that English does not have.
_FOREIGN = {
    "de": "der das und ist nicht ein eine einen wir sie ihr ihre ihnen mit fur auf den dem auch wird werden von zu bei kein keine sind haben hat als oder aber wenn noch nur schon uber unser unsere ohne zum zur im bis nach",
    "fr": "le la les des du une et est dans pour nous vous votre vos notre nos avec sur pas ne que qui sera sont ce cette aux au sans plus mais ou leur leurs il elle jusqu tout tous toute",
    "es": "el los las una y en para nosotros usted ustedes su sus con por que es esta este del al se le nuestro nuestra sin mas pero como ya hasta todos todas sera son",
    "it": "il lo gli una e di per noi voi vostro vostra con su che sono sara del della dei delle nel nella al alla non ma come senza fino tutti questo questa ci vi nostro nostra",
    "pt": "o os as um uma e de para nos voce voces seu sua com por que sao sera do da dos das no na ao nosso nossa sem mais mas como ate todos nao em",
    "nl": "de het een en is van voor wij we u uw met op niet dat die zijn wordt worden geen ook bij naar aan maar als nog onze zonder tot",
    "sv": "och det som ar inte en ett vi ni er med for pa av till har kan ska utan men vara till fran alla",
    "pl": "i nie jest na do z w sie dla od po za bez nasz nasza wasz oraz ze to przez bedzie",
    "da": "og det som er ikke en et vi jer med for pa af til har kan skal uden men",
}  # fmt: skip
_FOREIGN_WORDS = {
    language: frozenset(listed.split())
    - _ENGLISH
    - frozenset(
        [
            "a",
            "an",
            "as",
            "at",
            "be",
            "by",
            "do",
            "for",
            "he",
            "i",
            "in",
            "is",
            "it",
            "me",
            "my",
            "no",
            "of",
            "on",
            "or",
            "so",
            "to",
            "up",
            "us",
            "we",
            "die",
            "das",
            "am",
            "are",
            "son",
            "con",
            "sin",
            "los",
            "las",
            "man",
            "made",
            "also",
            "all",
            "had",
            "has",
            "her",
            "most",
            "over",
            "under",
            "here",
            "war",
            "rat",
            "of",
            "en",
            "e",
            "o",
            "os",
            "y",
            "x",
            "per",
            "via",
            "plus",
            "sur",
            "par",
            "du",
            "des",
            "le",
            "la",
            "el",
            "se",
            "de",
            "da",
            "das",
            "do",
            "dos",
            "pas",
            "est",
            "tout",
            "den",
            "im",
            "van",
            "op",
            "met",
            "of",
        ]
    )
    for language, listed in _FOREIGN.items()
}
#: Two of these in a sentence, or one of the list above, are enough.
_FOREIGN_COMMON = frozenset("le la el les des du de da das do dos den im van op met est tout en und".split())  # noqa: SIM905


def foreign_sentence(folded: str) -> str | None:
    """The first sentence whose function words are another language's rather than English, or None."""
    for sentence in re.split(r"(?<=[.!?;:])\s+|\s[-\u2013]\s|[\"()]", folded):
        listed = re.findall(r"(?<![a-z])[a-z]+(?![a-z])", sentence.casefold())
        if len(listed) < 3:
            continue
        english = sum(word in _ENGLISH for word in listed)
        foreign = max(sum(word in known for word in listed) for known in _FOREIGN_WORDS.values())
        foreign += sum(word in _FOREIGN_COMMON for word in listed) // 2
        if foreign >= 2 and foreign > english or foreign >= 1 and english == 0 or foreign >= 3:
            return sentence.strip()[:60]
    return None


def foreign_spelling(text: str) -> str | None:
    """The first lower-case word with a letter that English words do not have, or None; names keep theirs."""
    plain = _LOAN_PHRASES.sub(" ", unicodedata.normalize("NFC", text))
    for match in re.finditer(r"(?<![^\W\d_])[^\W\d_]+", plain):
        word = match[0]
        if word[0].islower() and any(ord(letter) > 127 for letter in word) and fold(word).casefold() not in _LOANWORDS:
            return word
    return None


_LOAN_PHRASES = re.compile(r"\bvis-\u00e0-vis\b|(?<!\w)\u00e0[- ]la\b(?:[- ]carte\b)?")
_LOANWORDS = frozenset(
    [
        "cafe",
        "naive",
        "resume",
        "facade",
        "cliche",
        "fiance",
        "fiancee",
        "decor",
        "role",
        "regime",
        "debut",
        "detour",
        "protege",
        "attache",
        "expose",
        "entree",
        "coup",
        "deja",
        "creche",
        "vu",
        "uber",
        "facile",
        "soiree",
        "saute",
        "matinee",
        "cooperate",
        "cooperation",
        "coordinate",
        "zoe",
    ]
)


def looks_english(text: str) -> bool:
    """Whether enough of the words are English function words; texts under twelve words pass."""
    words = re.findall(r"[a-z']+", text.casefold())
    return len(words) < 12 or sum(word in _ENGLISH for word in words) / len(words) >= 0.12
