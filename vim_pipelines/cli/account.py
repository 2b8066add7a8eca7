"""`account`: what was found for one account, and what persons say about it."""

from __future__ import annotations

import json
from typing import Any

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import person_of, settings_of, store_of


@main.group()
def account() -> None:
    """One account: what was found, drafting it again, and what persons say about it."""


@account.command("show")
@click.argument("account_key")
@click.option("--json", "as_json", is_flag=True, help="As JSON on standard output.")
@click.pass_obj
def account_show(state: dict[str, Any], account_key: str, as_json: bool) -> None:
    """What the last audit found for ACCOUNT_KEY: money, signals, phase, risks."""
    from vim_pipelines.reporting.account import account_lines, read_account

    found = read_account(settings_of(state), account_key)
    click.echo(json.dumps(found, indent=2, default=str) if as_json else "\n".join(account_lines(found)))


@account.command("rerun")
@click.argument("account_key")
@click.option("--dry-run", is_flag=True, help="Only say what would be written, what it would replace and what it would cost; no call is made.")
@click.option("--json", "as_json", is_flag=True, help="As JSON on standard output.")
@click.pass_obj
def account_rerun(state: dict[str, Any], account_key: str, dry_run: bool, as_json: bool) -> None:
    """Draft ACCOUNT_KEY again and ask anew, from the marts of the newest date.

    The documents that its signals, risks and phase call for are written again, changed or not, as new versions, through the same gates and
    budgets; a question that waits is superseded, what was decided stays. It does not recompute the marts: new source rows, signals and phases
    of one account come with the next audit, for they are computed over all accounts.
    """
    from vim_pipelines.night import plan_account_rerun, run_account_rerun

    settings, store = settings_of(state), store_of(state)
    found = plan_account_rerun(settings, store, account_key) if dry_run else run_account_rerun(settings, store, account_key)
    click.echo(json.dumps(found.as_json(), indent=2, default=str) if as_json else "\n".join(found.lines()))
    if dry_run and not as_json:
        click.echo(f"Nothing was written. Next: vimotion account rerun {account_key}")


DAY = click.DateTime(["%Y-%m-%d"])


def _word(name: str, kind: str, summary: str, *arguments: Any, until: str | None = "Last day on which it counts.", until_needed: bool = False) -> None:
    """A command that records a person's word. `arguments` are click parameters; those that are columns of the word carry its content."""

    def command(state: dict[str, Any], /, account_key: str, note: str, acting_as: str | None, **values: Any) -> None:
        from vim_pipelines.night import say_word

        settings = settings_of(state)
        person = person_of(state, acting_as)
        last_day = values.pop("until", None)
        word, held = say_word(settings, kind, account_key, person=person, note=note, **values, **({"expires_on": last_day.date()} if last_day else {}))
        until_text = f" until {word['expires_on']}" if word["expires_on"] else ""
        click.echo(f"{word['override_id'][:12]} {account_key}: {name}{until_text}, by {person.name} ({person.role}). It counts from the next audit on.")
        for request_id in held:
            click.echo(f"Held: {request_id} rests on {word['fact']}; the next audit drafts it again without.")

    command.__doc__ = summary
    decorated = click.pass_obj(command)
    decorated = click.option("--as", "acting_as", help="Act in this role; in the sandbox only.")(decorated)
    decorated = click.option("--note", required=True, help="Why. It stands in the record by your name.")(decorated)
    if until is not None:
        decorated = click.option("--until", type=DAY, required=until_needed, help=until)(decorated)
    for argument in reversed(arguments):
        decorated = argument(decorated)
    account.command(name)(click.argument("account_key")(decorated))


_word("waive", "waive", "Waive REQUIREMENT (its id, or ID.FIELD for one field of it); it holds the account no longer.", click.argument("requirement_id"))
_word(
    "answer",
    "answer",
    "Answer REQUIREMENT, met or unmet, where no source answers it. What a source shows beats it.",
    click.argument("requirement_id"),
    click.argument("value", type=click.Choice(["met", "unmet"])),
)
_word(
    "dispute",
    "dispute",
    "Dispute FACT. What rests on it is unknown until the source changes or the dispute ends; drafts that rest on it are held.",
    click.argument("fact"),
    click.option("--value", help="What is right, for the record."),
)
_word("snooze", "snooze", "Leave the account alone: no chasing and no next best action.", until="Last day of the quiet.", until_needed=True)
_word("set-phase", "phase", "Set the account to PHASE of the spine, or to 11 (churn handling).", click.argument("phase", type=int))
_word("withdraw", "withdraw", "Take back WORD, an id of 'account words'.", click.argument("withdraws"), until=None)


@account.command("words")
@click.argument("account_key")
@click.option("--json", "as_json", is_flag=True, help="As JSON on standard output.")
@click.pass_obj
def account_words(state: dict[str, Any], account_key: str, as_json: bool) -> None:
    """What persons said about ACCOUNT_KEY, the oldest first."""
    from vim_pipelines.lifecycle.phases import load_map
    from vim_pipelines.lifecycle.words import word_lines
    from vim_pipelines.store.overrides import read_overrides

    words = read_overrides(store_of(state), account_key)
    click.echo(json.dumps(words, indent=2, default=str) if as_json else "\n".join(word_lines(words, load_map(), settings_of(state).now().date())))
