"""What the offline drafter understands of a reviewer's note, and what of the note it does not.

A note that is half followed looks as if it was followed: whoever sent the text back reads the half that changed. So every word of a
note belongs to a wish that can be carried out, or to the small talk around it, or it is left over; and what is left over is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_LEAVE_OUT = r"\b(?:no|without|drop|remove|leave out|skip|omit)\b[^.;]*"
_LEAVE_OUT_SECTION = r"\b(?:without|drop|remove|leave out|skip|omit|cut)\b[^.;]*"
_ORDINALS = {"first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "last": -1}
_STEP = rf"(?:step (?:number )?(?P<number>\d{{1,2}})|the (?P<ordinal>{'|'.join(_ORDINALS)}) step)"
_OWNERS = {
    "director": r"director", "csm": r"csm|customer success manager", "account_executive": r"account executive|sales", "support_lead": r"support(?: lead)?",
    "customer_champion": r"champion", "customer_sponsor": r"sponsor",
}  # fmt: skip

#: Wishes about the whole text: its name, and the words by which it is known.
_WHOLE: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("shorter", re.compile(r"\b(?:short(?:er|en)?|too long|brief(?:er|ly)?|concise|trim)\b", re.I)),
    ("sooner", re.compile(r"\b(?:sooner|earlier|faster|too (?:late|slow)|urgent(?:ly)?)\b", re.I)),
    ("later", re.compile(r"\b(?:later|more time|too (?:soon|early|fast)|slower)\b", re.I)),
    ("fewer steps", re.compile(r"\b(?:fewer|less|too many|not so many)\b[^.;]*\b(?:steps?|tasks?)\b", re.I)),
    ("without features", re.compile(rf"{_LEAVE_OUT}\bfeatures?\b", re.I)),
    ("without trend", re.compile(rf"{_LEAVE_OUT}\b(?:trend|weekly)\b", re.I)),
    ("without money", re.compile(rf"{_LEAVE_OUT}\b(?:money|amounts?|prices?|figures?)\b", re.I)),
    ("without section people", re.compile(rf"{_LEAVE_OUT_SECTION}\bpeople\b", re.I)),
    ("without section timing", re.compile(rf"{_LEAVE_OUT_SECTION}\btiming\b", re.I)),
    ("without section history", re.compile(rf"{_LEAVE_OUT_SECTION}\b(?:history|chronology)\b", re.I)),
    ("without section unknowns", re.compile(rf"{_LEAVE_OUT_SECTION}\b(?:unknowns?|not known|open questions?)\b", re.I)),
    ("without section seat_groups", re.compile(rf"{_LEAVE_OUT_SECTION}\b(?:products?|product by product)\b", re.I)),
    ("without section opportunity", re.compile(rf"{_LEAVE_OUT_SECTION}\b(?:opportunit(?:y|ies)|not yet used)\b", re.I)),
)
_DROP_STEP = re.compile(rf"\b(?:drop|remove|delete|skip|omit|leave out|cut|without)\s+{_STEP}", re.I)
_FIRST_STEP = re.compile(rf"\b(?:start|begin|open)\s+with\s+{_STEP}", re.I)
_OWNED = re.compile(
    rf"{_STEP}\s+(?:belongs to|goes to|is for|(?:should|must) (?:go|belong) to|(?:should|must|has to|is to) be (?:done|owned|taken|led) by|is)\s+(?:the |our |your |their )?"
    rf"(?P<owner>{'|'.join(f'(?:{words})' for words in _OWNERS.values())})\b",
    re.I,
)
#: Words around a wish that wish for nothing themselves.
_SMALL_TALK = frozenset(
    re.findall(
        r"\w+",
        "a all also an and are be bit but can could date dates do document done draft due dues everything for from has have hello hi i in is it its kindly last letter "
        "little look make makes more much must need needs now of ok okay on or our out page paragraph part plan please section sections should so step steps tasks text "
        "thank thanks that the their them then there these they this to too us version very want we which with would you your",
    )
)


@dataclass(frozen=True)
class Wishes:
    """`directives` are what the offline drafter can try; `left_over` the words of the note that belong to none of them, in their order."""

    directives: frozenset[str]
    left_over: tuple[str, ...] = ()


def read_wishes(note: str | None, steps: Sequence[str] | None = None, printed: Sequence[str] | None = None) -> Wishes:
    """The wishes of a note.

    A step is meant by the number that the reviewer saw: `printed` are the actions as printed last time, `steps` those that would be written
    now. Without them the numbers are taken as they are; a number that is not there any more is left over.
    """
    if not note:
        return Wishes(frozenset())
    found: set[str] = set()
    rest = note
    for pattern, kind in ((_OWNED, "owner"), (_DROP_STEP, "drop"), (_FIRST_STEP, "first")):
        for match in pattern.finditer(rest):
            place = _place(match, steps, printed)
            if place is None:
                continue
            found.add(f"{kind} {place}" + (f" {_owner(match['owner'])}" if kind == "owner" else ""))
            rest = rest.replace(match[0], " " * len(match[0]), 1)
    of_steps_apart = rest
    for name, pattern in _WHOLE:
        for match in pattern.finditer(of_steps_apart):
            found.add(name)
            rest = rest[: match.start()] + " " * len(match[0]) + rest[match.end() :]
    words = [word for word in re.findall(r"[^\W_]+(?:['-][^\W_]+)*", rest) if word.casefold() not in _SMALL_TALK]
    return Wishes(frozenset(found), tuple(words))


def _owner(words: str) -> str:
    return next(role for role, pattern in _OWNERS.items() if re.fullmatch(pattern, words, re.I))


def _place(match: re.Match[str], steps: Sequence[str] | None, printed: Sequence[str] | None) -> int | None:
    """Index among `steps` of the step that the reviewer means; None if it is not among them."""
    place = int(match["number"]) - 1 if match["number"] else _ORDINALS[match["ordinal"].casefold()]
    if steps is None:
        return place
    seen = printed if printed else steps
    if not -len(seen) <= place < len(seen):
        return None
    return next((index for index, action in enumerate(steps) if action == seen[place]), None)
