"""What Slack refuses in blocks, messages and modals, written from its documents and from what people reported, apart from our own renderer.

docs.slack.dev/reference/block-kit ("Blocks", "Block elements", "Composition objects"), .../reference/views and .../reference/methods of each
method. The sum over a message is in none of them: `msg_blocks_too_long` was reported from 13,172 characters on (slackapi/bolt-js#2509) and at
11,341 characters of text with its containers (#2867), so this refuses at 11,000 characters of JSON, below both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MOST_BLOCKS = {"message": 50, "modal": 100}
MESSAGE_BLOCKS_CHARACTERS = 11_000
TEXT_CHARACTERS = 40_000
METADATA_BYTES = 3_000
_BLOCKS: dict[str, tuple[set[str], set[str]]] = {
    # By type of block: its required and its optional fields, besides type and block_id.
    "header": ({"text"}, set()),
    "section": (set(), {"text", "fields", "accessory", "expand"}),
    "context": ({"elements"}, set()),
    "actions": ({"elements"}, set()),
    "divider": (set(), set()),
    "input": ({"label", "element"}, {"hint", "optional", "dispatch_action"}),
}
_SURFACES = {"input": {"modal"}}


def block_errors(blocks: Any, surface: str = "message") -> list[str]:
    """Every reason to refuse `blocks`, as Slack words them in `response_metadata.messages`; an empty list if there is none."""
    if not isinstance(blocks, list):
        return ["[ERROR] must be an array [json-pointer:/blocks]"]
    found: list[str] = []
    if len(blocks) > MOST_BLOCKS[surface]:
        found.append(f"[ERROR] no more than {MOST_BLOCKS[surface]} items allowed [json-pointer:/blocks]")
    ids = [block.get("block_id") for block in blocks if isinstance(block, Mapping) and block.get("block_id")]
    if len(ids) != len(set(ids)):
        found.append("[ERROR] `block_id` already exists [json-pointer:/blocks]")
    actions: list[str] = []
    for number, block in enumerate(blocks):
        found += [f"[ERROR] {text} [json-pointer:/blocks/{number}]" for text in _block(block, surface, actions)]
    if len(actions) != len(set(actions)):
        found.append("[ERROR] `action_id` already exists within a block [json-pointer:/blocks]")
    return found


def message_error(text: str, blocks: Any, metadata: Any) -> tuple[str, list[str]] | None:
    """Error code and messages of `chat.postMessage` and `chat.update`, or None."""
    if not text and not blocks:
        return "no_text", []
    if len(text) > TEXT_CHARACTERS:
        return "msg_too_long", []
    if blocks is not None:
        errors = block_errors(blocks)
        if errors:
            return "invalid_blocks", errors
        if len(json.dumps(blocks, ensure_ascii=False)) > MESSAGE_BLOCKS_CHARACTERS:
            return "msg_blocks_too_long", []
    if metadata is not None:
        if not isinstance(metadata, Mapping) or not re.fullmatch(r"[a-z0-9_]{1,255}", str(metadata.get("event_type", ""))):
            return "invalid_metadata_format", []
        if not isinstance(metadata.get("event_payload"), Mapping):
            return "invalid_metadata_format", []
        if len(json.dumps(metadata).encode()) > METADATA_BYTES:
            return "metadata_too_large", []
    return None


def view_errors(view: Any) -> list[str]:
    """Every reason to refuse a modal of `views.open`."""
    if not isinstance(view, Mapping) or view.get("type") != "modal":
        return ["[ERROR] missing required field: type [json-pointer:/view]"]
    found = block_errors(view.get("blocks"), "modal")
    found += [f"[ERROR] {text} [json-pointer:/view/title]" for text in _text(view.get("title"), 24, plain=True)]
    for name in ("submit", "close"):
        if name in view:
            found += [f"[ERROR] {text} [json-pointer:/view/{name}]" for text in _text(view[name], 24, plain=True)]
    if any(block.get("type") == "input" for block in view.get("blocks", []) if isinstance(block, Mapping)) and "submit" not in view:
        found.append("[ERROR] missing required field: submit [json-pointer:/view]")
    if len(str(view.get("private_metadata", ""))) > 3000:
        found.append("[ERROR] must be less than 3001 characters [json-pointer:/view/private_metadata]")
    if len(str(view.get("callback_id", ""))) > 255:
        found.append("[ERROR] must be less than 256 characters [json-pointer:/view/callback_id]")
    return found


def live_sequences(blocks: Any) -> list[str]:
    """Whatever in `blocks` Slack would obey rather than show: mentions, broadcasts and links in text objects, plain or not."""
    return [found for text in texts(blocks) for found in re.findall(r"<[^<>\n]*>", text)]


def texts(value: Any) -> Iterator[str]:
    """The text of every text object."""
    if isinstance(value, Mapping):
        if value.get("type") in ("plain_text", "mrkdwn") and isinstance(value.get("text"), str):
            yield value["text"]
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from texts(item)


def _block(block: Any, surface: str, actions: list[str]) -> Iterator[str]:
    kind = block.get("type") if isinstance(block, Mapping) else None
    if kind not in _BLOCKS or surface not in _SURFACES.get(str(kind), {surface}):
        yield f"unsupported type: {kind}"
        return
    required, optional = _BLOCKS[str(kind)]
    for name in sorted(required - set(block)):
        yield f"missing required field: {name}"
    for name in sorted(set(block) - required - optional - {"type", "block_id"}):
        yield f"invalid additional property: {name}"
    if len(str(block.get("block_id", ""))) > 255:
        yield "must be less than 256 characters"
    if kind == "header":
        yield from _text(block.get("text"), 150, plain=True)
    elif kind == "section":
        yield from _section(block)
    elif kind == "context":
        yield from _count(block.get("elements"), 10)
        for element in block.get("elements") or []:
            yield from _text(element, 3000)
    elif kind == "actions":
        yield from _count(block.get("elements"), 25)
        for element in block.get("elements") or []:
            yield from _element(element, actions)
    elif kind == "input":
        yield from _text(block.get("label"), 2000, plain=True)
        if "hint" in block:
            yield from _text(block["hint"], 2000, plain=True)
        yield from _input(block.get("element"))


def _section(block: Mapping[str, Any]) -> Iterator[str]:
    if "text" not in block and "fields" not in block:
        yield "missing required field: text"
    if "text" in block:
        yield from _text(block["text"], 3000)
    if "fields" in block:
        yield from _count(block["fields"], 10)
        for field in block["fields"] if isinstance(block["fields"], list) else []:
            yield from _text(field, 2000)


def _element(element: Any, actions: list[str]) -> Iterator[str]:
    if not isinstance(element, Mapping) or element.get("type") != "button":
        yield f"unsupported type: {element.get('type') if isinstance(element, Mapping) else element}"
        return
    yield from _text(element.get("text"), 75, plain=True)
    actions.append(str(element.get("action_id")))
    for name, most in (("action_id", 255), ("value", 2000), ("url", 3000)):
        if len(str(element.get(name, ""))) > most:
            yield f"must be less than {most + 1} characters"
    if element.get("style", "primary") not in ("primary", "danger"):
        yield "must be a valid enum value"
    if "confirm" in element:
        confirm = element["confirm"]
        for name, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
            yield from _text(confirm.get(name) if isinstance(confirm, Mapping) else None, most, plain=True)
    for name in sorted(set(element) - {"type", "text", "action_id", "value", "url", "style", "confirm", "accessibility_label"}):
        yield f"invalid additional property: {name}"


def _input(element: Any) -> Iterator[str]:
    if not isinstance(element, Mapping) or element.get("type") != "plain_text_input":
        yield "unsupported type of input"
        return
    most = element.get("max_length", 3000)
    if not isinstance(most, int) or not 1 <= most <= 3000:
        yield "must be at most 3000"


def _text(value: Any, most: int, *, plain: bool = False) -> Iterator[str]:
    if not isinstance(value, Mapping) or value.get("type") not in (("plain_text",) if plain else ("plain_text", "mrkdwn")):
        yield "must be a text object" if not plain else "must be a plain_text object"
        return
    text = value.get("text")
    if not isinstance(text, str) or not text:
        yield "must be more than 0 characters"
    elif len(text) > most:
        yield f"must be less than {most + 1} characters"
    allowed = {"plain_text": {"type", "text", "emoji"}, "mrkdwn": {"type", "text", "verbatim"}}[str(value["type"])]
    for name in sorted(set(value) - allowed):
        yield f"invalid additional property: {name}"


def _count(value: Any, most: int) -> Iterator[str]:
    if not isinstance(value, list) or not value:
        yield "must provide at least 1 item"
    elif len(value) > most:
        yield f"no more than {most} items allowed"
