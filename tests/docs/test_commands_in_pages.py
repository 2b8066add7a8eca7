"""Every command that a page names exists as it is written there: options, verbs, targets, settings.

An option that was renamed lives on in seven pages, and the newcomer is the one who finds out.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tools.doc_blocks import ROOT, blocks, code_spans, pages, words_of, wrong_with
from vim_pipelines.settings import Settings, environment_variable

PAGES = pages()
LANGUAGES = {
    "bash",
    "console",
    "dotenv",
    "yaml",
    "json",
    "python",
    "sql",
    "text",
    "mermaid",
    "javascript",
    "nginx",
    "csv",
    "html",
    "dockerfile",
    "powerquery",
    "ini",
    "xml",
}
BLOCKS = [block for page in PAGES for block in blocks(page)]
VARIABLES = {environment_variable(name) for name in Settings.model_fields}
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
#: Pages of history tell of commands as they were.
HISTORY = {"docs/decisions.md"}


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_a_wrong_option_a_wrong_verb_and_a_missing_argument_are_seen():
    """The check itself: it must not be one that cannot fail."""
    assert "no such option" in wrong_with(words_of("vimotion audit --as-off 2026-01-01")).lower()
    assert "has no command" in wrong_with(words_of("vimotion inbox aprove REQUEST"))
    assert "needs" in wrong_with(words_of("vimotion account show"))
    assert "takes no" in wrong_with(words_of("vimotion publish it"))
    assert "is none of" in wrong_with(words_of("vimotion init x --crm notes"))
    assert wrong_with(words_of("VIMOTION_HOME=x vimotion audit --as-of 2026-01-01   # last night")) is None


def test_every_block_says_what_language_it_is():
    """A block without a language is one that no test looks at."""
    assert [f"{block.place}: {block.language or 'none'}" for block in BLOCKS if block.language not in LANGUAGES] == []


@pytest.mark.parametrize("page", [page for page in PAGES if named(page) not in HISTORY], ids=named)
def test_every_command_in_a_block_is_one_that_the_command_line_takes(page):
    wrong = []
    for block in blocks(page):
        for command in block.commands():
            words = words_of(command)
            if words[:1] == ["vimotion"] and (objection := wrong_with(words)):
                wrong.append(f"{block.place}: {command}\n    {objection}")
            if words[:1] == ["make"]:
                missing = [word for word in words[1:] if "=" not in word and not word.startswith("-") and word not in TARGETS]
                wrong += [f"{block.place}: make has no target {word}" for word in missing]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", [page for page in PAGES if named(page) not in HISTORY], ids=named)
def test_every_command_in_a_sentence_exists(page):
    wrong = []
    for span in code_spans(page):
        words = span.split()
        if words[:1] == ["vimotion"] and len(words) > 1 and not words[1].isupper():
            try:
                words = words_of(re.sub(r"\[[^\]]*\]", "", span))
            except ValueError:
                continue
            if objection := wrong_with(words, whole=False):
                wrong.append(f"{span}: {objection}")
        if words[:1] == ["make"] and len(words) > 1 and re.fullmatch(r"[a-z-]+", words[1]) and words[1] not in TARGETS:
            wrong.append(f"{span}: make has no such target")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_script_can_be_read_by_bash(page):
    scripts = [block for block in blocks(page) if block.language == "bash"]
    for block in scripts:
        done = subprocess.run(["bash", "-n"], input=re.sub(r"(?<=[\s=])\.\.\.(?=\s|$)", "dots", block.text), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block.place}: {done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_setting_that_a_page_names_exists(page):
    """A variable that begins with VIMOTION_ and has another name is an error when a command starts."""
    text = page.read_text()
    said = set(re.findall(r"\bVIMOTION_[A-Z][A-Z_]*[A-Z]\b", text))
    for block in blocks(page):
        if block.language == "dotenv":
            said |= set(re.findall(r"^#? ?([A-Z][A-Z_0-9]+)=", block.text, re.MULTILINE))
    # A name that ends a sentence about a family of settings ("VIMOTION_SANDBOX_*") is a prefix of one.
    assert sorted(name for name in said if not any(variable.startswith(name) for variable in VARIABLES | {"VIMOTION_DEBUG"})) == []


def named_in(text: str) -> list[tuple[list[str], list[str]]]:
    """Commands that a message names: the words after `vimotion` as far as the tree knows them, and the options that follow at once."""
    import click

    from vim_pipelines.cli import main

    found = []
    for rest in re.findall(r"\bvimotion ((?:[a-z-]+|[A-Z_]+)(?: (?:[a-z-]+|[A-Z_]+|\{[a-z_.]+\}))*)", text):
        command: click.Command = main
        path: list[str] = []
        words = rest.split()
        while words and isinstance(command, click.Group) and words[0] in command.commands:
            path.append(words.pop(0))
            command = command.commands[path[-1]]
        options = []
        while words and (words[0].startswith("--") or words[0].isupper() or words[0].startswith("{")):
            options += [words[0]] if words[0].startswith("--") else []
            words.pop(0)
        known = {name for parameter in [*main.params, *command.params] for name in [*parameter.opts, *parameter.secondary_opts]} | {"--help"}
        found.append((path or ["?", *rest.split()[:2]], [option for option in options if option not in known | {"--"}]))
    return found


#: `vimotion` before a word of a sentence, not a command.
PROSE = {"cannot", "is", "reads", "needs", "inside", "in", "from", "and", "write", "works", "itself", "NOUN"}


def test_every_command_that_a_message_of_the_code_names_exists():
    """A fix that names a command of last month is worse than no fix."""
    import ast

    wrong = []
    for path in sorted((ROOT / "vim_pipelines").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{x}" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            else:
                continue
            for words, unknown in named_in(text):
                if (words[0] == "?" and words[1] not in PROSE) or unknown:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: vimotion {' '.join(words)} {' '.join(unknown)}")
    assert not wrong, "\n".join(wrong)
