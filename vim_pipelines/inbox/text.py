"""A draft's Markdown as HTML that cannot hurt whoever reads it, with each value linked to the fact it came from.

The text was worded by a model from names that customers chose. So raw HTML stays text, links lead to http(s) only and show where, pictures
are not loaded (a picture's address tells its host who reads), and every value that a fact shows becomes a link to that fact on the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

SLOT = re.compile(r"\{\{(F\d{2})\}\}")
HANDLE = re.compile(r"\bF\d{2}\b")
#: The lines in italics around a text (its date, its signature) show no fact.
SUBTITLE = re.compile(r"\*[^*]+\*")


def render(text: str, facts: Sequence[Mapping[str, Any]], structured: Callable[[], Mapping[str, Any] | None] = lambda: None) -> str:
    """Safe HTML of `text`. `facts`: those of the request; `structured` reads the draft with its slots, which says which fact a sentence shows
    where two facts have the same value; it is not asked where all differ."""
    tokens = _markdown().parse(text)
    values = shown_values(facts)
    sentences = _sentences(structured() or {}) if any(len(handles) > 1 for handles in values.values()) else []
    row_handle: str | None = None
    for position, token in enumerate(tokens):
        if token.type == "tr_open":
            row_handle = _row_handle(tokens, position)
        elif token.type == "tr_close":
            row_handle = None
        elif token.type == "inline" and token.children and not SUBTITLE.fullmatch(token.content):
            wanted = [row_handle] if row_handle else [handle for words, handles in sentences if _stands_in(words, token.content) for handle in handles]
            token.children = _linked(token.children, values, wanted)
        elif token.type in ("heading_open", "heading_close"):  # the page has its own h1
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
    return str(_markdown().renderer.render(tokens, _markdown().options, {}))


def shown_values(facts: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What is printed -> handles of the facts that print it; only what has a digit, and of facts that are known."""
    found: dict[str, list[str]] = {}
    for fact in facts:
        shown, handle = str(fact.get("shown") or ""), str(fact.get("handle") or "")
        if handle and fact.get("status", "ok") == "ok" and any(character.isdigit() for character in shown):
            found.setdefault(shown, []).append(handle)
    return found


def _linked(children: list[Token], values: Mapping[str, list[str]], wanted: Sequence[str]) -> list[Token]:
    from markdown_it.token import Token

    pattern = _pattern(tuple(sorted(values, key=len, reverse=True)))
    if pattern is None:
        return children
    out: list[Token] = []
    inside_link = 0
    for child in children:
        inside_link += {"link_open": 1, "link_close": -1}.get(child.type, 0)
        if child.type != "text" or inside_link:
            out.append(child)
            continue
        at = 0
        for match in pattern.finditer(child.content):
            handles = values.get(match[0]) or [handle for shown, all_of in values.items() if shown.split(" ")[0] == match[0] for handle in all_of]
            handle = next((one for one in handles if one in wanted), handles[0])
            out.append(_text(child, child.content[at : match.start()]))
            opened = Token("link_open", "a", 1, attrs={"href": f"#{handle}", "class": "fact"})
            out += [opened, _text(child, match[0]), Token("link_close", "a", -1)]
            at = match.end()
        out.append(_text(child, child.content[at:]))
    return [token for token in out if token.type != "text" or token.content]


def _text(like: Token, content: str) -> Token:
    token = like.copy()
    token.content = content
    return token


@lru_cache(maxsize=512)
def _pattern(shown: tuple[str, ...]) -> re.Pattern[str] | None:
    """Finds the values, the longest first; also '150' of '150 seats' in '150 of 200 seats', where the noun is said once."""
    if not shown:
        return None
    heads = sorted({text.split(" ")[0] for text in shown if text.count(" ") == 1 and text[0].isdigit()}, key=len, reverse=True)
    parts = [re.escape(text) for text in shown]
    if heads:
        parts.append("(?:" + "|".join(re.escape(text) for text in heads) + r")(?= (?:of|to) \d)")
    return re.compile(r"(?<![\w.,$€£-])(?:" + "|".join(parts) + r")(?![\w%]|[.,]\d)")


def _sentences(structured: Mapping[str, Any]) -> list[tuple[list[str], list[str]]]:
    """The words between the slots of each sentence of the draft, with the handles in their order."""
    texts = [paragraph.get("text_with_slots", "") for section in structured.get("sections") or () for paragraph in section.get("paragraphs") or ()]
    texts += [step.get(key) or "" for step in structured.get("steps") or () for key in ("action", "success_measure")]
    return [([part.strip() for part in SLOT.split(text)[::2] if part.strip()], SLOT.findall(text)) for text in texts if SLOT.search(text)]


def _stands_in(words: Sequence[str], content: str) -> bool:
    return bool(words) and all(part in content for part in words)


def _row_handle(tokens: Sequence[Token], start: int) -> str | None:
    """The handle that the last cell of a row of the figures names."""
    last = ""
    for token in tokens[start + 1 :]:
        if token.type == "tr_close":
            break
        if token.type == "inline":
            last = token.content
    match = HANDLE.match(last)
    return match[0] if match else None


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.disable(["image", "html_block", "html_inline", "reference"])
    reader.validateLink = _is_web_address  # type: ignore[method-assign, assignment]
    reader.add_render_rule("link_open", _link_open)
    reader.add_render_rule("link_close", _link_close)
    return reader


def _is_web_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme.lower() in ("http", "https") and bool(parts.netloc)


def _link_open(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    if token.attrs.get("class") != "fact":
        token.attrs["rel"] = "noopener noreferrer nofollow"
        token.attrs["class"] = "outside"
    return str(renderer.renderToken(tokens, index, options, env))


def _link_close(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """A link to the outside says where it leads: its words were chosen by whoever wrote the text."""
    from html import escape

    depth = 0
    for before in reversed(tokens[:index]):
        if before.type == "link_close":
            depth += 1
        elif before.type == "link_open":
            if depth == 0:
                where = "" if before.attrs.get("class") == "fact" else f" ({escape(str(before.attrs.get('href', '')))})"
                return f"</a>{where}"
            depth -= 1
    return "</a>"
