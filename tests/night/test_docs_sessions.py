"""The pages as sessions: each page's commands run in order, in a sandbox home after its first night, as a reader would type them.

That an option exists is checked elsewhere (`tests/docs`); this is for the tutorial whose third step refuses what its second step made. What is
not run, and why, is printed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # tools/ stands beside the package and is not installed

from tools.doc_blocks import PLACEHOLDER, Block, blocks, pages, words_of
from vim_pipelines.cli import main

#: Commands that a session leaves out, and what stands in for them. The longest name that fits counts.
LEFT_OUT = {
    ("audit",): "a whole night; tests/night runs many",
    ("demo",): "serves until it is interrupted; it has a test of its own",
    ("sandbox", "up"): "serves until it is interrupted",
    ("inbox", "serve"): "serves until it is interrupted; tests/inbox opens it in a browser",
    ("backtest",): "minutes of past nights; tests/evaluation",
    ("evals",): "minutes; tests/evaluation",
    ("bench",): "minutes by nature",
    ("calibrate",): "minutes by nature",
}
#: Programs of a page that make the reader's files.
MAKES_FILES = {"mkdir", "cat", "cp", "printf", "echo"}


def left_out(words: list[str], home: Path) -> str | None:
    """Why a session does not run this command, or None."""
    given = [word for word in words[1:] if not word.startswith("-")]
    if words[1:2] == ["audit"] and "--dry-run" in words:
        return None
    for name, reason in LEFT_OUT.items():
        if tuple(given[: len(name)]) == name:
            return reason
    for word in words[1:]:
        if word.endswith((".yaml", ".csv", ".json")) and not Path(word).exists():
            return f"{word} is the reader's own file"
        if PLACEHOLDER.match(word) and word not in placeholders(home):
            return f"{word} is the reader's own"
    return None


def placeholders(home: Path) -> dict[str, str]:
    """What the words in capitals stand for: requests that wait for a person, in the order of the inbox, without those that need two."""
    if not (home / "operations.db").is_file():
        return {}
    if str(home) not in _KNOWN:
        listed = json.loads(CliRunner().invoke(main, ["--home", str(home), "inbox", "list", "--json"]).stdout)
        ids = [each["request_id"] for each in listed if each["account_key"] == "ACC-HEADLINE" and each["state"] == "pending"]
        _KNOWN[str(home)] = {"REQUEST": ids[0], **{f"REQUEST{number}": request for number, request in enumerate(ids[1:], start=2)}}
    return _KNOWN[str(home)]


_KNOWN: dict[str, dict[str, str]] = {}


def session(page: Path, home: Path, *, nights: bool) -> tuple[int, list[str]]:
    """Run a page in the working folder. Returns how many commands ran, and what was left out with its reason."""
    ran, out = 0, []
    for block in blocks(page):
        if "skip" in block.directives or ("night" in block.directives and not nights):
            out += [f"{block.place}: {block.directives.get('reason') or 'a whole night; the slow tests run it'}"] * bool(block.commands())
        elif block.language == "python":
            exec(compile(block.text, block.place, "exec"), {"__name__": "page"})
        elif block.language == "sql" and not any(name.startswith("check-") for name in block.directives):
            ran += query(block, home)
        elif (
            block.language == "bash" and block.commands() and all(words_of(command)[:1] and words_of(command)[0] in MAKES_FILES for command in block.commands())
        ):
            subprocess.run(["bash", "-e"], input=block.text, text=True, check=True, capture_output=True)
        elif block.language == "bash":
            for command in block.commands():
                words = words_of(command)
                if words[:1] != ["vimotion"]:
                    continue
                reason = None if "night" in block.directives else left_out(words, home)
                if reason:
                    out.append(f"{block.place}: {' '.join(words)}: {reason}")
                    continue
                ran += 1
                call(block, [placeholders(home).get(word, word) if PLACEHOLDER.match(word) else word for word in words[1:]], home)
    return ran, out


def call(block: Block, arguments: list[str], home: Path) -> None:
    own_home = [] if "--home" in arguments else ["--home", str(home)]
    done = CliRunner().invoke(main, [*own_home, *arguments])
    expected = int(block.directives.get("exits", 0))
    assert done.exit_code == expected, f"{block.place}: vimotion {' '.join(arguments)}\n{done.output}\n{done.exception!r}"


def query(block: Block, home: Path) -> int:
    """Every statement of a block on the published file, as an analyst reads it."""
    import duckdb

    text = re.sub(r"--[^\n]*", "", block.text)
    statements = [statement for statement in text.split(";") if statement.strip()]
    with duckdb.connect(str(home / "published" / "vim.duckdb"), read_only=True) as connection:
        for statement in statements:
            connection.execute(statement).fetchall()
    return len(statements)


PAGES = [page for page in pages() if any(block.language in ("bash", "sql", "python") for block in blocks(page))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_can_be_followed_from_its_first_command_to_its_last(page, first_night, tmp_path, monkeypatch, capsys):
    night, _ = first_night
    home = night.copy(tmp_path / ".vimotion").path
    for name, value in night.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    ran, out = session(page, home, nights=False)
    os.environ.clear()
    os.environ.update(before)
    with capsys.disabled():
        sys.stdout.write(f"\n{page.stem}: {ran} commands run" + "".join(f"\n  not run: {line}" for line in out) + "\n")


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if any("night" in block.directives for block in blocks(page))], ids=lambda page: page.stem)
def test_a_page_with_a_night_of_its_own_can_be_followed(page, tmp_path, monkeypatch):
    """The newcomer's own files, audited: the figures that the page states are those that the night finds."""
    monkeypatch.chdir(tmp_path)
    ran, _ = session(page, tmp_path / "home", nights=True)
    assert ran
    if page.stem == "own-data-from-csv":
        said = CliRunner().invoke(main, ["--home", "first/home", "account", "show", "C-1"]).output
        assert "CSM ana@" in said, "a CRM that knows managers by address alone has managers"
        assert "$45,000" in said and "$43,500" in said and all(figure in page.read_text() for figure in ("$45,000", "$43,500"))
