"""Pages of reference written from the code, so that what they say is what is done: commands, settings, states, playbooks, thresholds.

A page that people keep by hand beside the code is wrong within a month. `python -m tools.reference` (`make reference`) writes them; a test
compares each with what the code says today.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from tools import pictures

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference"
MADE = "Written by `make reference` from `{source}`; a test keeps it so.\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; bars in cells are escaped, line ends folded."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    return "" if value is None else " ".join(str(value).split()).replace("|", "\\|")


def cli_page() -> str:
    """Every command with what it does, its arguments and its options, from the tree that the command line runs."""
    import click

    from vim_pipelines.cli import main

    parts = [
        "# The command line\n",
        MADE.format(source="vim_pipelines/cli/"),
        "`vimotion NOUN [VERB]`. Every command has `--help`. `--json` gives the same for scripts. [Exit statuses](exit-codes.md) are fixed; "
        "each error names [a code](errors.md).\n",
    ]

    def options(command: click.Command) -> list[tuple[str, str]]:
        rows = []
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                rows.append((", ".join(f"`{name}`" for name in parameter.opts), _sentence(parameter.help or "")))
        return rows

    def leaf(command: click.Command, path: list[str]) -> str:
        context = click.Context(command, info_name=path[-1])
        usage = " ".join([*path, *command.collect_usage_pieces(context)])
        text = f"### {' '.join(path[1:])}\n\n```text\n{usage}\n```\n\n{_prose(command.help)}"
        rows = options(command)
        return text + ("\n" + table(("option", "meaning"), rows) if rows else "")

    parts.append("## Everywhere\n\n" + table(("option", "meaning"), options(main)))
    alone = {name: command for name, command in main.commands.items() if not isinstance(command, click.Group) and not command.hidden}
    nouns = {name: command for name, command in main.commands.items() if isinstance(command, click.Group) and not command.hidden}
    parts.append("## Commands of one word\n")
    parts += [leaf(command, ["vimotion", name]) for name, command in sorted(alone.items())]
    for name, group in sorted(nouns.items()):
        parts.append(f"## {name}\n\n{_prose(group.help)}")
        parts += [leaf(command, path) for command, path in _leaves(group, ["vimotion", name])]
    return "\n".join(parts)


def _leaves(group: Any, path: list[str]) -> list[tuple[Any, list[str]]]:
    import click

    found: list[tuple[Any, list[str]]] = []
    for name, command in sorted(group.commands.items()):
        if command.hidden:
            continue
        found += _leaves(command, [*path, name]) if isinstance(command, click.Group) else [(command, [*path, name])]
    return found


def _prose(text: str | None) -> str:
    """A command's help as Markdown: paragraphs unwrapped, what click is told to leave as it is in a block of its own."""
    parts = []
    for paragraph in (text or "").split("\n\n"):
        if paragraph.lstrip().startswith("\b"):
            lines = [line for line in paragraph.replace("\b", "").splitlines() if line.strip()]
            parts.append("```text\n" + "\n".join(lines) + "\n```")
        else:
            parts.append(" ".join(paragraph.split()))
    return "\n\n".join(part for part in parts if part) + "\n"


def _sentence(text: str) -> str:
    return " ".join(text.replace("\b", "").split())


#: Settings by what they are about: the first part whose prefix fits takes a variable. The order is the page's.
SETTING_PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Salesforce, HubSpot, Planhat, Google Sheets, Zendesk", ("SALESFORCE_", "HUBSPOT_", "PLANHAT_", "GOOGLE_SHEETS_", "ZENDESK_")),
    ("Snowflake", ("SNOWFLAKE_", "VIMOTION_SNOWFLAKE_")),
    ("Slack, mail, Gmail, training", ("SLACK_", "SMTP_", "GMAIL_", "VIMOTION_SLACK", "VIMOTION_MAIL", "VIMOTION_TRAINING")),
    (
        "Language models",
        ("ANTHROPIC_", "OPENAI_", "LANGSMITH_", "VIMOTION_LANGSMITH", "VIMOTION_DRAFTER", "VIMOTION_JUDGE", "VIMOTION_MODEL", "VIMOTION_LIVE_CALLS",
         "VIMOTION_BATCH", "VIMOTION_BUDGET", "VIMOTION_MONTH_BUDGET"),
    ),
    ("The inbox and approvals", ("VIMOTION_INBOX", "VIMOTION_APPROVAL", "VIMOTION_POLICY", "VIMOTION_CRM_DECISIONS", "VIMOTION_WEEKLY", "VIMOTION_DRAIN")),
    ("Write-back", ("VIMOTION_WRITE", "VIMOTION_MIRROR", "VIMOTION_ALLOWED_HOSTS", "VIMOTION_VENDOR")),
    ("The sandbox", ("VIMOTION_SANDBOX",)),
    ("The house and the night", ("",)),
)  # fmt: skip


def settings_page() -> str:
    """Every setting with its variable, default, choices and meaning, by what it is about."""
    from vim_pipelines.settings import Settings, _choices, environment_variable

    rows: dict[str, list[tuple[str, str, str]]] = {title: [] for title, _ in SETTING_PARTS}
    for name, field in Settings.model_fields.items():
        variable = environment_variable(name)
        choices = _choices(field.annotation)
        meaning = _sentence(field.description or "") + (f" One of {', '.join(f'`{choice}`' for choice in choices)}." if choices else "")
        default = "" if field.default is None or str(field.default) == "" else f"`{field.default}`"
        title = next(title for title, prefixes in SETTING_PARTS if variable.startswith(prefixes))
        rows[title].append((f"`{variable}`", default, meaning))
    parts = [
        "# Settings\n",
        MADE.format(source="vim_pipelines/settings.py"),
        "Environment variables, or lines of a file `.env` in the folder that you start `vimotion` from; what is in the environment wins. A variable that begins "
        "with `VIMOTION_` and has a name that is not listed here is an error ([VIM-E002](errors.md#vim-e002)), so that a misspelt one cannot be ignored. "
        "The sandbox needs none. The same list, ready to be filled in, is `.env.example`.\n",
    ]
    order = ["The house and the night", *(title for title, _ in SETTING_PARTS if title != "The house and the night")]
    parts += [f"## {title}\n\n{table(('variable', 'default', 'meaning'), rows[title])}" for title in order if rows[title]]
    return "\n".join(parts)


#: What each state of an approval request means to the person who meets it.
STATE_WORDS = {
    "pending": "It waits for a person.",
    "approved": "Somebody with the role (or two people) agreed to exactly this text; it waits to be carried out.",
    "rejected": "It was refused with a note, or no text passed the gates: it will be drafted again, or a person must write it.",
    "changes_requested": "It was sent back with a note and will be drafted again.",
    "replanning": "It is being drafted again with the note in view.",
    "dismissed": "No such plan is wanted; none is drafted for 90 days.",
    "expired": "Nobody answered in time. Nothing follows from it; the next night asks again.",
    "superseded": "A newer text, or a disputed fact, took its place.",
    "executing": "One process has claimed it and writes.",
    "applied": "Everything was sent; it is not read back yet.",
    "verified": "The CRM was read back and shows what was approved.",
    "failed": "The CRM said no, or attempts ran out; the message says why. A person may have it tried again.",
    "conflicted": "Somebody changed in the CRM what this would change; nothing was written over. A person may have it tried again.",
    "undone": "What it wrote was put back.",
}

#: Who or what takes a step.
STEP_WORDS = {
    "request": "the night asks", "approve": "a person, or the second of two", "endorse": "the first of two people", "reject": "a person, with a note",
    "request_changes": "a person, with a note", "dismiss": "a person, with a note", "expire": "the sweep, after `VIMOTION_APPROVAL_HOURS`",
    "supersede": "the night, with a newer text", "dispute": "a person disputes a fact that the text rests on", "begin_replan": "re-plan takes it up",
    "resume_replan": "re-plan goes on after a stop", "replan_failed": "no new text passed", "replanned": "a new text is asked for in its place",
    "human_must_write": "three rounds brought no text that passes", "claim": "write-back takes it up, if the hash still fits", "resume": "write-back goes on after a stop",
    "release": "write-back gives it back after an outage or a limit", "apply": "the last write was sent", "verify": "everything was read back",
    "fail": "the CRM refused, or attempts ran out", "conflict": "the CRM holds something else than what was read", "retry": "a person, with a note",
    "undo": "a person",
}  # fmt: skip


def states_page() -> str:
    """The states of an approval request and every step between them, from the one table that changes them."""
    from vim_pipelines.approvals.states import NOTE_NEEDED, TERMINAL, TRANSITIONS

    states = dict.fromkeys(target for target in TRANSITIONS.values())
    parts = [
        "# States of an approval request\n",
        MADE.format(source="vim_pipelines/approvals/states.py"),
        "Nothing else changes a state: there is no step from silence, expiry or rejection to a write. Every step is an event in the hash chain that "
        "`vimotion audit-trail verify` checks ([approval and write-back](../explanation/consent.md)).\n",
        "## States\n",
        table(("state", "meaning", "ends here"), [(f"`{state}`", STATE_WORDS[state], "yes" if state in TERMINAL else "") for state in states]),
        "## Steps\n",
        table(
            ("from", "step", "to", "who or what"),
            [
                (f"`{source}`" if source else "(not asked yet)", f"`{action}`", f"`{target}`", STEP_WORDS[action])
                for (source, action), target in TRANSITIONS.items()
            ],
        ),
        f"A note is needed for {', '.join(f'`{action}`' for action in NOTE_NEEDED)}.\n",
    ]
    return "\n".join(parts)


def playbooks_page() -> str:
    """One row for each document: who it is for, what calls for it, who approves it, what approval carries out, by what it is judged."""
    from vim_pipelines.reasoning.playbooks import load_playbooks

    books = load_playbooks()
    parts = [
        "# Documents and their playbooks\n",
        MADE.format(source="prompts/*.yaml"),
        f"{len(books)} documents; nothing else is ever written. Each is one file in `prompts/`, with its conditions in full, its wording and its prompt. "
        "Who must approve may be lifted by the policy (revenue, band, segment, amount), never lowered.\n",
        table(
            ("document", "for", "approver", "approval carries out"),
            [
                (f"[{name}](#{name})", book.audience, book.approver_role, ", ".join(f"`{action.action}`" for action in book.on_approve) or "nothing")
                for name, book in books.items()
            ],
        ),
    ]
    for name, book in books.items():
        text = f"## {name}\n\n*{book.label}.* Owner: {book.owner}; version {book.version}.\n\nCalled for when:\n\n"
        text += "".join(f"- {_sentence(cause.reason)}\n" for cause in book.trigger.any_of)
        text += "\nIt has worked when:\n\n" + "".join(f"- {_sentence(criterion.sentence)}\n" for criterion in book.success_criteria)
        if book.on_approve:
            text += "\nWhat approval carries out:\n\n"
            text += table(("action", "only if", "undo"), [(f"`{action.action}`", action.precondition, action.undo) for action in book.on_approve])
        parts.append(text)
    return "\n".join(parts)


#: Seeds whose rows are short enough for a page; the word list and the calendar are left as files.
SEEDS = ("signal_thresholds", "utilization_bands", "severity_weights", "product_features", "crm_required_fields")


def thresholds_page() -> str:
    """Every threshold of the measures and the risk rules with its limits: what people tune, as data."""
    seeds = ROOT / "dbt_project" / "seeds"
    told = {seed["name"]: _sentence(seed.get("description", "")) for file in sorted(seeds.glob("*.yml")) for seed in yaml.safe_load(file.read_text())["seeds"]}
    parts = [
        "# Thresholds\n",
        MADE.format(source="dbt_project/seeds/ and vim_pipelines/signals/risk_rules.yaml"),
        "Change a value in the seed and the next night uses it; the rates in [signals](../explanation/signals.md) then no longer hold: measure them again with `make calibrate`.\n",
    ]
    for name in SEEDS:
        with (seeds / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            head, *rows = list(csv.reader(file))
        parts.append(f"## {name}\n\n{told.get(name, '')}\n\n{table(head, rows)}")
    rules = yaml.safe_load((ROOT / "vim_pipelines" / "signals" / "risk_rules.yaml").read_text(encoding="utf-8"))
    parts.append("## Risk rules\n\n" + risk_rules_table(rules))
    return "\n".join(parts)


def risk_rules_table(rules: dict[str, Any]) -> str:
    """Each rule with its conditions and its severities; what is statistical stands under the false-discovery control of the night."""
    rows = []
    for rule in rules["rules"]:
        severities = [f"{entry['severity']}{' if ' + _conditions(entry) if entry.get('all') or entry.get('any') else ''}" for entry in rule["severity"]]
        rows.append((f"`{rule['id']}`", rule["title"], _conditions(rule["when"]), "; else ".join(severities), "yes" if rule.get("p_value") else ""))
    said = f"Rings are kept where the q-value is at most {rules['false_discovery_level']} for those that are tests.\n\n"
    return said + table(("rule", "title", "rings when", "severity", "test"), rows)


def _conditions(group: dict[str, Any]) -> str:
    every = " and ".join(_condition(each) for each in group.get("all", []))
    some = " or ".join(_conditions({"all": each}) if isinstance(each, list) else _condition(each) for each in group.get("any", []))
    return f"{every} and ({some})" if every and some else every or some


def _condition(condition: dict[str, Any]) -> str:
    against = f"{condition['share']} x {condition['share_of']}" if "share_of" in condition else condition.get("value")
    return f"{condition['measure']} {condition['op']} {against}".replace("<", "&lt;").replace(">", "&gt;")


def exit_codes_page() -> str:
    """What each exit status means."""
    from vim_pipelines.cli.exit_codes import page

    return page()


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "exit-codes.md": exit_codes_page,
    "settings.md": settings_page,
    "approval-states.md": states_page,
    "playbooks.md": playbooks_page,
    "thresholds.md": thresholds_page,
}


def main() -> None:
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
    pictures.main()


if __name__ == "__main__":
    main()
