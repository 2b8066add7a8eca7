"""The code blocks of the documentation and the commands in them, so that tests can run or check each one.

A page that nobody runs goes stale with the next change of an option. What is done with a block follows from its language:

- `bash`: `vimotion` lines are parsed by the real command tree, `make` lines must name a target, the whole block must be a script that bash can
  read; `tests/night/test_docs_sessions.py` runs the `vimotion` lines of a page in order, as one session in a sandbox home.
- `console`: a transcript; its lines that begin with `$ ` are commands, the rest is what was seen.
- `dotenv`: lines `NAME=value`, commented out or not; every name must be a setting.
- `yaml`, `json`, `python`, `sql`: parsed, or validated and run where the test says so. `text`, `mermaid`: shown, nothing to check.

Words in capitals stand for what the reader has: `REQUEST`, `REQUEST2` (requests that wait), `WRITE`, `ALERT`, `FILE`, `FOLDER` and so on. A session
fills those that it knows. A comment directly before a block changes what happens to it; a reason is obligatory:

    <!-- run: skip reason="needs a real Salesforce" -->     checked, not run
    <!-- run: exits=1 reason="..." -->                      a command of it ends with this status
    <!-- check: snowflake -->                               SQL for Snowflake: parsed, not run
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
COMMENT = re.compile(r"<!--\s*(run|check):\s*(.*?)\s*-->", re.DOTALL)
PLACEHOLDER = re.compile(r"^[A-Z][A-Z_]*\d?$")


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, what language, its text, and what a comment before it says."""

    page: str
    line: int
    language: str
    text: str
    directives: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> list[str]:
        """The shell commands of a `bash` or `console` block, one a line, continued lines joined, comments and here-documents left out."""
        if self.language == "console":
            lines = [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]
        elif self.language == "bash":
            lines = re.sub(r"\\\n\s*", " ", _without_documents(self.text)).splitlines()
        else:
            return []
        return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def _without_documents(text: str) -> str:
    """The script without what its here-documents hold."""
    return re.sub(r"(<<-?\s*'?(\w+)'?[^\n]*\n).*?^\2$", r"\1", text, flags=re.DOTALL | re.MULTILINE)


def pages(root: Path = ROOT) -> list[Path]:
    """README.md and every page of docs/."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def blocks(path: Path, root: Path = ROOT) -> list[Block]:
    """The fenced and indented blocks of a page, in order; those in lists and quotes, too."""
    from markdown_it import MarkdownIt

    text = path.read_text(encoding="utf-8")
    found, said = [], {}
    for token in MarkdownIt("commonmark", {"html": True}).parse(text):
        if token.type == "html_block":
            for kind, rest in COMMENT.findall(token.content):
                said |= _directives(kind, rest)
        elif token.type == "fence":
            line = (token.map or [0])[0] + 1
            found.append(Block(path.relative_to(root).as_posix(), line, token.info.split(" ")[0], token.content, said))
            said = {}
        elif token.type == "inline":
            said = {}
    return found


def _directives(kind: str, text: str) -> dict[str, str]:
    said: dict[str, str] = {}
    for word in shlex.split(text):
        name, _, value = word.partition("=")
        said[name if kind == "run" else f"check-{name}"] = value
    return said


def code_spans(path: Path) -> list[str]:
    """Inline code of a page."""
    from markdown_it import MarkdownIt

    return [
        child.content
        for token in MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))
        if token.type == "inline"
        for child in token.children or []
        if child.type == "code_inline"
    ]


def words_of(command: str) -> list[str]:
    """The words of a shell line, without comment; `a | b` and `a && b` end at the first."""
    parser = shlex.shlex(command, posix=True, punctuation_chars="|&;<>")
    parser.whitespace_split, parser.commenters = True, "#"
    words = []
    for word in parser:
        if word and set(word) <= set("|&;<>"):
            break
        words.append(word)
    while words and re.match(r"^[A-Z_0-9]+=", words[0]):
        words.pop(0)
    return words


def wrong_with(words: list[str], *, whole: bool = True) -> str | None:
    """What the command tree objects to in `vimotion ...`, or None. Callbacks do not run. `whole=False`: arguments may be left out, as in prose."""
    import click

    from vim_pipelines.cli import main

    command: Any = main
    context = click.Context(main, info_name="vimotion")
    rest, path = list(words[1:]), ["vimotion"]
    while isinstance(command, click.Group):
        try:
            _, rest, _ = command.make_parser(context).parse_args(rest)
        except click.UsageError as error:
            return f"{' '.join(path)}: {error.format_message()}"
        if not rest:
            return None if not whole or command.invoke_without_command else f"{' '.join(path)}: which command?"
        below = command.get_command(context, rest[0])
        if below is None:
            return None if not whole and len(path) > 1 and (rest[0] == "..." or "|" in rest[0]) else f"{' '.join(path)} has no command {rest[0]!r}"
        path.append(rest.pop(0))
        command, context = below, click.Context(below, info_name=path[-1], parent=context)
    try:
        given, extra, _ = command.make_parser(context).parse_args([word for word in rest if word != "..."])
    except click.UsageError as error:
        return None if not whole and "requires an argument" in error.format_message() else f"{' '.join(path)}: {error.format_message()}"
    if extra:
        return f"{' '.join(path)} takes no {extra[0]!r}"
    for parameter in command.params:
        value = given.get(parameter.name)
        if whole and parameter.required and (not isinstance(value, (str, tuple, list)) or not value):
            return f"{' '.join(path)} needs {parameter.human_readable_name}"
        if isinstance(parameter.type, click.Choice):
            given_values = [value] if isinstance(value, str) else value if isinstance(value, tuple | list) else []
            for each in given_values:
                if isinstance(each, str) and not PLACEHOLDER.match(each) and each not in parameter.type.choices:
                    return f"{' '.join(path)}: {each!r} is none of {', '.join(map(str, parameter.type.choices))}"
    return None
