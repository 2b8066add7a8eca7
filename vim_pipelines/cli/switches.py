"""The two switches that stop something while everything else goes on: `llm on|off`, `write-back on|off`."""

from __future__ import annotations

from typing import Any

import click

from vim_pipelines.cli.llm import llm
from vim_pipelines.cli.shared import operator_of, settings_of
from vim_pipelines.cli.write_back import write_back


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

        settings = settings_of(state)
        settings.home.mkdir(parents=True, exist_ok=True)  # whoever sets the system up may switch off before the first audit
        store = open_store(settings)
        person = operator_of(state, acting_as)
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
