"""Texts in fields that a vendor shows as HTML (HubSpot's notes and tasks, Planhat's descriptions): escaped on the way there, compared as text."""

from __future__ import annotations

import html
from html.parser import HTMLParser


def html_of(text: str) -> str:
    """A text as HTML that shows it line by line and runs nothing of it."""
    return "<br>".join(html.escape(line, quote=False) for line in text.replace("\r\n", "\n").split("\n"))


def text_of(body: str) -> str:
    """The text of an HTML body, line by line: an editor wraps what a person touched in paragraphs of its own."""
    reader = _Text()
    reader.feed(body)
    reader.close()
    return "\n".join(line.rstrip() for line in "".join(reader.parts).split("\n")).strip()


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("p", "div", "li", "h1", "h2", "h3", "h4"):
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)
