"""How many users the contract is for: "250 named users", "Number of Seats: 250", "licences for up to fifty (50) users"."""

from __future__ import annotations

import re

from vim_pipelines.lifecycle.contract_terms.answers import found, open_
from vim_pipelines.lifecycle.contract_terms.durations import WORDS, number
from vim_pipelines.lifecycle.contract_terms.reading import Reading
from vim_pipelines.lifecycle.contract_terms.terms import Extracted

_KIND = r"(?:named|concurrent|authori[sz]ed|active|registered|individual|licensed|full|end|named end|simultaneous|designated|unique|subscribed|purchased)"
_UNIT = r"(?:users?|seats?|user licen[sc]es?|seat licen[sc]es?|user subscriptions?|user accounts?)"
_COUNT = rf"(?:(?P<words>{WORDS}) ?\( ?(?P<figure>[\d,]{{1,9}}) ?\)|(?P<digits>\d[\d,]{{0,8}})(?: ?\({WORDS}\))?|(?P<spelt>{WORDS}))"
COUNTED = re.compile(rf"(?<![\w$.,/-]){_COUNT} (?:{_KIND},? (?:and |or )?){{0,2}}{_UNIT}\b")
LISTED = re.compile(
    rf"\b(?:(?:total |maximum |permitted |licensed |contracted )*(?:number|quantity|no\.) of (?:{_KIND} )?{_UNIT}|(?:{_KIND} )?(?:users|seats|user licen[sc]es|seat licen[sc]es)(?: purchased| licensed| included)?)"
    rf"(?: ?:| ?=| is| shall be| will be) ?(?:up to |limited to )?{_COUNT}(?![\w.]|,\d)"
)
#: Not the count that was bought: a price step, a limit elsewhere, an example.
NOT_THE_COUNT = re.compile(
    r"\b(?:additional|extra|each|every|per|exceed\w*|excess of|more than|fewer than|less than|over|above|minimum of|at least|first|next|blocks? of|packs? of|increments? of|bundles? of|example|e\.g\.|if)\b[^.;:]{0,24}$"
)


def seats(reading: Reading) -> Extracted:
    """The number of users or seats that the contract grants."""
    hits = []
    for word in ("user", "seat"):
        for place in reading.places(word):
            hits += [match for match in COUNTED.finditer(reading.low, max(0, place - 90), place + 24) if match.start() <= place]
            hits += [match for match in LISTED.finditer(reading.low, max(0, place - 50), place + 90) if match.start() <= place]
    counts: dict[int, re.Match[str]] = {}
    for match in hits:
        if NOT_THE_COUNT.search(reading.low, max(0, match.start() - 60), match.start()):
            continue
        count = _count(match)
        if count is None:
            return open_("seats", "the word and the figure of a count differ", reading, match.start(), match.end())
        counts.setdefault(count, match)
    if not counts:
        return open_("seats", "absent: no number of users or seats is stated")
    first = min(counts.values(), key=lambda match: match.start())
    if len(counts) > 1:
        return open_("seats", f"two readings disagree: {' and '.join(map(str, sorted(counts)))}", reading, first.start(), first.end())
    return found("seats", reading, first.start(), first.end(), next(iter(counts)), "stated")


def _count(match: re.Match[str]) -> int | None:
    spelt, figure = match["words"] or match["spelt"], match["figure"] or match["digits"]
    by_word, by_figure = number(spelt) if spelt else None, int(figure.replace(",", "") or 0) if figure else None
    if by_word is not None and by_figure is not None and by_word != by_figure:
        return None
    return by_figure or by_word
