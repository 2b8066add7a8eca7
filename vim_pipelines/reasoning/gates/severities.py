"""How grave a risk is says its rule. What a text says of a risk itself may hold only words that this code knows.

Words for gravity cannot be listed: of twenty sentences that inflated or belittled a risk in fresh words a list of some hundred turns found six.
So it is the other way round. Of a risk's slot, and of the 'it' of the next sentence, a clause may say what is in `NEUTRAL`; a word for
gravity or for lightness only where the rule's severity bears it out; any other word is held. The clause ends at a comma, a colon or a
joining word: what stands behind it speaks of something else, and the other gates read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vim_pipelines.core.severities import SEVERITIES

_FUNCTION = (
    "a an the this that these those it its they them their we us our ours i he she his her you your who whom whose what which whether how why when where there here and or nor both either each "
    "one ones other others another same such is are was were be been being am has have had do does did will would shall should can could may might must ought need needs needed to of in on at by for "
    "with without from into onto about around behind beside besides beneath below above under over after before between among through during until since than then as also too again still already yet "
    "now today later so if but not cannot up out off down whatever itself themselves enough"
)
_OF_THE_PLAN = (
    "finding findings risk risks reason reasons root cause causes consequence consequences result results effect part parts side picture list lists subject subjects topic topics question questions thing "
    "things point points item items sign signs signal signals rule rules fact facts figure figures data record records step steps plan plans page section paragraph week weeks weekly month months day days "
    "date call calls meeting meetings conversation conversations talk talks review reviews customer customers account accounts sponsor champion contact contacts team teams people person user users seat seats licence "
    "licences license licenses product products support ticket tickets request requests renewal contract agreement notice deadline training trainings use usage feature features answer answers explanation "
    "evidence argument example owner owners name names context background history story pattern trend change changes measure measures score severity kind work works work's row voice agenda note notes order place way time task tasks"
)
_DOINGS = (
    "see sees saw seen find finds found show shows showed shown read reads name names named call calls called raise raises raised say says said tell tells told speak speaks spoken talk answer answers answered explain "
    "explains explained describe describes described come comes came follow follows followed stand stands stood start starts started begin begins began belong belongs mean means meant concern concerns repair "
    "repaired settle settled resolve resolved solve solved close closed check checked discuss discussed ask asks asked act acts add adds added complete completes remain remains remained leave leaves make makes "
    "made give gives given fit fits bring brings brought look looks looked know knows known treat treats treated take takes taken turn turns handle handled address addressed mention mentioned cover covered "
    "consider regard understand understood agree agreed share shared apply applies appear appears appeared put list listed cite cited report reported measure measured note noted watch watched keep keeps deal "
    "rest rests go goes went face faces tackle tackled connect connected relate related link linked tie tied confirm confirmed show expect expects expected hear heard work start open opened learn learned write written help helps feel feels felt notice noticed concerned bought buy buys used using unused idle paid pay pays active turn"
)
_QUALITIES = (
    "visible missing open older old new next last second third recent current earlier common plain clear true real right separate different similar single whole general technical human easiest easier easy hard "
    "together alone left likely certain sure partly mainly largely probably perhaps maybe apparently directly closely simply medium moderate rated severe-rated accordingly however therefore soon"
)
NEUTRAL = frozenset(f"{_FUNCTION} {_OF_THE_PLAN} {_DOINGS} {_QUALITIES}".split()) - {"rest", "rests", "face", "faces", "alone", "go", "goes"}
#: Words that a high or critical risk bears and no lighter one.
GRAVE = frozenset(
    ["critical", "urgent", "urgently", "serious", "seriously", "severe", "grave", "high", "first", "most", "main", "foremost", "chief", "central", "worst", "worse", "heaviest", "heavy", "weighs", "weigh", "weight", "important", "importance", "matters", "matter", "priority", "everything", "anything", "else", "all", "rest", "more", "threatens", "threaten", "threat", "endangers", "danger", "dangerous", "immediate", "immediately", "large", "larger", "largest", "big", "biggest", "bigger", "great", "greatest", "loud", "loudest", "overrides", "override", "outweighs", "costs", "cost", "slow", "decisive", "pressing", "attention", "head", "top", "ahead", "end", "ends", "deserves", "demands", "quickly", "fast", "far", "clearly", "always", "every", "never", "nothing", "no", "nobody", "little", "stake", "explains"]
)  # fmt: skip
#: Words that a low or medium risk bears and no graver one.
LIGHT = frozenset(
    "minor small slight light little wait waits later quiet weight modest mild no nothing nobody only just merely low low-key much moment over".split()  # noqa: SIM905
)
#: Denials and limits that make a grave risk light: allowed beside it in the turns of `_FIRM` only.
_LIMITS = frozenset("no nothing nobody little only just merely never".split())  # noqa: SIM905
_FIRM = re.compile(
    r"\b(?:nothing|nobody|no one|no)\b[^.]*\b(?:before|until|while|without|else|can (?:be )?(?:said|done|settled|approved)|possible)\b|\bonly (?:\w+ )?(?:together|with|when|after|if)\b|\bnever (?:used|bought|opened)\b|\bno (?:cause|reason|proof|rule)\b"
)
_ENDS = re.compile(r"[:;,.!?()]|\s-\s|\b(?:because|since|which|while|whereas|although|though|(?<!as )if|when|where|whoever|who|but|until|unless|so)\b")
#: A place in an order of things to do, and company, are no gravity.
_IN_ORDER = re.compile(r"\bnot alone\b|\b(?:first|main|next) (?:step|call|meeting|week|review|conversation|training|question|point|contact)s?\b")
_VERB_FIRST = re.compile(
    r"^\s*(?:is|are|was|were|can|could|may|might|must|will|would|shall|should|has|have|had|does|did|seems?|looks?|remains?|needs?|deserves?|poses?|puts?|makes?|brings?|calls?|stays?|counts?|weighs?|ranks?)\b"
)
_HAS_VERB = re.compile(r"\b(?:is|are|was|were|be|been|can|could|may|might|must|will|would|shall|should|has|have|had|does|do|did|\w{3,}s)\b")
#: How the next sentence goes on about the risk.
_GOES_ON = re.compile(
    r"^(?:it|this|that|the (?:finding|risk|matter|problem|issue|thing|whole (?:thing|matter))|this (?:finding|risk|matter|problem|issue|one)) "
    r"(?:is|was|remains|stays|looks|seems|appears|can|could|may|might|must|will|would|should|shall|need|needs|deserves|threatens|puts|poses)\b"
)
#: Stands in a sentence for the slot of a risk.
MARK = "\ue001"
_WORD = re.compile(rf"{MARK}|[^\W\d_]+(?:['-][^\W\d_]+)*")


def unborne(sentence: str, levels: set[str], *, goes_on: bool = False) -> Iterator[str]:
    """Words that `sentence` says of a risk and that its severity does not bear out, or that nobody knows.

    `sentence`: folded, in lower case, `MARK` for the slot of a risk and `slot` for any other. `goes_on`: it has none, and the one before it had.
    `levels`: the severities of the risks that it speaks of.
    """
    is_grave = bool(levels & set(SEVERITIES[SEVERITIES.index("high") :]))
    if goes_on and not _GOES_ON.search(sentence):
        return
    parts = _ENDS.split(_IN_ORDER.sub("step", sentence))
    chosen = [0] if goes_on else [number for number, part in enumerate(parts) if MARK in part]
    for number in tuple(chosen):  # '{{risk}}, as ever, is harmless': the verb comes behind the comma
        if not _HAS_VERB.search(parts[number]) and not goes_on:
            chosen += [later for later in range(number + 1, len(parts)) if _VERB_FIRST.search(parts[later]) and MARK not in parts[later]][:1]
    for part in (parts[number] for number in chosen):
        is_firm = _FIRM.search(sentence) is not None
        for word in _WORD.findall(part):
            base = word.removesuffix("'s")
            if word == MARK or base in ("slot", "name") or (base in _LIMITS and is_firm):
                continue
            if base in _LIMITS:
                if is_grave:
                    yield word
            elif base not in NEUTRAL and not (is_grave and base in GRAVE) and not (not is_grave and base in LIGHT):
                yield word
