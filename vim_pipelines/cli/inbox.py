"""`inbox`: what waits for a decision, and who decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import person_of, say, settings_of, store_of


@main.group()
def inbox() -> None:
    """Drafts that wait for a person's decision."""


@inbox.command("list")
@click.option("--state", "states", multiple=True, help="Only requests in this state (default: pending).")
@click.option("--json", "as_json", is_flag=True, help="As JSON on standard output.")
@click.pass_obj
def inbox_list(state: dict[str, Any], states: tuple[str, ...], as_json: bool) -> None:
    """List approval requests, the most urgent first, and what a person must write."""
    from vim_pipelines.approvals.alerts import list_alerts
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.approvals.queue import list_requests, to_write
    from vim_pipelines.approvals.text import alert_lines, list_lines, request_json, to_write_lines
    from vim_pipelines.store.models import APPROVAL_STATES

    unknown = sorted(set(states) - set(APPROVAL_STATES))
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}: a request is one of {', '.join(APPROVAL_STATES)}", param_hint="--state")
    store, policy = store_of(state), policy_of(settings_of(state))
    requests = list_requests(store, states=states or ("pending",))
    by_hand, alerts = ([], []) if states else (to_write(store, policy=policy), list_alerts(store, is_open=True))
    lines = list_lines(requests, policy) + to_write_lines(by_hand, policy) + alert_lines(alerts)
    click.echo(json.dumps([request_json(item) for item in requests + by_hand], indent=2) if as_json else "\n".join(lines))


@inbox.command("show")
@click.argument("request_id")
@click.option("--facts", is_flag=True, help="The facts behind the text, with their source rows.")
@click.option("--json", "as_json", is_flag=True, help="As JSON on standard output.")
@click.pass_obj
def inbox_show(state: dict[str, Any], request_id: str, facts: bool, as_json: bool) -> None:
    """Show one request: the text, what approval will do, and the facts behind it."""
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.approvals.queue import show_request
    from vim_pipelines.approvals.text import request_json, request_lines

    request = show_request(store_of(state), request_id)
    click.echo(json.dumps(request_json(request), indent=2) if as_json else "\n".join(request_lines(request, policy_of(settings_of(state)), with_facts=facts)))


def _decision(name: str, decision: str, summary: str, *, note_needed: bool) -> None:
    @inbox.command(name, help=summary)
    @click.argument("request_id")
    @click.option("--note", required=False, help="Why. Needed." if note_needed else "Why.")
    @click.option("--version", type=int, help="The version that you read. Default: the newest; a stale one is refused.")
    @click.option("--as", "acting_as", help="Act in this role; in the sandbox only.")
    @click.option("--json", "as_json", is_flag=True, help="The request as it then stands, as JSON on standard output.")
    @click.pass_obj
    def command(state: dict[str, Any], request_id: str, note: str | None, version: int | None, acting_as: str | None, as_json: bool) -> None:
        from vim_pipelines.approvals.deciding import decide
        from vim_pipelines.approvals.policy import policy_of
        from vim_pipelines.approvals.queue import show_request
        from vim_pipelines.approvals.text import request_json

        settings = settings_of(state)
        store = store_of(state)
        person = person_of(state, acting_as)
        current = show_request(store, request_id)
        decided = decide(
            store, current.request_id, decision, person=person, version=version or current.version, note=note, now=settings.now(), policy=policy_of(settings)
        )
        is_first_of_two = decision == "approve" and decided.state == "pending"
        if as_json:
            click.echo(json.dumps(request_json(decided) | {"is_first_of_two": is_first_of_two}, indent=2))
            return
        click.echo(f"{decided.request_id} {decided.account_name}, {decided.document}: {decided.state} by {person.name} ({person.role})")
        if is_first_of_two:
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

    state, store = context.obj, store_of(context.obj)
    if path is None:
        click.echo(editable(store, request_id), nl=False)
        return
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise VimError("VIM-E121", f"The file {path} cannot be read", why=getattr(error, "strerror", None) or "It is not UTF-8", fix="Correct --file") from None
    settings, current = settings_of(state), show_request(store, request_id)
    report = edit(
        store, settings, current.request_id, text, person=person_of(state, acting_as), version=version or current.version, note=note, now=settings.now()
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

    settings, store, person = settings_of(state), store_of(state), person_of(state, acting_as)
    word, held = dispute_fact(store, request_id, fact, value, person=person, note=note, now=settings.now(), policy=policy_of(settings))
    until = f" until {word['expires_on']}" if word["expires_on"] else ""
    click.echo(
        f"{word['fact']} of {word['account_key']} is disputed by {person.name} ({person.role}){until}; taken out of the queue: {', '.join(held) or 'nothing'}"
    )


@inbox.command("alerts")
@click.option("--all", "show_all", is_flag=True, help="Those that were acknowledged, too.")
@click.option("--json", "as_json", is_flag=True, help="As JSON on standard output.")
@click.pass_obj
def inbox_alerts(state: dict[str, Any], show_all: bool, as_json: bool) -> None:
    """What directors were told at once, in full, the newest first."""
    from vim_pipelines.approvals.alerts import list_alerts
    from vim_pipelines.approvals.messages import alert_outcome
    from vim_pipelines.approvals.text import as_json as plain

    alerts = list_alerts(store_of(state), is_open=None if show_all else True)
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

    settings = settings_of(state)
    seen = acknowledge(store_of(state), alert_id, person=person_of(state, acting_as), note=note, now=settings.now(), policy=policy_of(settings))
    click.echo(f"{seen.alert_id} {seen.account_name}: {alert_outcome(seen)}")


@inbox.command("deliver")
@click.pass_obj
def inbox_deliver(state: dict[str, Any]) -> None:
    """Send what is to be told to people through Slack, mail and the other connected channels, 25 messages at a time."""
    from vim_pipelines.approvals.deliveries import channels_of
    from vim_pipelines.night import run_deliveries

    settings, store = settings_of(state), store_of(state)
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

    settings = settings_of(state)
    person = add_person(
        store_of(state), policy_of(settings), login, name=name or login, role=role, segments=segments, by=login_name(), now=settings.now(),
        email=identities["email"], slack_user_id=identities["slack_user_id"], os_user=identities["os_user"], crm_user_id=identities["crm_user_id"],
    )  # fmt: skip
    click.echo("\n".join(people_lines([person])))


@inbox_people.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON on standard output.")
@click.pass_obj
def inbox_people_list(state: dict[str, Any], as_json: bool) -> None:
    """Everybody who may decide, and who no longer may."""
    from vim_pipelines.approvals.people import list_people
    from vim_pipelines.approvals.text import as_json as plain
    from vim_pipelines.approvals.text import people_lines

    people = list_people(store_of(state))
    click.echo(json.dumps([plain(person) for person in people], indent=2) if as_json else "\n".join(people_lines(people)))


@inbox_people.command("remove")
@click.argument("login")
@click.pass_obj
def inbox_people_remove(state: dict[str, Any], login: str) -> None:
    """Take somebody's rights and end their sessions; what they decided stays on record."""
    from vim_pipelines.approvals.people import deactivate

    deactivate(store_of(state), login, now=settings_of(state).now())
    click.echo(f"{login} may not decide any more.")


@inbox_people.command("password")
@click.argument("login")
@click.pass_obj
def inbox_people_password(state: dict[str, Any], login: str) -> None:
    """Set a person's password for the inbox. It is asked for, never an argument: arguments stand in the shell's history and in the process list."""
    from vim_pipelines.approvals.people import set_password

    store = store_of(state)
    password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    set_password(store, login, password, now=settings_of(state).now())
    click.echo(f"The password of {login} is set; sessions that were open are over.")


@inbox.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; other than this machine's only behind a proxy with TLS.")
@click.option("--port", type=click.IntRange(0, 65535), default=8321, show_default=True, help="Port; 0 takes a free one.")
@click.pass_obj
def inbox_serve(state: dict[str, Any], host: str, port: int) -> None:
    """Serve the inbox to browsers until interrupted."""
    from vim_pipelines.inbox.serve import serve

    serve(settings_of(state), store_of(state), host=host, port=port, say=say)
