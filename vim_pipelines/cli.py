"""The command line, `vimotion NOUN [VERB]`.

Only click and the standard library are imported here: `--help` must answer in half a second, and dagster alone takes longer.
Every command is a thin door to a function that a page or a sensor calls too.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vim_pipelines import __version__
from vim_pipelines.core.crms import CRMS

if TYPE_CHECKING:
    from vim_pipelines.approvals.policy import Actor
    from vim_pipelines.settings import Settings

EXAMPLES = """\b
Examples:
  vimotion audit                          audit the sandbox portfolio, no key needed
  vimotion inbox list                     what waits for a decision
  vimotion init --crm hubspot my_folder   start with your own data: a commented portfolio file
  vimotion audit --portfolio FILE.yaml    audit your own portfolio
"""


class Group(click.Group):
    """Turns a VimError into one clear line and its exit status; a traceback only with --debug."""

    def invoke(self, ctx: click.Context) -> Any:
        from vim_pipelines.core.errors import VimError

        try:
            return super().invoke(ctx)
        except VimError as error:
            if ctx.params.get("debug"):
                raise
            click.echo(f"Error: {error}", err=True)
            click.echo(f"       docs/reference/errors.md#{error.code.lower()}", err=True)
            ctx.exit(error.exit_code)


@click.group(
    cls=Group, help="Value-in-Motion: the nightly audit of a customer portfolio.\n\n" + EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("--home", type=click.Path(path_type=Path), help="Folder of all state (VIMOTION_HOME, default .vimotion).")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(__version__, prog_name="vimotion")
@click.pass_context
def main(context: click.Context, home: Path | None, debug: bool) -> None:
    os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    context.obj = {"overrides": {"home": home} if home else {}, "debug": debug}


# -- the night -------------------------------------------------------------------------------------------------------------


@main.command()
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="As-of date. Default: the last complete day with data.")
@click.option("--portfolio", type=click.Path(path_type=Path), help="Portfolio file. Default: VIMOTION_PORTFOLIO, else the sandbox.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the portfolio's files, instead of the one that the file names.")
@click.option("--dry-run", is_flag=True, help="Only estimate what the drafts would cost, from the newest marts; no call is made, nothing is written.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON on standard output.")
@click.pass_obj
def audit(state: dict[str, Any], as_of: datetime | None, portfolio: Path | None, data_dir: Path | None, dry_run: bool, as_json: bool) -> None:
    """Run the nightly job for one as-of date and print what it found."""
    if dry_run:
        _estimate(state, as_of, portfolio, as_json=as_json)
        return
    from vim_pipelines.night import run_audit
    from vim_pipelines.reporting.summary import summary_lines

    overrides = state["overrides"] | ({"portfolio": portfolio} if portfolio else {}) | ({"data_dir": data_dir} if data_dir else {})
    started, cpu_started = time.monotonic(), _cpu_seconds()
    with _settings(overrides) as settings:
        summary = run_audit(settings, as_of.date() if as_of else None, say=_say, debug=state["debug"])
        summary = summary.timed(time.monotonic() - started, _cpu_seconds() - cpu_started)
        if as_json:
            click.echo(json.dumps(summary.as_json(), indent=2))
        else:
            click.echo("\n".join(summary_lines(summary, _next_commands(settings, state))))


def _estimate(state: dict[str, Any], as_of: datetime | None, portfolio: Path | None, *, as_json: bool) -> None:
    from vim_pipelines.reasoning.estimate import estimate_lines, estimate_night
    from vim_pipelines.settings import load_settings
    from vim_pipelines.warehouse import open_warehouse

    settings = load_settings(**(state["overrides"] | ({"portfolio": portfolio} if portfolio else {})))
    night = estimate_night(open_warehouse(settings), _store(state), settings, settings.now(), as_of=as_of.date() if as_of else None)
    click.echo(json.dumps(night.as_json(), indent=2, default=str) if as_json else "\n".join(estimate_lines(night)))


@main.group()
def account() -> None:
    """One account."""


@account.command("show")
@click.argument("account_key")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def account_show(state: dict[str, Any], account_key: str, as_json: bool) -> None:
    """What the last audit found for ACCOUNT_KEY: money, signals, phase, risks."""
    from vim_pipelines.reporting.account import account_lines, read_account

    found = read_account(_load(state).published_dir, account_key)
    click.echo(json.dumps(found, indent=2, default=str) if as_json else "\n".join(account_lines(found)))


DAY = click.DateTime(["%Y-%m-%d"])


def _word(name: str, kind: str, summary: str, *arguments: Any, until: str | None = "Last day on which it counts.", until_needed: bool = False) -> None:
    """A command that records a person's word. `arguments` are click parameters; those that are columns of the word carry its content."""

    def command(state: dict[str, Any], /, account_key: str, note: str, acting_as: str | None, **values: Any) -> None:
        from vim_pipelines.night import say_word

        settings = _load(state)
        person = _person(state, acting_as)
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
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def account_words(state: dict[str, Any], account_key: str, as_json: bool) -> None:
    """What persons said about ACCOUNT_KEY, the oldest first."""
    from vim_pipelines.lifecycle.phases import load_map
    from vim_pipelines.lifecycle.words import word_lines
    from vim_pipelines.store.overrides import read_overrides

    words = read_overrides(_store(state), account_key)
    click.echo(json.dumps(words, indent=2, default=str) if as_json else "\n".join(word_lines(words, load_map(), _load(state).now().date())))


@main.command()
@click.pass_obj
def publish(state: dict[str, Any]) -> None:
    """Write the published copy again from the marts."""
    from vim_pipelines.reporting.publish import publish as publish_marts
    from vim_pipelines.warehouse import open_warehouse

    settings = _load(state)
    copy = publish_marts(open_warehouse(settings), settings.published_dir)
    click.echo(f"Published {len(copy.rows_by_mart)} marts to {copy.path}")


@main.command()
@click.option("--activity", type=click.Path(path_type=Path), help="Folder of an activity history without contracts (usage_events.csv). Default: the portfolio.")
@click.option(
    "--train-before", type=click.DateTime(["%Y-%m-%d"]), help="First observation date of the test. Default: 2018-01-01 for --activity, else the last third."
)
@click.option("--rebuild", type=click.Choice(["none", "monthly", "weekly"]), default="none", show_default=True, help="Build missing nights of the past first.")
@click.option("--json", "as_json", is_flag=True, help="The calibration card as JSON on standard output.")
@click.pass_obj
def backtest(state: dict[str, Any], activity: Path | None, train_before: datetime | None, rebuild: str, as_json: bool) -> None:
    """Judge the score on the past and print its calibration card."""
    from vim_pipelines.evaluation.backtest_card import card_lines
    from vim_pipelines.night import run_backtest

    split = train_before.date() if train_before else None
    # Reads the warehouse or a folder, never the sources: the sandbox's emulators need not run.
    card = run_backtest(_load(state), activity=activity, train_before=split, rebuild=rebuild, say=_say)
    click.echo(json.dumps({"card_id": card.card_id} | card.as_json(), indent=2, default=str) if as_json else "\n".join(card_lines(card)))


EVALS = ("contract-terms", "handoff", "draft-safety", "liar", "risk-hallucination")


@main.command()
@click.option("--contracts", type=click.Path(path_type=Path, file_okay=False), help="Folder of the contracts with lawyers' answers. Default: ../shared/data.")
@click.option("--draft-safety", type=click.Path(path_type=Path, exists=True), help="Score the cases of this file or folder instead, and nothing else.")
@click.option("--only", type=click.Choice(EVALS), multiple=True, help="Only this evaluation (several: repeat it). Default: all.")
@click.option("--show-wrong", is_flag=True, help="Each wrong answer beside the right one.")
@click.option("--json", "as_json", is_flag=True, help="The scores as JSON on standard output.")
@click.pass_context
def evals(context: click.Context, contracts: Path | None, draft_safety: Path | None, only: tuple[str, ...], show_wrong: bool, as_json: bool) -> None:
    """Score contract terms against lawyers' answers, the handoff audit on ablated records, the gates on promises and on lies, and invented risks; status 1 if a bar is missed."""
    from vim_pipelines.evaluation.experiments import post_experiment
    from vim_pipelines.evaluation.suite import EVALUATIONS, Asked, Scored, write_result
    from vim_pipelines.reasoning.batches.waiting import wall_clock

    settings = _load(context.obj)
    wanted = {"draft-safety"} if draft_safety else set(only or EVALS)
    if "contract-terms" in only and contracts is None:  # asked for by name: a missing folder is an error, not a reason to go on
        from vim_pipelines.evaluation.contract_terms import default_folder

        contracts = default_folder()
    asked, started = Asked(settings, contracts, draft_safety, show_wrong), wall_clock()
    scored: list[Scored] = []
    found: dict[str, Any] = {}

    def shown(*lines: str) -> None:
        """As soon as it is there: one evaluation takes a minute."""
        if not as_json:
            click.echo("\n".join([*lines, ""]))

    for name, evaluation in EVALUATIONS.items():
        if name not in wanted:
            continue
        one = evaluation(asked)
        scored.append(one)
        if one.skipped is not None:
            found |= {one.name: {"skipped": one.skipped}}
            shown(f"{name}: skipped, {one.skipped}")
            continue
        written = write_result(one, settings.home / "evaluation" / "results", settings.now().date(), draft_safety)
        found |= one.result if one.name == "contract_terms" else {one.name: one.result}
        shown(*one.lines, f"  written to {written}")
    posted = post_experiment(settings, scored, started=started, ended=wall_clock(), version=__version__)
    if posted is not None:
        click.echo(posted, err=as_json)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    if not all(one.is_met for one in scored):
        context.exit(1)


# -- decisions -------------------------------------------------------------------------------------------------------------


@main.group()
def inbox() -> None:
    """Drafts that wait for a person's decision."""


@inbox.command("list")
@click.option("--state", "states", multiple=True, help="Only requests in this state (default: pending).")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def inbox_list(state: dict[str, Any], states: tuple[str, ...], as_json: bool) -> None:
    """List approval requests, the most urgent first, and what a person must write."""
    from vim_pipelines.approvals.alerts import list_alerts
    from vim_pipelines.approvals.queue import list_requests, to_write
    from vim_pipelines.approvals.text import alert_lines, list_lines, request_json, to_write_lines
    from vim_pipelines.store.models import APPROVAL_STATES

    unknown = sorted(set(states) - set(APPROVAL_STATES))
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}: a request is one of {', '.join(APPROVAL_STATES)}", param_hint="--state")
    store = _store(state)
    requests = list_requests(store, states=states or ("pending",))
    by_hand, alerts = ([], []) if states else (to_write(store), list_alerts(store, is_open=True))
    lines = list_lines(requests) + to_write_lines(by_hand) + alert_lines(alerts)
    click.echo(json.dumps([request_json(item) for item in requests + by_hand], indent=2) if as_json else "\n".join(lines))


@inbox.command("show")
@click.argument("request_id")
@click.option("--facts", is_flag=True, help="The facts behind the text, with their source rows.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def inbox_show(state: dict[str, Any], request_id: str, facts: bool, as_json: bool) -> None:
    """Show one request: the text, what approval will do, and the facts behind it."""
    from vim_pipelines.approvals.queue import show_request
    from vim_pipelines.approvals.text import request_json, request_lines

    request = show_request(_store(state), request_id)
    click.echo(json.dumps(request_json(request), indent=2) if as_json else "\n".join(request_lines(request, with_facts=facts)))


def _decision(name: str, decision: str, summary: str, *, note_needed: bool) -> None:
    @inbox.command(name, help=summary)
    @click.argument("request_id")
    @click.option("--note", required=False, help="Why. Needed." if note_needed else "Why.")
    @click.option("--version", type=int, help="The version that you read. Default: the newest; a stale one is refused.")
    @click.option("--as", "acting_as", help="Act in this role; in the sandbox only.")
    @click.pass_obj
    def command(state: dict[str, Any], request_id: str, note: str | None, version: int | None, acting_as: str | None) -> None:
        from vim_pipelines.approvals.deciding import decide
        from vim_pipelines.approvals.policy import policy_of
        from vim_pipelines.approvals.queue import show_request

        settings = _load(state)
        store = _store(state)
        person = _person(state, acting_as)
        current = show_request(store, request_id)
        decided = decide(
            store, current.request_id, decision, person=person, version=version or current.version, note=note, now=settings.now(), policy=policy_of(settings)
        )
        click.echo(f"{decided.request_id} {decided.account_name}, {decided.document}: {decided.state} by {person.name} ({person.role})")
        if decision == "approve" and decided.state == "pending":
            click.echo("One of two approvals is on record; another person's is needed.")
        if decided.state == "approved":
            click.echo("Next: vimotion write-back run")
        elif decided.state in ("rejected", "changes_requested"):
            click.echo("Next: vimotion replan run")


_decision("approve", "approve", "Approve one request; the approval is bound to the text's hash.", note_needed=False)
_decision("reject", "reject", "Reject one request with a note; it is drafted again with the note in view.", note_needed=True)
_decision("changes", "request_changes", "Ask for changes with a note; it is drafted again with the note in view.", note_needed=True)
_decision("dismiss", "dismiss", "End one request with a note; no new draft for ninety days.", note_needed=True)


@inbox.command("edit")
@click.argument("request_id")
@click.option(
    "--file", "path", type=click.Path(dir_okay=False, path_type=Path), help="Text to put in its place. Not given: the text as it is now, for editing."
)
@click.option("--note", help="Why.")
@click.option("--version", type=int, help="The version that you edited. Default: the newest; a stale one is refused.")
@click.option("--as", "acting_as", help="Act in this role; in the sandbox only.")
@click.pass_context
def inbox_edit(context: click.Context, request_id: str, path: Path | None, note: str | None, version: int | None, acting_as: str | None) -> None:
    """Edit the text of a request: print it, change the file, hand it back with --file. Somebody else must approve it."""
    from vim_pipelines.approvals.edits import edit, editable
    from vim_pipelines.approvals.queue import show_request
    from vim_pipelines.core.errors import VimError

    state, store = context.obj, _store(context.obj)
    if path is None:
        click.echo(editable(store, request_id), nl=False)
        return
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise VimError("VIM-E121", f"The file {path} cannot be read", why=getattr(error, "strerror", None) or "It is not UTF-8", fix="Correct --file") from None
    settings, current = _load(state), show_request(store, request_id)
    report = edit(
        store, settings, current.request_id, text, person=_person(state, acting_as), version=version or current.version, note=note, now=settings.now()
    )
    click.echo("\n".join(report.lines()))
    if report.state == "held":
        context.exit(7)


@inbox.command("dispute")
@click.argument("request_id")
@click.argument("fact")
@click.option("--note", required=True, help="Why it is wrong.")
@click.option("--value", help="What is right, as far as you know.")
@click.option("--as", "acting_as", help="Act in this role; in the sandbox only.")
@click.pass_obj
def inbox_dispute(state: dict[str, Any], request_id: str, fact: str, note: str, value: str | None, acting_as: str | None) -> None:
    """Say that a fact of a request is wrong (unused_seats, or F12): every text that rests on it leaves the queue."""
    from vim_pipelines.approvals.disputing import dispute_fact
    from vim_pipelines.approvals.policy import policy_of

    settings, store, person = _load(state), _store(state), _person(state, acting_as)
    word, held = dispute_fact(store, request_id, fact, value, person=person, note=note, now=settings.now(), policy=policy_of(settings))
    until = f" until {word['expires_on']}" if word["expires_on"] else ""
    click.echo(
        f"{word['fact']} of {word['account_key']} is disputed by {person.name} ({person.role}){until}; taken out of the queue: {', '.join(held) or 'nothing'}"
    )


@inbox.command("alerts")
@click.option("--all", "show_all", is_flag=True, help="Those that were acknowledged, too.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def inbox_alerts(state: dict[str, Any], show_all: bool, as_json: bool) -> None:
    """What directors were told at once, in full, the newest first."""
    from vim_pipelines.approvals.alerts import list_alerts
    from vim_pipelines.approvals.messages import alert_outcome
    from vim_pipelines.approvals.text import as_json as plain

    alerts = list_alerts(_store(state), is_open=None if show_all else True)
    texts = [f"{alert.alert_id}\n{alert.text.rstrip()}\n{alert_outcome(alert) or 'Nobody has acknowledged it.'}\n" for alert in alerts]
    click.echo(json.dumps([plain(alert) for alert in alerts], indent=2) if as_json else "\n".join(texts) or "There is no alert.")


@inbox.command("acknowledge")
@click.argument("alert_id")
@click.option("--note", help="What you do about it.")
@click.option("--as", "acting_as", help="Act in this role; in the sandbox only.")
@click.pass_obj
def inbox_acknowledge(state: dict[str, Any], alert_id: str, note: str | None, acting_as: str | None) -> None:
    """Put on record that you have seen an alert; the first one stands."""
    from vim_pipelines.approvals.alerts import acknowledge
    from vim_pipelines.approvals.messages import alert_outcome
    from vim_pipelines.approvals.policy import policy_of

    settings = _load(state)
    seen = acknowledge(_store(state), alert_id, person=_person(state, acting_as), note=note, now=settings.now(), policy=policy_of(settings))
    click.echo(f"{seen.alert_id} {seen.account_name}: {alert_outcome(seen)}")


@inbox.command("deliver")
@click.pass_obj
def inbox_deliver(state: dict[str, Any]) -> None:
    """Send what is to be told to people through Slack, mail and the other connected channels, 25 messages at a time."""
    from vim_pipelines.approvals.deliveries import channels_of
    from vim_pipelines.night import run_deliveries

    settings, store = _load(state), _store(state)
    if not channels_of(settings):
        click.echo("No channel is connected: people see what waits for them in the inbox. See docs/how-to for Slack and mail.")
        return
    click.echo("\n".join(run_deliveries(settings, store).lines()))


@inbox.group("people")
def inbox_people() -> None:
    """Who may decide: people with roles, segments, and how each door knows them."""


@inbox_people.command("add")
@click.argument("login")
@click.option("--role", required=True, help="csm or director, as the policy names them.")
@click.option("--name", help="Name as others see it. Default: the login.")
@click.option("--segment", "segments", multiple=True, help="Decides only for accounts of this segment; repeatable. Default: all.")
@click.option("--email", help="For messages and for who comes through a proxy.")
@click.option("--slack-user", "slack_user_id", help="Member id in Slack, U...")
@click.option("--os-user", help="User of this machine, for the command line.")
@click.option("--crm-user", "crm_user_id", help="User id in the CRM.")
@click.pass_obj
def inbox_people_add(state: dict[str, Any], /, login: str, role: str, name: str | None, segments: tuple[str, ...], **identities: str | None) -> None:
    """Add a person, or change one: role and segments are replaced, and their sessions end. A password is set by 'people password'."""
    from vim_pipelines.approvals.people import add_person, login_name
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.approvals.text import people_lines

    settings = _load(state)
    person = add_person(
        _store(state), policy_of(settings), login, name=name or login, role=role, segments=segments, by=login_name(), now=settings.now(),
        email=identities["email"], slack_user_id=identities["slack_user_id"], os_user=identities["os_user"], crm_user_id=identities["crm_user_id"],
    )  # fmt: skip
    click.echo("\n".join(people_lines([person])))


@inbox_people.command("list")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def inbox_people_list(state: dict[str, Any], as_json: bool) -> None:
    """Everybody who may decide, and who no longer may."""
    from vim_pipelines.approvals.people import list_people
    from vim_pipelines.approvals.text import as_json as plain
    from vim_pipelines.approvals.text import people_lines

    people = list_people(_store(state))
    click.echo(json.dumps([plain(person) for person in people], indent=2) if as_json else "\n".join(people_lines(people)))


@inbox_people.command("remove")
@click.argument("login")
@click.pass_obj
def inbox_people_remove(state: dict[str, Any], login: str) -> None:
    """Take somebody's rights and end their sessions; what they decided stays on record."""
    from vim_pipelines.approvals.people import deactivate

    deactivate(_store(state), login, now=_load(state).now())
    click.echo(f"{login} may not decide any more.")


@inbox_people.command("password")
@click.argument("login")
@click.pass_obj
def inbox_people_password(state: dict[str, Any], login: str) -> None:
    """Set a person's password for the inbox. It is asked for, never an argument: arguments stand in the shell's history and in the process list."""
    from vim_pipelines.approvals.people import set_password

    store = _store(state)
    password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    set_password(store, login, password, now=_load(state).now())
    click.echo(f"The password of {login} is set; sessions that were open are over.")


@inbox.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; other than this machine's only behind a proxy with TLS.")
@click.option("--port", type=click.IntRange(0, 65535), default=8321, show_default=True, help="Port; 0 takes a free one.")
@click.pass_obj
def inbox_serve(state: dict[str, Any], host: str, port: int) -> None:
    """Serve the inbox to browsers until interrupted."""
    from vim_pipelines.inbox.serve import serve

    serve(_load(state), _store(state), host=host, port=port, say=_say)


@main.group("write-back")
def write_back() -> None:
    """What approval writes to the CRM."""


@write_back.command("run")
@click.pass_obj
def write_back_run(state: dict[str, Any]) -> None:
    """Carry out every approved request now (the sensor does the same in Dagster), after finishing what a dead process left open."""
    from vim_pipelines.night import run_write_backs

    with _settings(state["overrides"]) as settings:
        lines, failures = run_write_backs(settings)
        click.echo("\n".join(lines) if lines or failures else "Nothing is approved and unwritten.")
        if failures:
            raise failures[0]


@write_back.command("list")
@click.option("--state", "states", multiple=True, help="Only writes in this state: planned, sending, unknown, verified, failed ...; repeatable.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def write_back_list(state: dict[str, Any], states: tuple[str, ...], as_json: bool) -> None:
    """List the writes: CRM, record, fields, state, and what no longer holds there."""
    from vim_pipelines.store.models import OUTBOX_STATES
    from vim_pipelines.writeback.text import outbox_json, outbox_lines

    unknown = sorted(set(states) - set(OUTBOX_STATES))
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}: a write is one of {', '.join(OUTBOX_STATES)}", param_hint="--state")
    store = _store(state)
    click.echo(json.dumps(outbox_json(store, states), indent=2) if as_json else "\n".join(outbox_lines(store, states)))


@write_back.command("show")
@click.argument("write_id")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def write_back_show(state: dict[str, Any], write_id: str, as_json: bool) -> None:
    """Show the writes of one request (req-...) or one write (out-...), field by field: before, sent, and as the CRM then showed it."""
    from vim_pipelines.writeback.text import find_writes, write_lines

    writes = find_writes(_store(state), write_id)
    click.echo(json.dumps(writes, indent=2, default=str) if as_json else "\n".join(line for entry in writes for line in write_lines(entry)))


@write_back.command("status")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def write_back_status(state: dict[str, Any], as_json: bool) -> None:
    """How mode and switch stand, which CRM is written to, and how many writes are in which state."""
    from vim_pipelines.night import write_back_status

    found = write_back_status(_load(state), _store(state))
    click.echo(json.dumps(found, indent=2, default=str) if as_json else "\n".join(f"{name:<12} {value}" for name, value in found.items()))


@write_back.command("reconcile")
@click.option("--drift/--no-drift", default=True, show_default=True, help="Read back what was verified before, too.")
@click.pass_obj
def write_back_reconcile(state: dict[str, Any], drift: bool) -> None:
    """Finish what a dead process left open, and find what no longer holds in the CRM. Content is reported, never written over."""
    from vim_pipelines.night import run_reconcile

    with _settings(state["overrides"]) as settings:
        lines = run_reconcile(settings, look_for_drift=drift).lines()
    click.echo("\n".join(lines) if lines else "Nothing was left open.")


@write_back.command("retry")
@click.argument("request_id")
@click.option("--note", required=True, help="What was put right. It stands in the record by your name.")
@click.option("--as", "acting_as", help="Act in this role; in the sandbox only.")
@click.pass_obj
def write_back_retry(state: dict[str, Any], request_id: str, note: str, acting_as: str | None) -> None:
    """Let a request whose write failed or met a conflict be carried out again; its approval stays as it was."""
    from vim_pipelines.approvals.deciding import retry
    from vim_pipelines.approvals.policy import policy_of

    settings = _load(state)
    request = retry(_store(state), request_id, person=_person(state, acting_as), note=note, now=settings.now(), policy=policy_of(settings))
    click.echo(f"{request.request_id} {request.account_name}, {request.document}: {request.state}. Next: vimotion write-back run")


@write_back.command("undo")
@click.argument("request_id")
@click.option("--note", help="Why.")
@click.option("--as", "acting_as", help="Act in this role; in the sandbox only.")
@click.pass_obj
def write_back_undo(state: dict[str, Any], request_id: str, note: str | None, acting_as: str | None) -> None:
    """Put back what one request changed."""
    from vim_pipelines.night import undo_write_back

    person = _person(state, acting_as)
    with _settings(state["overrides"]) as settings:
        click.echo("\n".join(undo_write_back(settings, request_id, person=person, note=note)))


@write_back.command("sign")
@click.option("--as", "acting_as", help="Act in this role; in the sandbox only.")
@click.pass_obj
def write_back_sign(state: dict[str, Any], acting_as: str | None) -> None:
    """Sign the standing approval for the project's own fields on the CRM's accounts (phase, band, score, waste)."""
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.writeback.mirror import sign_standing_approval
    from vim_pipelines.writeback.targets import target_name

    settings, person = _load(state), _person(state, acting_as)
    policy, crm = policy_of(settings), target_name(settings)
    sign_standing_approval(_store(state), policy, actor=person.name, role=person.role, now=settings.now(), target=crm)
    click.echo(f"{person.name} ({person.role}) allows writing {', '.join(policy.mirror.fields)} to {crm}. Next: vimotion write-back mirror")


@write_back.command("mirror")
@click.pass_obj
def write_back_mirror(state: dict[str, Any]) -> None:
    """Write phase, band, score and waste of the newest audit to the CRM's accounts, under the standing approval."""
    from vim_pipelines.night import run_mirror

    with _settings(state["overrides"]) as settings:
        report = run_mirror(settings)
    click.echo("\n".join(report.lines()))


@main.group()
def replan() -> None:
    """Drafts that were rejected or sent back."""


@replan.command("run")
@click.pass_obj
def replan_run(state: dict[str, Any]) -> None:
    """Draft again every request that was rejected or sent back (the sensor does the same in Dagster)."""
    from vim_pipelines.night import run_replans

    with _settings(state["overrides"]) as settings:
        lines = run_replans(settings)
        click.echo("\n".join(lines) if lines else "Nothing waits for a new draft.")


@main.group()
def batches() -> None:
    """Drafts that wait for a batch of language-model calls."""


@batches.command("collect")
@click.pass_obj
def batches_collect(state: dict[str, Any]) -> None:
    """Look at every open batch now, make drafts of what has ended and ask for approvals (the sensor does the same in Dagster)."""
    from vim_pipelines.night import run_collection

    with _settings(state["overrides"]) as settings:
        click.echo("\n".join(run_collection(settings).lines()))


@main.group("audit-trail")
def audit_trail() -> None:
    """The record of who decided what."""


@audit_trail.command("verify")
@click.pass_obj
def audit_trail_verify(state: dict[str, Any]) -> None:
    """Check the hash chain of all decisions; exit status 1 if any row was edited."""
    from vim_pipelines.approvals.events import verify_chain

    broken = verify_chain(_store(state))
    click.echo("\n".join(broken) if broken else "The chain of decisions is whole.")
    if broken:
        sys.exit(1)


# -- set-up ----------------------------------------------------------------------------------------------------------------


@main.group()
def portfolio() -> None:
    """Portfolio files."""


@portfolio.command("check")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--offline", is_flag=True, help="Check the file alone; ask no source.")
@click.option("--rows", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="Rows to sample of each object of a system.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the portfolio's files, instead of the one that the file names.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on standard output.")
@click.pass_context
def portfolio_check(context: click.Context, path: Path | None, offline: bool, rows: int, data_dir: Path | None, as_json: bool) -> None:
    """Check a portfolio file (default: VIMOTION_PORTFOLIO, else the sandbox's) and report every problem with its line.

    The file is checked against itself, against the fields that each source says it has, and against a sample of its rows.
    Exit status 2 if there is an error.
    """
    import shutil

    from vim_pipelines.portfolio.check import offline_report, report_lines
    from vim_pipelines.portfolio.file import portfolio_path, read_portfolio

    overrides = _for_portfolio(context.obj["overrides"], path) | ({"data_dir": data_dir} if data_dir else {})
    if offline:
        settings = _load({"overrides": overrides})
        file = path or portfolio_path(settings)
        report = offline_report(file, *read_portfolio(file, settings))
    else:
        from vim_pipelines.ingestion.probe import check_portfolio

        with _settings(overrides) as settings:
            file = path or portfolio_path(settings)
            report = check_portfolio(file, settings, settings.now(), rows=rows)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
    else:
        click.echo(
            "\n".join(
                report_lines(report, style=lambda text, colour: click.style(text, fg=colour), width=min(shutil.get_terminal_size((120, 24)).columns, 140))
            )
        )
    if not report.is_right:
        context.exit(2)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option(
    "--crm",
    type=click.Choice([*CRMS, "csv"]),
    default="salesforce",
    show_default=True,
    help="Where your accounts and contracts are.",
)
def init(folder: Path, crm: str) -> None:
    """Write a commented portfolio file, its schema and the names of its settings into FOLDER (default: here); overwrites nothing."""
    from vim_pipelines.portfolio.init import start_portfolio

    started = start_portfolio(folder, crm)
    for file in started.files:
        click.echo(f"made {file}")
    own = _own_name()
    click.echo(f"Next: correct the names in {started.files[0]} and fill in {started.folder / '.env'}, then")
    if started.folder != Path():
        click.echo(f"  cd {started.folder}")
    click.echo(f"  {own} portfolio check portfolio.yaml    every problem with its line")
    click.echo(f"  {own} doctor                            addresses, rights, limits")


@main.command()
@click.option("--portfolio", type=click.Path(path_type=Path), help="Portfolio file. Default: VIMOTION_PORTFOLIO, else the sandbox.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON on standard output.")
@click.option("--fix", is_flag=True, help="First make the fields and objects that write-back lacks in the CRM. Adds only; changes and deletes nothing.")
@click.pass_context
def doctor(context: click.Context, portfolio: Path | None, as_json: bool, fix: bool) -> None:
    """Is everything that a night needs there? Sources, rights, limits, clock, warehouse, store, dbt, disk; exit status 1 if something is red."""
    from vim_pipelines.doctor import examine, finding_lines, mend

    with _settings(_for_portfolio(context.obj["overrides"], portfolio)) as settings:
        for line in mend(settings) if fix else ():
            click.echo(line, err=as_json)
        findings = examine(settings)
    if as_json:
        click.echo(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        click.echo("\n".join(finding_lines(findings, style=lambda text, colour: click.style(text, fg=colour))))
    if any(finding.status == "fail" for finding in findings):
        context.exit(1)


@main.group()
def llm() -> None:
    """The language models: switch them off and on while the system runs, and see what they cost."""


def _turn(group: click.Group, switch: str, what: str, *, on: bool, summary: str, then: str) -> None:
    """A command `off` or `on` for a switch of the store. `what` is what it turns, `then` what follows."""
    name, verb = "on" if on else "off", "are" if what.endswith("s") else "is"

    @group.command(name, help=summary)
    @click.option("--note", required=True, help="Why. It stands in the record by your name.")
    @click.option("--as", "acting_as", help="Act in this role; in the sandbox only.")
    @click.pass_obj
    def command(state: dict[str, Any], note: str, acting_as: str | None) -> None:
        from vim_pipelines.approvals.policy import policy_of
        from vim_pipelines.core.errors import VimError
        from vim_pipelines.store import open_store
        from vim_pipelines.store.switches import read_switch, turn, why_not_on

        settings = _load(state)
        settings.home.mkdir(parents=True, exist_ok=True)  # whoever sets the system up may switch off before the first audit
        store = open_store(settings)
        person = _operator(state, acting_as)
        refused = why_not_on(read_switch(store, switch), person.role, policy_of(settings).rank) if on else None
        if refused is not None:
            raise VimError("VIM-E043", f"You may not turn {what} on", why=refused, fix="Ask somebody in that role")
        turn(store, switch, on=on, actor=person.name, role=person.role, note=note, now=settings.now())
        click.echo(f"{what[0].upper()}{what[1:]} {verb} {name}, by {person.name} ({person.role}). {then}")


_turn(
    llm, "llm", "the language models", on=False, summary="No language model is called from now on; the offline drafter writes.",
    then="Runs under way notice it before their next call.",
)  # fmt: skip
_turn(llm, "llm", "the language models", on=True, summary="Language models may be called again.", then="The next call may be made.")
_turn(
    write_back, "write_back", "write-back", on=False, summary="Nothing more is sent to the CRM from now on, by any process; what is approved stays so.",
    then="Runs under way notice it before their next send.",
)  # fmt: skip
_turn(write_back, "write_back", "write-back", on=True, summary="Write-back may send again.", then="Next: vimotion write-back run")


@llm.command("status")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def llm_status(state: dict[str, Any], as_json: bool) -> None:
    """How the switch stands, who turned it, and what the month has cost so far."""
    from vim_pipelines.reasoning.providers.status import read_status, status_lines

    settings = _load(state)
    status = read_status(settings, _store(state), settings.now())
    click.echo(json.dumps(status, indent=2, default=str) if as_json else "\n".join(status_lines(status)))


@llm.command("cost")
@click.option("--by", type=click.Choice(["document", "account", "night"]), default="document", show_default=True, help="What a line stands for.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def llm_cost(state: dict[str, Any], by: str, as_json: bool) -> None:
    """Calls, tokens and US dollars, with the cost of a draft and of an approved one, as of the last audit."""
    from vim_pipelines.reporting.llm_costs import llm_cost_lines, read_llm_costs

    rows = read_llm_costs(_load(state).published_dir, by)
    click.echo(json.dumps(rows, indent=2, default=str) if as_json else "\n".join(llm_cost_lines(rows, by)))


@main.group()
def sandbox() -> None:
    """The simulated customers and the emulators of their CRM and support desk."""


@sandbox.command("up", context_settings={"ignore_unknown_options": True})
@click.option("--crm", type=click.Choice(CRMS), help="The CRM to emulate (VIMOTION_SANDBOX_CRM).")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def sandbox_up(state: dict[str, Any], crm: str | None, command: tuple[str, ...]) -> None:
    """Serve the sandbox on loopback until interrupted, or while COMMAND runs with its addresses in the environment."""
    import subprocess

    from vim_pipelines.night import prepare_dagster_home
    from vim_pipelines.sandbox.night import environment

    with _settings(state["overrides"] | ({"sandbox_crm": crm} if crm else {}), serve=True) as settings:
        prepare_dagster_home(settings)
        variables = environment(settings)
        if command:
            sys.exit(subprocess.run([*command], env=os.environ | variables | {"DAGSTER_HOME": str(settings.dagster_home.resolve())}, check=False).returncode)
        for name, value in variables.items():
            click.echo(f"export {name}={value}")
        click.echo("Serving until you press Ctrl-C.", err=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)


@sandbox.command("advance")
@click.option("--days", type=click.IntRange(1, 14), default=1, show_default=True)
@click.pass_obj
def sandbox_advance(state: dict[str, Any], days: int) -> None:
    """Move the sandbox's clock on and reveal the next days of data."""
    from vim_pipelines.sandbox.simulator import advance

    now = advance(_load(state).sandbox_dir, days=days)
    click.echo(f"The sandbox's clock stands at {now:%Y-%m-%d %H:%M} UTC. Next: vimotion audit")


# -- shared ----------------------------------------------------------------------------------------------------------------


def _load(state: dict[str, Any]) -> Settings:
    from vim_pipelines.settings import load_settings

    return load_settings(**state["overrides"])


def _store(state: dict[str, Any]) -> Any:
    from vim_pipelines.store import open_store

    settings = _load(state)
    if settings.store_url is None and not (settings.home / "operations.db").is_file():
        from vim_pipelines.core.errors import VimError

        raise VimError("VIM-E024", f"No audit has run in {settings.home}", fix="Run vimotion audit first, or name the home folder with --home")
    return open_store(settings)


def _person(state: dict[str, Any], acting_as: str | None) -> Actor:
    from vim_pipelines.approvals.people import resolve_actor
    from vim_pipelines.approvals.policy import policy_of

    settings = _load(state)
    return resolve_actor(settings, _store(state), policy_of(settings), acting_as=acting_as)


def _operator(state: dict[str, Any], acting_as: str | None) -> Actor:
    """The person at the command line; who has no role but may run commands here is its operator."""
    from vim_pipelines.approvals.people import login_name, resolve_actor
    from vim_pipelines.approvals.policy import Actor, policy_of
    from vim_pipelines.core.errors import VimError
    from vim_pipelines.store import open_store

    settings = _load(state)
    try:
        return resolve_actor(settings, open_store(settings), policy_of(settings), acting_as=acting_as)
    except VimError:
        if acting_as is not None:
            raise
        return Actor(login_name(), "operator", "cli")


@contextmanager
def _settings(overrides: dict[str, Any], *, serve: bool = False) -> Iterator[Settings]:
    """Settings for a command that talks to the sources: in the sandbox the emulators run while the block does, unless they already do."""
    from vim_pipelines.settings import load_settings

    settings = load_settings(**overrides)
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        from vim_pipelines.core.errors import VimError

        raise VimError(
            "VIM-E002", f"The home folder {settings.home} cannot be made", why=error.strerror or "", fix="Name another with --home or VIMOTION_HOME"
        ) from None
    if settings.is_sandbox:
        from vim_pipelines.sandbox.night import is_served, serving

        if serve or not is_served(settings):
            with serving(settings) as served:
                yield served
            return
    yield settings


def _for_portfolio(overrides: dict[str, Any], path: Path | None) -> dict[str, Any]:
    """Overrides for a portfolio file that was named; the sandbox's own files are served by the sandbox."""
    from vim_pipelines.portfolio.file import sandbox_crm_of

    crm = sandbox_crm_of(path) if path else None
    named: dict[str, Any] = {"portfolio": None, "sandbox_crm": crm} if crm else {"portfolio": path} if path else {}
    return overrides | named


def _next_commands(settings: Settings, state: dict[str, Any]) -> list[str]:
    command = _own_name() + (f" --home {settings.home}" if state["overrides"].get("home") else "")
    account_key = "ACC-HEADLINE" if settings.is_sandbox else "KEY"
    commands = {
        f"{command} inbox list": "the drafts that wait for a decision",
        f"{command} account show {account_key}": "one account: money, signals, phase, risks",
        "make ui": "Dagster: runs, lineage, checks",
    }
    return [f"{line:<{max(map(len, commands))}}  {meaning}" for line, meaning in commands.items()]


def _own_name() -> str:
    """How the user can call this command again from where he stands."""
    import shutil

    called = Path(sys.argv[0]).absolute()
    if shutil.which("vimotion") == str(called) or called.suffix == ".py":
        return "vimotion"
    near = os.path.relpath(called)
    return str(called) if near.startswith("..") else near


def _say(text: str) -> None:
    click.echo(text, err=True)


def _cpu_seconds() -> float:
    import resource

    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main()
