"""The lifecycle map as a page for people, written by the code from the map itself: what it says is what is done, or a test fails.

`make lifecycle-page` writes it.
"""

from __future__ import annotations

from pathlib import Path

from vim_pipelines.lifecycle.overlays import REGIONS
from vim_pipelines.lifecycle.phases import MANUAL, LifecycleMap, Phase, Requirement, load_map

PAGE = Path("docs") / "reference" / "lifecycle.md"

#: A gate opens when every mandatory requirement of the phase is met or waived; the sections below say so.
GATE = "gate"
EVENTS = {"new_contract": "a new contract", "sponsor_left": "sponsor or champion left"}
HEADINGS = ("requirement", "evidence", "mandatory", "fresh for", "chased", "waived by", "action", "yields", "document")


def write(root: Path) -> Path:
    """Write the page below `root`, the checkout; returns its path."""
    path = root / PAGE
    path.write_text(page(load_map()), encoding="utf-8")
    return path


def page(lifecycle: LifecycleMap) -> str:
    """The whole page as Markdown; the diagram is Mermaid, which GitHub draws."""
    requirements = lifecycle.requirements
    manual = sum(requirement.rule == MANUAL for requirement in requirements)
    mandatory = sum(requirement.is_mandatory for requirement in requirements)
    parts = [
        "# The lifecycle map",
        f"Written by `make lifecycle-page` from `vim_pipelines/lifecycle/phases.yaml` ({lifecycle.rule_version}). How it works stands in "
        "[the explanation](../explanation/lifecycle.md).",
        f"{len(lifecycle.phases)} phases, {len(requirements)} requirements: {mandatory} hold an account in its phase, the others are chased and hold "
        f"nothing. {manual or 'None'} of them {'is' if manual < 2 else 'are'} left to a person alone; where no source is fed, a person may answer.",
        "```mermaid\n" + diagram(lifecycle) + "\n```",
        *(section(lifecycle, phase) for phase in lifecycle.phases.values()),
        words(lifecycle),
        re_entries(lifecycle),
        "## Actions and documents",
        f"Nothing but these is ever done: {', '.join(f'`{name}`' for name in lifecycle.actions)}.",
        f"Nothing but these is ever written: {', '.join(f'`{name}`' for name in lifecycle.documents)}.",
    ]
    return "\n\n".join(parts) + "\n"


def diagram(lifecycle: LifecycleMap) -> str:
    """The state chart as a Mermaid state diagram: the spine with its gates and re-entries, the exception, the overlays as concurrent regions."""
    spine, exception = [lifecycle.phases[number] for number in lifecycle.spine], lifecycle.exception
    lines = ["stateDiagram-v2", '    state "Spine" as spine {']
    lines += [f"        {_state(phase)}" for phase in spine]
    lines += [f"        [*] --> p{spine[0].number}"]
    lines += [f"        p{phase.number} --> p{phase.successor}: {GATE}" for phase in spine if phase.successor is not None]
    for entry in lifecycle.re_entries.values():
        starts = lifecycle.spine[lifecycle.spine.index(entry.start) :]
        lines += [f"        p{number} --> p{entry.to}: {EVENTS[entry.event]}" for number in starts]
    lines += ["    }", f"    {_state(exception)}", "    [*] --> spine: first assessment"]
    lines.append(f"    spine --> p{exception.number}: notice received, or a human call")
    lines.append(f"    p{exception.number} --> spine: won back, to phase {exception.successor}")
    overlays = [phase for phase in lifecycle.phases.values() if phase.kind == "overlay"]
    lines.append('    state "Always on" as overlays {')
    for place, phase in enumerate(overlays):
        region = REGIONS[phase.number]
        lines += ["        --"] if place else []
        lines += [
            f'        state "{phase.number} {phase.name}: clear" as {region}_clear',
            f'        state "{phase.number} {phase.name}: open" as {region}_open',
        ]
        lines += [
            f"        [*] --> {region}_clear",
            f"        {region}_clear --> {region}_open: something is open",
            f"        {region}_open --> {region}_clear: nothing is",
        ]
    return "\n".join([*lines, "    }"])


def _state(phase: Phase) -> str:
    return f'state "{phase.number} {phase.name}" as p{phase.number}'


def section(lifecycle: LifecycleMap, phase: Phase) -> str:
    """One phase: where it leads, and a row for each requirement."""
    if phase.kind == "spine":
        end = "It is the end of the spine." if phase.successor is None else f"Leads to {phase.successor} when every mandatory requirement is met or waived."
        kind = f"Spine. {end}"
    elif phase.kind == "overlay":
        kind = f"Overlay (region `{REGIONS[phase.number]}`): open or clear beside the spine, never ends, holds and moves nobody."
    else:
        kind = f"Exception (region `exception`): lies over the spine, entered on notice or a human call, left to {phase.successor} by win-back."
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(_row(lifecycle, requirement) for requirement in phase.requirements)]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"## {phase.number} {phase.name}\n\nGoal: {phase.goal}. {kind}\n\n{table}"


def _row(lifecycle: LifecycleMap, requirement: Requirement) -> tuple[str, ...]:
    action = lifecycle.action(requirement.requirement_id)
    values = f" ({', '.join(f'{name}: {_value(value)}' for name, value in requirement.values.items())})" if requirement.values else ""
    evidence = "answered by a person" if requirement.rule == MANUAL else f"`{requirement.rule}`{values}"
    fresh = f"{requirement.freshness_days} days" if requirement.freshness_days else ""
    return (
        f"{requirement.title} `{requirement.requirement_id}`", evidence, "yes" if requirement.is_mandatory else "", fresh, _words(action.who),
        requirement.waived_by, action.text, f"`{action.yields}`", f"`{action.document}`",
    )  # fmt: skip


def words(lifecycle: LifecycleMap) -> str:
    """Who may say what about an account."""
    said = {
        "phase": "set the phase on the spine (`vimotion account set-phase`)",
        "exception": "call churn handling, phase 11 (`vimotion account set-phase`)",
        "answer": "answer a requirement that no source answers (`vimotion account answer`)",
        "dispute": "dispute a fact (`vimotion account dispute`)",
        "snooze": "leave the account alone until a day (`vimotion account snooze`)",
    }
    rows = [f"| {said[name]} | {rule.by} | {f'{rule.days} days' if rule.days else ''} |" for name, rule in lifecycle.words.items()]
    head = "| word | lowest role | runs out after, where no end is said |\n| --- | --- | --- |\n| waive a requirement (`vimotion account waive`) | as its row says | |"
    return "## Words of persons\n\nEvery word has a name, a note and an end, and is taken back by a later word (`vimotion account withdraw`).\n\n" + "\n".join(
        [head, *rows]
    )


def re_entries(lifecycle: LifecycleMap) -> str:
    """What sends an account back."""
    lines = [
        f"- **{EVENTS[entry.event]}**: from phase {entry.start} on, back to phase {entry.to}; asked again there: {', '.join(f'`{name}`' for name in entry.asks_again)}"
        + (f", with proofs from {entry.days_before} days before the event on." if entry.days_before else ", with proofs from the event on.")
        for entry in lifecycle.re_entries.values()
    ]
    return "## Re-entries\n\nEach event sends an account back once. Want of data never does.\n\n" + "\n".join(lines)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} -> {item}" for key, item in value.items())
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
