"""`write-back`: what approval writes to the CRM."""

from __future__ import annotations

import json
from typing import Any

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import confirm, person_of, served_settings, settings_of, store_of


@main.group("write-back")
def write_back() -> None:
    """What approval writes to the CRM: run, list, undo."""


@write_back.command("run")
@click.option("--json", "as_json", is_flag=True, help="What was carried out, and what failed, as JSON on standard output.")
@click.pass_obj
def write_back_run(state: dict[str, Any], as_json: bool) -> None:
    """Carry out every approved request now (the sensor does the same in Dagster), after finishing what a dead process left open."""
    from vim_pipelines.night import run_write_backs

    with served_settings(state["overrides"]) as settings:
        done = run_write_backs(settings)
        click.echo(json.dumps(done.as_json(), indent=2) if as_json else "\n".join(done.lines()) or "Nothing is approved and unwritten.")
        if done.failures:
            raise done.failures[0]


@write_back.command("list")
@click.option("--state", "states", multiple=True, help="Only writes in this state: planned, sending, unknown, verified, failed ...; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="As JSON on standard output.")
@click.pass_obj
def write_back_list(state: dict[str, Any], states: tuple[str, ...], as_json: bool) -> None:
    """List the writes: CRM, record, fields, state, and what no longer holds there."""
    from vim_pipelines.store.models import OUTBOX_STATES
    from vim_pipelines.writeback.text import outbox_json, outbox_lines

    unknown = sorted(set(states) - set(OUTBOX_STATES))
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}: a write is one of {', '.join(OUTBOX_STATES)}", param_hint="--state")
    store = store_of(state)
    click.echo(json.dumps(outbox_json(store, states), indent=2) if as_json else "\n".join(outbox_lines(store, states)))


@write_back.command("show")
@click.argument("write_id")
@click.option("--json", "as_json", is_flag=True, help="As JSON on standard output.")
@click.pass_obj
def write_back_show(state: dict[str, Any], write_id: str, as_json: bool) -> None:
    """Show the writes of one request (req-...) or one write (out-...), field by field: before, sent, and as the CRM then showed it."""
    from vim_pipelines.writeback.text import find_writes, write_lines

    writes = find_writes(store_of(state), write_id)
    click.echo(json.dumps(writes, indent=2, default=str) if as_json else "\n".join(line for entry in writes for line in write_lines(entry)))


@write_back.command("status")
@click.option("--json", "as_json", is_flag=True, help="As JSON on standard output.")
@click.pass_obj
def write_back_status(state: dict[str, Any], as_json: bool) -> None:
    """How mode and switch stand, which CRM is written to, and how many writes are in which state."""
    from vim_pipelines.night import write_back_status

    settings = settings_of(state)
    found = write_back_status(settings, store_of(state))
    if as_json:
        click.echo(json.dumps(found, indent=2, default=str))
        return
    if settings.is_sandbox and settings.write_mode == "off":
        found["mode"] = "off; live on the sandbox's own CRM while a command serves it"
    click.echo("\n".join(f"{name:<12} {value}" for name, value in found.items()))


@write_back.command("reconcile")
@click.option("--drift/--no-drift", default=True, show_default=True, help="Read back what was verified before, too.")
@click.pass_obj
def write_back_reconcile(state: dict[str, Any], drift: bool) -> None:
    """Finish what a dead process left open, and find what no longer holds in the CRM. Content is reported, never written over."""
    from vim_pipelines.night import run_reconcile

    with served_settings(state["overrides"]) as settings:
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

    settings = settings_of(state)
    request = retry(store_of(state), request_id, person=person_of(state, acting_as), note=note, now=settings.now(), policy=policy_of(settings))
    click.echo(f"{request.request_id} {request.account_name}, {request.document}: {request.state}. Next: vimotion write-back run")


@write_back.command("undo")
@click.argument("request_id")
@click.option("--note", help="Why.")
@click.option("--as", "acting_as", help="Act in this role; in the sandbox only.")
@click.option("--yes", is_flag=True, help="Do not ask first.")
@click.option("--json", "as_json", is_flag=True, help="What was put back as JSON on standard output.")
@click.pass_obj
def write_back_undo(state: dict[str, Any], request_id: str, note: str | None, acting_as: str | None, yes: bool, as_json: bool) -> None:
    """Put back what one request changed in the CRM."""
    from vim_pipelines.approvals.text import as_json as plain
    from vim_pipelines.night import undo_write_back

    person = person_of(state, acting_as)
    if not settings_of(state).is_sandbox:
        confirm(f"Put back in the CRM what {request_id} changed?", yes=yes)
    with served_settings(state["overrides"]) as settings:
        report = undo_write_back(settings, request_id, person=person, note=note)
    click.echo(json.dumps(plain(report), indent=2) if as_json else "\n".join(report.lines()))


@write_back.command("sign")
@click.option("--as", "acting_as", help="Act in this role; in the sandbox only.")
@click.pass_obj
def write_back_sign(state: dict[str, Any], acting_as: str | None) -> None:
    """Sign the standing approval for the project's own fields on the CRM's accounts (phase, band, score, waste)."""
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.writeback.mirror import sign_standing_approval
    from vim_pipelines.writeback.targets import target_name

    settings, person = settings_of(state), person_of(state, acting_as)
    policy, crm = policy_of(settings), target_name(settings)
    sign_standing_approval(store_of(state), policy, actor=person.name, role=person.role, now=settings.now(), target=crm)
    click.echo(f"{person.name} ({person.role}) allows writing {', '.join(policy.mirror.fields)} to {crm}. Next: vimotion write-back mirror")


@write_back.command("mirror")
@click.pass_obj
def write_back_mirror(state: dict[str, Any]) -> None:
    """Write phase, band, score and waste of the newest audit to the CRM's accounts, under the standing approval."""
    from vim_pipelines.night import run_mirror

    with served_settings(state["overrides"]) as settings:
        report = run_mirror(settings)
    click.echo("\n".join(report.lines()))
