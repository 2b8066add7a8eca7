"""The words by which a reader takes a value for one metric and not for its neighbour.

`Metric.says` is what a writer is told, and is wide: 'your' and 'seats' let a sentence pass for naming something. These are narrower:
where one of them stands beside a slot, the reader takes the slot for that metric. A metric without an entry is known by the longer
words of its `says`.
"""

from __future__ import annotations

import re
from functools import cache

from vim_pipelines.reasoning.facts import METRIC_OF_HANDLE, Metric

_SINCE = r"\brecent\w*|\blate(?:ly|st)|\bnow\b|\btoday|\bcurrent\w*|\bthese days|\bby now|\bpresent\w*|\bof late"
_BEFORE = r"\bbefore(?! (?:the|any|it|we|you|they|she|he|a|that|this|your|their|our|renew\w*)\b)|\bprior\b|\bprevious\w*|\bearlier|\bformer\w*|\buntil then|\bused to\b|\bat first"
_NEGATED_USE = (
    r"(?:\bno\b|\bnot\b|\bnever\b|\bwithout\b|\bnobody\b|\bno[- ]one\b|\bnone\b|\byet to\b|n't\b)(?:\W+\w+){0,2}?\W+"
    r"(?:us(?:e|es|ed|ers?|ing)|active|work\w*|at work|open(?:s|ed)?|sign\w*|log\w*|taken?|filled|assigned|in use|occupied)\b"
)
_UNUSED = (
    rf"{_NEGATED_USE}|\bunused\b|\bnobody\b|\bno[- ]one\b|\bwithout (?:a|any|their) (?:user|person|name|owner)\w*|\bwithout (?:users?|anyone|anybody)|\bfree\b|\bidle\b|\bempty\b|"
    r"\bspare\b|\bvacant\b|\bunfilled\b|\bunassigned\b|\bwait\w* for (?:a |their |an )?(?:user|colleague|person|owner|people)\w*|\btak(?:e|es|ing) up\b|\bha(?:s|ve) none\b|\broom for\b|\bfill(?!ed)\w*|\bavailable\b|\bunallocated\b|\bunclaimed\b|\bdormant\b|\bto give\b|\bhand(?:s|ed|ing)? out\b|\bassign\b|\bnot taken up\b|\b(?:are|is|were|do|does) not\b(?=\s*(?:[.,;:)]|$))|\bfind(?:ing)? (?:\w+ )?(?:users?|people|colleagues|owners?|names?) for\b|"
    r"\b(?:can|could|may|might) (?:still )?go to\b|\b(?:are|is) (?:still )?there for\b"
)
_OPT_OUT = r"\bopt(?:s|ed|ing)?[- ]?out\b|\bnotice\b|\blast day to\b|\bcancel\w*"
_RENEW = r"\brenew\w*|\bcomes? up\b|\bexpir\w+|\b(?:term|contract) (?:ends|runs|is up)"
_TO_GO = r"\bto go\b|\bleft\b|\bremain\w*|\buntil\b|\bahead of\b|\baway\b"
_GAP = r"\bgap to (?:the |its |their |a )?right[- ]siz\w*|\b(?:beyond|over|above) (?:the |its |their )?right[- ]size\b|\b(?:right[- ]size )?gap\b|\bbeyond\b|\bsurplus\b|\bexcess\b"

#: The next of something that is held, not the next term or step.
_NEXT = r"\bnext\b(?! (?:term|year|period|contract|phase|step|team|training|round|season|quarter|month|week)s?\b)"

#: Metric -> pattern. All are looked for in folded lower-case text.
CUES: dict[str, str] = {
    "seats_contracted": r"\bcontract\w*|\bpa(?:y|ys|id|ying) for\b|\bbought\b|\bbuys?\b|\bpurchased\b|\blicen[cs]\w+|\bsubscri\w+|\byou (?:already )?have\b|"
    r"\balready ha(?:s|ve)\b|\bof which\b(?=\W+\ue000)",
    "active_users_28d": r"\bactive\b|\bat work\b|\bwork(?:s|ed|ing)?\b(?! with the (?:customer|account))|\bus(?:e|es|ed|ing)\b|\blog(?:s|ged|ging)? in\b|\bsign(?:s|ed|ing)? in\b",
    "unused_seats": _UNUSED,
    "utilization_28d": r"\bin use\b|\bus(?:e|es|ing)\b|\bused\b|\butili[sz]\w+|\bto use\b|\btaken up\b|\bfilled?\b|\boccup\w+|\bshare of\b",
    "shelfware_seats": rf"{_GAP}|\bheadroom\b",
    "right_size_seats": r"\bneed(?:s|ed)?\b|\brequire[sd]?\b|\bright[- ]siz\w+(?! gap)|\bheadroom\b|\bwould (?:do|suffice)\b",
    "unused_value_annual": _UNUSED,
    "waste_annual": rf"{_GAP}|\bright[- ]siz\w+|\bheadroom\b",
    "net_unit_price_annual": r"\bprice (?:of|per)\b|\bprice\b(?=\W+\ue000)|\ba seat\b|\bper seat\b|\beach\b|\bapiece\b|\bevery seat\b",
    "arr_amount": r"\brevenue\b|\barr\b|\bbrings?\b|\brecurring\b|\bat stake\b|\bpays?\b(?! for)",
    "renewal_date": _RENEW + r"|\bdue\b",
    "opt_out_date": _OPT_OUT + r"|\bdue\b|\bdeadline\b|\blast day\b(?! (?:with|of|on|that|any|when))",
    "days_to_renewal": rf"{_RENEW}|{_TO_GO}",
    "days_to_opt_out": rf"{_OPT_OUT}|{_TO_GO}",
    "gap_days": r"\bwithout\b|\bgap\b|\bpause\w*|\bquiet\b|\bnobody\b|\brun\b|\bstretch\b|\bsilen\w+",
    "last_activity_date": r"\blast (?:day (?:with|of)|time)\b(?:\W+\w+){0,3}?\W+(?:use|work|activ)\w*|\blast (?:use|work|activ|seen|signed|logged)\w*",
    "weekly_active_recent": rf"\bweek\w*|{_SINCE}",
    "weekly_active_prior": rf"\bweek\w*|{_BEFORE}",
    "tickets_28d": rf"\bopened\b|\breceiv\w+|\bcame in\b|\braised\b|\bfiled\b|\breported\b|{_SINCE}",
    "tickets_open": r"\bopen\b|\bwait\w*|\bunanswered\b|\bunsolved\b|\bunresolved\b|\boutstanding\b|\bpending\b",
    "tickets_28d_before": _BEFORE,
    "pain_baseline": r"\bbaseline\b|\bfrom\b(?=\W+\ue000)|\bstart(?:s|ed|ing)?\b|\bbegan\b|\bstood\b|\btoday\b",
    "pain_target": r"\btargets?\b|\bgoal\b|\baim\w*|\bto\b(?=\W+\ue000)",
    "pain_due_on": r"\bdue\b|\btarget (?:date|day)\b|\bgoal\b",
    "next_action_due_on": r"\bdue\b",
    "outcome_baseline": r"\bbaseline\b|\bfrom\b(?=\W+\ue000)|\bstart(?:s|ed|ing)?\b|\bbegan\b|\bstood\b|\bbefore\b",
    "outcome_measured": r"\bmeasured\b|\bto\b(?=\W+\ue000)|\bnow\b|\breached\b|\bstands\b|\btoday\b",
    "outcome_target": r"\btargets?\b|\bgoal\b|\baim\w*|\bagreed\b",
    "fttv_reached_on": r"\breach\w*\b(?! (?:us|you|them|me|out|every\w*|all|more|people|teams?|users?|colleagues)\b)|\bcame\b|\bachiev\w+|\bmet\b|\bfirst (?:\w+ )?(?:value|result|milestone)\b",
    "fttv_due_on": r"\bdue\b|\bplanned\b|\bfirst (?:\w+ )?(?:value|result|milestone)\b",
    "ebr_held_on": r"\blast\b|\bheld\b|\bmost recent\b|\bprevious\w*|\breview\w*|\bebrs?\b",
    "ebr_planned_on": rf"{_NEXT}|\bplanned\b|\bcoming\b|\bupcoming\b|\breview\w*|\bebrs?\b",
    "last_touchpoint_on": r"\blast\b|\bmet\b|\bspoke\b|\bsince\b(?=\W+\ue000)|\bmost recent\b",
    "next_touchpoint_on": rf"{_NEXT}|\bplanned\b|\bupcoming\b|\bcoming\b|\bscheduled\b",
    "users_trained": r"\btrained\b|\bcomplet\w+|\bcourse\b",
    "users_untrained": r"\buntrained\b|\bwithout\b|\bnot (?:yet )?\w+|\bno training\b|\bhave not\b|\bhas not\b|\bstill\b|\bmissing\b|\byet to\b",
    "renewal_open_close_on": r"\bclos\w+",
    "lost_on": r"\blost\b|\bleft\b|\bgone\b",
}  # fmt: skip
#: What a reader takes for another metric only in a stricter form: 'in recent weeks' is no weekly figure.
_AS_RIVAL: dict[str, str] = {
    "weekly_active_recent": rf"\bweekly\b|\b(?:each|every|per|a) week\b|\bweek (?:by|to|on|after) week\b|{_SINCE}",
    "weekly_active_prior": rf"\bweekly\b|\b(?:each|every|per|a) week\b|\bweek (?:by|to|on|after) week\b|{_BEFORE}",
}
#: What is said of all users is said of these too: 'weekly use' names no other metric than the weekly one.
UMBRELLA: dict[str, frozenset[str]] = dict.fromkeys(
    ("weekly_active_recent", "weekly_active_prior", "weekly_active_change", "users_trained", "users_untrained", "contacts_active"),
    frozenset(("active_users_28d",)),
)
#: Words of a `says` that are too common to name anything by themselves.
_WEAK = frozenset(
    ("to ", "by ", "on ", "from", "to", "your", "seats", "use", "using", "users", "people", "person", "contact", "know", "last", "left", "until", "before", "since", "due", "date",
     "result", "start", "today", "now", "end", "ended", "week", "each", "of them", "share", "value", "open", "goal", "metric", "outcome", "measure", "still", "next", "meet", "ahead", "away"),
)  # fmt: skip


#: Further words by which a reader knows what he reads, beside those that the writer was told. They name nothing against another's word.
_ALSO_SAYS: dict[str, str] = {
    "arr_amount": r"\bfees?\b|\bannual\w*|\byearly\b|\bper year\b|\bamounts?\b|\binvoice\w*|\bbill\w*|\bsum\b|\btotal\b|\bvalue\b|\bspend\w*|\bpay\w*|\bagreement\b|\bsubscription\b",
    "renewal_date": r"\bat stake (?:by|on|until)\b|\bagreement\b|\bsubscription\b|\bruns?\b|\bends?\b|\buntil\b|\bexpir\w+|\banniversary\b|\bperiod\b|\bnext year\b|\bsigned\b",
    "opt_out_date": r"\bafter that (?:day|date)\b[^.]*\b(?:runs? on|renews?|goes on)\b|\bdecid\w+|\bdecision\b|\bleave\b|\bwindow\b|\blatest\b|\btell us\b|\bdays away\b|\bdeadline\b|\bend the\b|\buntil\b",
    "days_to_renewal": r"\bto go\b|\bmore days\b|\bfrom now\b|\bstill have\b|\bthere are\b",
    "days_to_opt_out": r"\bto go\b|\bfrom now\b|\bdecid\w+|\bthere are\b",
    "seats_contracted": r"\bagreement\b|\bsubscription\b|\bcovers?\b|\bincludes?\b|\bsigned\b|\bholds?\b|\bhas\b|\bhave\b|\bowns?\b|\btotal\b|\ball\b|\bpay\w*|\border\w*|\bpackage\b|\bcomprises?\b|\bsize\b",
    "net_unit_price_annual": r"\bseat\b|\bseats\b|\bfee\b|\brate\b|\bpay\w*|\bcharg\w+|\bprices?\b|\bagreed\b|\bcontract\w*|\buser\b",
    "unused_seats": r"\boffers\b|\bof them belong to\b|\bopen\b|\bleft\b|\bopen to\b|\bremain\w*|\bstill\b|\bno name\b|\bnames? for\b|\bothers?\b|\brest\b|\bmore\b|\bfree\b|\bgo unfilled\b|\bgive\b|\boffer\b|\bpeople for\b|\busers? for\b|\bhomes? for\b|\bput\b|\buse for\b|\buse of\b|\bfilling\b|\bsurplus\b|\bbring\b|\bplace\w*|\bassign\w*|\buse\b|\bneed\w*|\bwant\w*|\btake\b|\bcould\b|\bpeople\b|\bcolleagues\b|\bteams?\b|\blist\b|\bto work\b",
    "tickets_28d": r"\bcame\b|\bwrote\b|\basked\b|\bnew\b|\brequests?\b",
}


@cache
def says(metric: Metric) -> re.Pattern[str] | None:
    """What a sentence must hold somewhere: a beginning of a word from the list that the writer sees, or a cue. None: the value names itself."""
    if not metric.says:
        return None
    listed = "|".join(rf"(?<![^\W\d_]){re.escape(word.casefold())}" for word in metric.says)
    more = "|".join(part for part in (CUES.get(metric.name), _ALSO_SAYS.get(metric.name)) if part)
    return re.compile(f"{listed}|{more}" if more else listed)


@cache
def cues(name: str) -> re.Pattern[str] | None:
    """What makes a reader take a value for this metric. None: nothing does."""
    if name in CUES:
        return re.compile(CUES[name])
    metric = _BY_NAME.get(name)
    strong = [word.strip() for word in metric.says if word not in _WEAK] if metric is not None else []
    return re.compile("|".join(rf"(?<![^\W\d_]){re.escape(word.casefold())}" for word in strong)) if strong else None


@cache
def rival_cues(name: str) -> re.Pattern[str] | None:
    """What makes a reader take the value of another metric for this one."""
    return re.compile(_AS_RIVAL[name]) if name in _AS_RIVAL else cues(name)


_BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRIC_OF_HANDLE.values()}

#: Metrics that are counted in the same things: a reader cannot tell them apart by the printed unit.
FAMILIES: tuple[frozenset[str], ...] = (
    frozenset(("seats_contracted", "unused_seats", "shelfware_seats", "right_size_seats")),
    frozenset(("active_users_28d", "weekly_active_recent", "weekly_active_prior", "users_trained", "users_untrained", "contacts_active")),
    frozenset(("tickets_28d", "tickets_open", "tickets_28d_before", "escalations_90d", "sla_breaches_90d")),
    frozenset(("days_to_renewal", "days_to_opt_out", "gap_days")),
    frozenset(("unused_value_annual", "waste_annual", "net_unit_price_annual", "arr_amount", "renewal_open_amount")),
    frozenset(("pain_baseline", "pain_target", "outcome_baseline", "outcome_measured", "outcome_target")),
    frozenset(name for name in _BY_NAME if name.endswith(("_date", "_on"))),
    frozenset(("utilization_28d", "weekly_active_change")),
)
#: A count and the amount that it is worth: beside the count, the amount needs no name of its own.
COMPANIONS: dict[str, str] = {"unused_value_annual": "unused_seats", "waste_annual": "shelfware_seats", "arr_amount": "seats_contracted"}
#: What the others are a part of.
WHOLE = "seats_contracted"
PARTS = frozenset(("unused_seats", "shelfware_seats", "right_size_seats", "active_users_28d", "utilization_28d"))
#: (metric, the role beside a name).
ROLES: dict[str, str] = {
    "champion_name": r"champion",
    "sponsor_name": r"(?:executive |budget )?sponsor",
    "csm_name": r"(?:customer success manager|csm)",
    "account_executive_name": r"(?:account executive|ae|sales ?(?:person|rep\w*|lead))",
    "economic_buyer_name": r"(?:economic buyer|budget (?:holder|owner))",
}


def family(name: str) -> frozenset[str]:
    """Metrics that `name` could be taken for because they are printed alike."""
    return next((members for members in FAMILIES if name in members), frozenset((name,)))
