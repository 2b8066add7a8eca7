"""A message as Slack's blocks, within Slack's limits, and with nothing in it that Slack would obey. Pure.

Whatever we did not write (names of accounts, words of customers and of models, notes of people) stands in `plain_text` objects with `&`, `<` and
`>` escaped, so that no `<!channel>`, no `<@U...>` and no link of somebody else's comes to life. `mrkdwn` is used for our own words and the one
link alone. A post that is too long is refused whole, so a text is cut, and says so.

Limits: docs.slack.dev, "Blocks", "Block elements", "Composition objects" and "Views". The sum over a message is not documented; posts of about
13,200 characters were refused (slackapi/bolt-js#2509), later ones with 11,341 characters of text (#2867), so all blocks together stay under 10,000.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from vim_pipelines.approvals.channels.base import Item, Message

MOST_BLOCKS = 50
HEADER_CHARACTERS, SECTION_CHARACTERS, FIELD_CHARACTERS, MOST_FIELDS = 150, 3_000, 2_000, 10
VALUE_CHARACTERS, METADATA_CHARACTERS = 2_000, 3_000
MODAL_TITLE_CHARACTERS, NOTE_CHARACTERS = 24, 3_000
#: All blocks of a message as JSON. Text stands in it with its escapes, as it is sent.
TOTAL_CHARACTERS = 10_000
#: The line of a notification.
TEXT_CHARACTERS = 1_000
#: What a summary may take, so that a long name never leaves the text no room.
PAIR_CHARACTERS, MOST_PAIRS = 250, 12
OUTCOME_CHARACTERS = 1_500
ITEM_CHARACTERS = 300

ASK_ACTIONS = "vimotion_ask"
REASON_VIEW, REASON_BLOCK, REASON_INPUT = "vimotion_reason", "vimotion_reason_block", "vimotion_reason_input"
EVENT_TYPE = "vimotion_delivery"
ELLIPSIS = "…"

Decision = Literal["approve", "request_changes", "reject", "dismiss", "acknowledge"]
#: action_id of each button, and the decision that it asks for.
ACTIONS: dict[str, Decision] = {
    "vimotion_approve": "approve",
    "vimotion_changes": "request_changes",
    "vimotion_reject": "reject",
    "vimotion_dismiss": "dismiss",
    "vimotion_acknowledge": "acknowledge",
}
_ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
#: Control characters but tab and line feed, and halves of surrogate pairs, which are no text.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_VALUE = re.compile(r"([A-Za-z0-9._-]{1,64}):(\d{1,9}):([0-9a-f]{64})")
_REASONS: dict[str, tuple[str, str, str]] = {
    "request_changes": ("Ask for changes", "What should be different?", "Send back"),
    "reject": ("Reject", "Why is it rejected?", "Reject"),
    "dismiss": ("Dismiss", "Why should nobody write this now?", "Dismiss"),
}


@dataclass(frozen=True)
class Pressed:
    """What a button answers for: a request (or an alert) in the version and with the hash that were shown."""

    item_id: str
    version: int
    sha256: str


@dataclass(frozen=True)
class Form:
    """What a modal carries from its opening to its submission: the decision, what it is about, and the message that it came from."""

    decision: Decision
    pressed: Pressed
    channel: str
    ts: str


def escape(text: str) -> str:
    """`text` with the three characters that Slack reads as its own escaped, and without control characters (a null byte is refused)."""
    return _UNSEEN.sub("", text).translate(_ESCAPES)


def cut(text: str, most: int) -> str:
    """`text` escaped, in at most `most` characters, never in the middle of an escape; a cut one ends in an ellipsis."""
    escaped = escape(text[: 2 * most + 100])  # a long name or text is not escaped to its end for its beginning
    if len(escaped) <= most and len(text) <= 2 * most + 100:
        return escaped
    return re.sub(r"&[a-z]{0,3}$", "", escaped[: most - 1]).rstrip() + ELLIPSIS


def button_value(item_id: str, version: int, sha256: str) -> str:
    """`request_id:version:sha256`. Not a secret and not signed: who presses is told by Slack, what may be decided by the store."""
    return f"{item_id}:{version}:{sha256}"


def parse_value(value: Any) -> Pressed | None:
    """What a value of `button_value` says, or None for anything else."""
    found = _VALUE.fullmatch(value) if isinstance(value, str) else None
    return Pressed(found[1], int(found[2]), found[3]) if found else None


def message_blocks(message: Message) -> list[dict[str, Any]]:
    """The blocks of a message: what it is, what is at stake, the text as far as it fits, the buttons, the link."""
    head: list[dict[str, Any]] = [{"type": "header", "text": _plain(message.title or "Value-in-Motion", HEADER_CHARACTERS)}]
    if message.audience == "customer":
        head.append(_context(":warning: *Meant for the customer's eyes.* The words below are the draft's, not ours."))
    pairs = [_plain(f"{name}: {value}", PAIR_CHARACTERS) for name, value in message.summary[:MOST_PAIRS] if name or value]
    head += [{"type": "section", "fields": pairs[start : start + MOST_FIELDS]} for start in range(0, len(pairs), MOST_FIELDS)]
    if message.items:
        return [
            *head,
            *_listed(message.items, MOST_BLOCKS - len(head) - 2, TOTAL_CHARACTERS - _size(head + _tail(message, is_cut=True))),
            *_tail(message, is_cut=True),
        ]
    # Measured with the longer of the two confirmations, so that the shorter one fits too.
    body, is_cut = _body(message.text, TOTAL_CHARACTERS - _size(head + _tail(message, is_cut=True)))
    return [*head, *body, *_tail(message, is_cut=is_cut)]


def message_text(message: Message) -> str:
    """What the notification shows and a screen reader reads."""
    return cut(f"{message.title}: {message.outcome}" if message.outcome else message.title or "Value-in-Motion", TEXT_CHARACTERS)


def delivery_metadata(message: Message) -> dict[str, Any]:
    """Metadata by which a message is found again."""
    return marked(message.delivery_id, subject_of(message))


def marked(delivery_id: str, subject: str) -> dict[str, Any]:
    """Metadata as `carried` reads it. Other apps in the channel can read it too: it says nothing but ids of ours."""
    return {"event_type": EVENT_TYPE, "event_payload": {"delivery_id": delivery_id, "subject": subject}}


def word_blocks(title: str, text: str, note: str) -> list[dict[str, Any]] | None:
    """Blocks of an approved word inside the house: title, text, and where the whole is. None if it does not fit: what was approved is never cut."""
    if len(escape(title)) > SECTION_CHARACTERS:
        return None
    is_short = len(escape(title)) <= HEADER_CHARACTERS
    head: dict[str, Any] = {"type": "header" if is_short else "section", "text": _plain(title, SECTION_CHARACTERS)}
    tail = {"type": "context", "elements": [_plain(f"Approved. The whole text: {note} in the CRM", VALUE_CHARACTERS)]}
    body, is_cut = _body(text, TOTAL_CHARACTERS - _size([head, tail]))
    return None if is_cut else [head, *body, tail]


def subject_of(message: Message) -> str:
    """What a message is about, whoever gets it: the same in the deliveries to all recipients of one question."""
    return f"{message.kind}:{message.request_id or message.alert_id or ''}:{message.version}:{message.payload_sha256[:16]}"


def carried(found: Mapping[str, Any]) -> tuple[str, str]:
    """Delivery and subject that a message of Slack's history carries; two empty texts for one that is not ours."""
    metadata = found.get("metadata")
    payload = metadata.get("event_payload") if isinstance(metadata, Mapping) and metadata.get("event_type") == EVENT_TYPE else None
    if not isinstance(payload, Mapping):
        return "", ""
    return str(payload.get("delivery_id") or ""), str(payload.get("subject") or "")


def reason_view(form: Form, *, about: str, remark: str = "") -> dict[str, Any]:
    """The modal that asks for a reason. `about` says what is decided, `remark` what went wrong with the last try."""
    title, question, submit = _REASONS[form.decision]
    blocks: list[dict[str, Any]] = [{"type": "section", "text": _plain(about, 500)}]
    if remark:
        blocks.append({"type": "section", "text": _plain(remark, 1_000)})
    blocks.append(
        {
            "type": "input",
            "block_id": REASON_BLOCK,
            "label": _ours(question),
            "hint": _ours("It goes on record, and the next draft is written with it in view."),
            "element": {"type": "plain_text_input", "action_id": REASON_INPUT, "multiline": True, "min_length": 1, "max_length": NOTE_CHARACTERS},
        }
    )
    return {
        "type": "modal",
        "callback_id": REASON_VIEW,
        "private_metadata": form_metadata(form),
        "title": _ours(title),
        "submit": _ours(submit),
        "close": _ours("Cancel"),
        "blocks": blocks,
    }


def form_metadata(form: Form) -> str:
    """A form as text, for the modal to bring back."""
    about = form.pressed
    return json.dumps({"d": form.decision, "v": button_value(about.item_id, about.version, about.sha256), "c": form.channel, "t": form.ts})


def parse_form(text: Any) -> Form | None:
    """The form of `form_metadata`, or None for anything else."""
    try:
        raw = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if not isinstance(raw, dict) or not all(isinstance(raw.get(name), str) for name in "dvct") or raw["d"] not in _REASONS:
        return None
    pressed = parse_value(raw["v"])
    return Form(raw["d"], pressed, raw["c"], raw["t"]) if pressed else None


def whisper_text(text: str) -> str:
    """A line for one person, as `chat.postEphemeral` takes it."""
    return cut(text, SECTION_CHARACTERS)


# --- parts -------------------------------------------------------------------------------------------------------------


def _tail(message: Message, *, is_cut: bool) -> list[dict[str, Any]]:
    tail: list[dict[str, Any]] = []
    if message.outcome:
        tail.append({"type": "section", "text": _plain(message.outcome, OUTCOME_CHARACTERS)})
    elif message.buttons:
        tail.append({"type": "actions", "block_id": ASK_ACTIONS, "elements": _elements(message, is_cut=is_cut)})
    return [*tail, _context(_link_line(message))]


def _body(text: str, room: int) -> tuple[list[dict[str, Any]], bool]:
    """The text in sections of at most 3,000 characters, as much of it as `room` (characters of JSON) takes, and whether it was cut."""
    sections: list[dict[str, Any]] = []
    rest = text.strip()
    note = _context("_The text is longer than Slack takes; the whole of it is in the inbox._")
    while rest and len(sections) < 8:
        piece = _piece(rest, SECTION_CHARACTERS)
        section = {"type": "section", "text": {"type": "plain_text", "text": escape(piece), "emoji": False}}
        if _size([*sections, section, note]) > room:
            break
        if escape(piece).strip():
            sections.append(section)
        rest = rest[len(piece) :]
    if not rest.strip():
        return sections, False
    # What is left does not fit whole: as much as there is room for, and the note.
    low, high = 0, min(len(rest), SECTION_CHARACTERS)
    while low < high:
        middle = (low + high + 1) // 2
        candidate = {"type": "section", "text": _plain(rest[:middle] + ELLIPSIS * 2, SECTION_CHARACTERS)}
        if len(sections) < 8 and _size([*sections, candidate, note]) <= room:
            low = middle
        else:
            high = middle - 1
    if low:
        sections.append({"type": "section", "text": _plain(rest[:low] + ELLIPSIS, SECTION_CHARACTERS)})
    return [*sections, note], True


def _piece(text: str, most: int) -> str:
    """The beginning of `text` whose escaped form has at most `most` characters, up to the end of a line where there is one."""
    used, end = 0, 0
    for character in text:
        used += len(_ESCAPES.get(ord(character), "x"))
        if used > most:
            break
        end += 1
    if end == len(text):
        return text
    line = text.rfind("\n", end // 2, end)
    return text[: line + 1] if line > 0 else text[: max(end, 1)]


def _listed(items: Sequence[Item], most: int, room: int) -> list[dict[str, Any]]:
    """A section for each item with a button that opens it, as many as `most` blocks and `room` characters take, and how many are left out."""
    sections: list[dict[str, Any]] = []
    for number, item in enumerate(items):
        section: dict[str, Any] = {"type": "section", "text": _plain(f"{item.title}\n{item.outcome or item.detail}", ITEM_CHARACTERS)}
        if item.outcome is None and is_web_address(item.link):
            section["accessory"] = {"type": "button", "action_id": f"vimotion_open_{number}", "text": _ours("Open"), "url": item.link}
        if len(sections) == most or _size([*sections, section, _context(f"_{len(items)} more are in the inbox._")]) > room:
            return [*sections, _context(f"_{len(items) - len(sections)} more are in the inbox._")]
        sections.append(section)
    return sections


def _elements(message: Message, *, is_cut: bool) -> list[dict[str, Any]]:
    whole = "You approve exactly the text that is shown, and what follows from it."
    part = "The text is cut off here. You approve the whole of it, and what follows from it: read it in the inbox first."
    value = button_value(message.request_id or message.alert_id or "", message.version, message.payload_sha256)
    known: dict[str, dict[str, Any]] = {
        "approve": {
            "type": "button", "action_id": "vimotion_approve", "text": _ours("Approve"), "style": "primary", "value": value,
            "confirm": {
                "title": _ours("Approve this text?"),
                "text": _ours(part if is_cut else whole),
                "confirm": _ours("Approve"),
                "deny": _ours("Not yet"),
            },
        },
        "changes": {"type": "button", "action_id": "vimotion_changes", "text": _ours("Ask for changes"), "value": value},
        "reject": {"type": "button", "action_id": "vimotion_reject", "text": _ours("Reject"), "style": "danger", "value": value},
        "acknowledge": {"type": "button", "action_id": "vimotion_acknowledge", "text": _ours("Acknowledge"), "style": "primary", "value": value},
    }  # fmt: skip
    found = [known[name] for name in message.buttons if name in known]
    if message.request_id and "reject" in message.buttons:
        found.append({"type": "button", "action_id": "vimotion_dismiss", "text": _ours("Dismiss"), "value": value})
    return found


def is_web_address(text: str) -> bool:
    """Whether Slack may be given it as an address."""
    return re.fullmatch(r"https?://[^\s<>|\"]+", text) is not None


def _link_line(message: Message) -> str:
    opened = f"<{escape(message.link)}|Open {'the' if message.items else 'in the'} inbox>" if is_web_address(message.link) else "Open it in the inbox"
    what = ": the evidence behind each number, edit, dispute a fact" if message.request_id else ""
    version = f"   ·   version {message.version}, {message.payload_sha256[:12]}" if message.request_id else ""
    return f"{opened}{what}{escape(version)}"


def _plain(text: str, most: int) -> dict[str, Any]:
    """Somebody else's words. An empty one would be refused."""
    return {"type": "plain_text", "text": cut(text, most) or "-", "emoji": False}


def _ours(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def _context(text: str) -> dict[str, Any]:
    """A line of our own words in Slack's markup."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}


def _size(blocks: Sequence[Mapping[str, Any]]) -> int:
    return len(json.dumps(blocks, ensure_ascii=False))
