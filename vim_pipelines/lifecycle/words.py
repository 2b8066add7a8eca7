"""What persons say about an account, and which of it is in force on a day.

A person may waive a requirement, answer one that no source answers, set a phase, dispute a fact, snooze the account, and take a word back.
Words are rows that are never changed: whether one counts on a day follows from the row, the rows after it and the day, so that a night of the
past that is computed again knows what was known then, and no more. Pure; `store.overrides` keeps the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.dates import end_of_day
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.lifecycle.phases import MANUAL, WAIVERS, LifecycleMap
from vim_pipelines.store.notes import clean_note

if TYPE_CHECKING:
    from vim_pipelines.lifecycle.phases import Requirement

COLUMNS = (
    "override_id", "account_key", "kind", "requirement_id", "phase", "fact", "value", "seen_on", "withdraws", "note", "actor", "role", "created_at",
    "expires_on",
)  # fmt: skip
ANSWERS = ("met", "unmet")

Word = Mapping[str, Any]


@dataclass(frozen=True)
class Standing:
    """The words about one account that are in force on one day; of several about the same thing, the newest."""

    waivers: Mapping[str, Word] = field(default_factory=dict)
    answers: Mapping[str, Word] = field(default_factory=dict)
    disputes: Mapping[str, Word] = field(default_factory=dict)
    phase: Word | None = None
    snooze: Word | None = None


SILENCE = Standing()


def word_of(row: Any) -> dict[str, Any]:
    """A row of the store (mapping or object) as a word. A row without a kind is a waiver if it names a requirement, else it sets a phase."""
    word = {name: row.get(name) if isinstance(row, Mapping) else getattr(row, name, None) for name in COLUMNS}
    word["kind"] = word["kind"] or ("waive" if word["requirement_id"] is not None else "phase")
    return word


def standing(words: Sequence[Word], as_of: date) -> Standing:
    """What is in force at the end of `as_of`: said by then, not run out, not taken back by then. The order of `words` is irrelevant."""
    if not words:
        return SILENCE
    said = sorted((word for word in words if word["created_at"] < end_of_day(as_of)), key=_age)
    taken_back = {word["withdraws"] for word in said if word["kind"] == "withdraw"}
    waivers: dict[str, Word] = {}
    answers: dict[str, Word] = {}
    disputes: dict[str, Word] = {}
    alone: dict[str, Word] = {}
    for word in said:
        if word["override_id"] in taken_back or (word.get("expires_on") is not None and word["expires_on"] < as_of):
            continue
        if word.get("settled_on") is not None and word["settled_on"] <= as_of:
            continue
        if word["kind"] == "waive":
            waivers[str(word["requirement_id"])] = word
        elif word["kind"] == "answer":
            answers[str(word["requirement_id"])] = word
        elif word["kind"] == "dispute":
            disputes[str(word["fact"])] = word
        else:
            alone[word["kind"]] = word
    return Standing(waivers, answers, disputes, alone.get("phase"), alone.get("snooze"))


def _age(word: Word) -> tuple[datetime, str]:
    return word["created_at"], str(word["override_id"])


def refusal(word: Word, lifecycle: LifecycleMap, words: Iterable[Word] = ()) -> tuple[str, str] | None:
    """Why a word changes nothing, as (kind of refusal, reason): `role` if the person may not say it, `sense` if it means nothing here. None: it counts.

    Asked when the word is given and again in every fold, so that a row that came into the table by another way has no more power.
    `words`: the other words about the account; a withdrawal is looked up among them.
    """
    kind, role = word["kind"], str(word["role"])
    if kind == "waive":
        requirement = requirement_of(lifecycle, word["requirement_id"])
        if requirement is None:
            return "sense", f"the map has no requirement {word['requirement_id']}"
        return _too_low(role, requirement.waived_by, f"waive {word['requirement_id']}")
    if kind == "answer":
        requirement = requirement_of(lifecycle, word["requirement_id"])
        if requirement is None or requirement.requirement_id != word["requirement_id"]:
            return "sense", f"the map has no requirement {word['requirement_id']}"
        if word["value"] not in ANSWERS:
            return "sense", f"an answer is met or unmet, not {word['value']}"
    elif kind == "phase":
        phase = lifecycle.phases.get(word["phase"])
        if phase is None or phase.kind == "overlay":
            return "sense", f"no account can stand in phase {word['phase']}"
        kind = "exception" if phase.kind == "exception" else kind
    elif kind == "dispute":
        if not word["fact"]:
            return "sense", "a dispute names a fact"
    elif kind == "snooze":
        if word["expires_on"] is None:
            return "sense", "a snooze needs an end"
    elif kind == "withdraw":
        target = next((other for other in words if other["override_id"] == word["withdraws"] and other["account_key"] == word["account_key"]), None)
        if target is None or target["kind"] == "withdraw":
            return "sense", f"there is no word {word['withdraws']} about this account"
        return None if target["actor"] == word["actor"] else _too_low(role, str(target["role"]), f"take back the word of a {target['role']}")
    else:
        return "sense", f"{kind} is no word"
    return _too_low(role, lifecycle.words[kind].by, f"say '{kind}'")


def requirement_of(lifecycle: LifecycleMap, name: Any) -> Requirement | None:
    """The requirement that `name` means: its id, or ID.FIELD for one field of it."""
    return lifecycle.by_id.get(str(name).split(".")[0]) if name is not None else None


def _too_low(role: str, needed: str, what: str) -> tuple[str, str] | None:
    """A role that the order does not know may nothing, as in the approval policy."""
    ranks = {name: rank for rank, name in enumerate(WAIVERS)}
    return None if ranks.get(role, -1) >= ranks.get(needed, len(ranks)) else ("role", f"to {what} needs the role {needed}, not {role}")


def make_word(
    lifecycle: LifecycleMap, account_key: str, kind: str, *, actor: str, role: str, note: str, now: datetime, words: Iterable[Word] = (), **values: Any
) -> dict[str, Any]:
    """A word that may be said, ready for the store, with the end that the map gives where none is said.

    `values` are further columns; `words` those about the account so far. Raises VIM-E045 without a note, VIM-E047 for a word that means nothing,
    VIM-E043 for one that this role may not say. The id is made from the word, so that the same word sent twice stands once.
    """
    note = clean_note(note) or ""
    if not note:
        raise VimError("VIM-E045", "A note is needed", why="The word stands in the record by name and reason", fix="Add --note 'why'")
    if unknown := sorted(set(values) - set(COLUMNS)):
        raise TypeError(f"a word has no {', '.join(unknown)}")
    row = dict.fromkeys(COLUMNS) | values
    words = [word_of(word) for word in words]
    if kind == "withdraw":  # people copy the beginning of an id, as with approval requests
        near = [str(word["override_id"]) for word in words if str(word["override_id"]).startswith(str(row["withdraws"]))]
        row["withdraws"] = near[0] if len(near) == 1 and len(str(row["withdraws"])) >= 6 else row["withdraws"]
    row |= {"account_key": account_key, "kind": kind, "note": note, "actor": actor, "role": role, "created_at": now}
    days = lifecycle.words[kind].days if kind in lifecycle.words else None
    if row["expires_on"] is None and days is not None:
        row["expires_on"] = now.date() + timedelta(days=days)
    if row["expires_on"] is not None and row["expires_on"] < now.date():
        raise VimError("VIM-E047", f"The word would end on {row['expires_on']}, before it is said", fix="Name a day from today on")
    row["override_id"] = sha256_json({name: value for name, value in row.items() if value is not None})[:32]
    refused = refusal(row, lifecycle, words)
    if refused is not None:
        why, reason = refused
        sentence = reason[:1].upper() + reason[1:]
        if why == "role":
            raise VimError("VIM-E043", sentence, fix="Ask somebody with that role")
        raise VimError("VIM-E047", sentence, fix="The map is printed in docs/reference/lifecycle.md")
    return row


def counting(rows: Iterable[Any], lifecycle: LifecycleMap) -> tuple[dict[str, list[Word]], dict[str, str]]:
    """Words that count by account, and those that do not as id -> reason."""
    by_account: dict[str, list[Word]] = {}
    for row in rows:
        by_account.setdefault((given := word_of(row))["account_key"], []).append(given)
    counted: dict[str, list[Word]] = {}
    ignored: dict[str, str] = {}
    for account_key, words in by_account.items():
        for word in words:
            refused = refusal(word, lifecycle, words)
            if refused is None:
                counted.setdefault(account_key, []).append(word)
            else:
                ignored[str(word["override_id"])] = refused[1]
    return counted, dict(sorted(ignored.items()))


def said_by(word: Word) -> str:
    """The word's signature for people: name, role, end, reason."""
    until = f" until {word['expires_on'].isoformat()}" if word.get("expires_on") else ""
    return f"by {word['actor']} ({word['role']}){until}: {word['note']}"


def answers_for(requirement: Requirement, status: str) -> bool:
    """Whether a person's answer counts: for a `manual` requirement, and where the rule cannot know. What a source shows beats what is said."""
    return requirement.rule == MANUAL or status == "unknown"


def word_lines(rows: Sequence[Any], lifecycle: LifecycleMap, today: date) -> list[str]:
    """The words about one account for people, a line each: id, whether it counts today, what, by whom."""
    words = [word_of(row) for row in rows]
    heard = standing([word for word in words if refusal(word, lifecycle, words) is None], today)
    counting_now = [*heard.waivers.values(), *heard.answers.values(), *heard.disputes.values(), heard.phase, heard.snooze]
    ids = {word["override_id"] for word in counting_now if word is not None}
    lines = []
    for word in words:
        about = next((str(word[name]) for name in ("requirement_id", "fact", "phase", "withdraws") if word[name] is not None), "")
        value = f" = {word['value']}" if word["value"] else ""
        mark = "counts" if word["override_id"] in ids else "past  "
        lines.append(f"{word['override_id'][:12]} {mark} {word['created_at']:%Y-%m-%d} {word['kind']} {about}{value} {said_by(word)}")
    return lines or ["Nobody said anything about this account."]
