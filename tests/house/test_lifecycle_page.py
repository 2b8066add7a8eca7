"""The page of the lifecycle map is what the code writes, and the code does what the page says."""

from __future__ import annotations

import re
from pathlib import Path

from vim_pipelines.lifecycle.page import PAGE, diagram, page
from vim_pipelines.lifecycle.phases import load_map

REPOSITORY = Path(__file__).resolve().parents[2]
MAP = load_map()


def test_the_page_is_what_the_code_writes() -> None:
    assert (REPOSITORY / PAGE).read_text() == page(MAP), "run `make lifecycle-page`"


def test_every_requirement_stands_on_the_page_with_its_action() -> None:
    rows = [line for line in page(MAP).splitlines() if line.startswith("| ")]
    for requirement in MAP.requirements:
        row = next(row for row in rows if f"`{requirement.requirement_id}`" in row)
        assert requirement.action in row and f"`{requirement.document}`" in row and f"`{requirement.yields}`" in row


def test_the_diagram_draws_every_way_and_no_other() -> None:
    """Spine, re-entries, exception and overlays, each edge once; a state that is not declared would be drawn as a nameless box."""
    edges = re.findall(r"^ *(\S+) --> ([^:\s]+)", diagram(MAP), re.MULTILINE)
    spine = [(f"p{one}", f"p{other}") for one, other in zip(MAP.spine, MAP.spine[1:], strict=False)]
    back = [(f"p{number}", f"p{entry.to}") for entry in MAP.re_entries.values() for number in MAP.spine[MAP.spine.index(entry.start) :]]
    overlays = [
        (f"{region}_{one}", f"{region}_{other}")
        for region in ("orchestration", "observability", "risk")
        for one, other in (("clear", "open"), ("open", "clear"))
    ]
    starts = [("[*]", target) for target in ("p1", "spine", "orchestration_clear", "observability_clear", "risk_clear")]
    assert sorted(edges) == sorted([*spine, *back, *overlays, *starts, ("spine", "p11"), ("p11", "spine")])
    declared = set(re.findall(r'^ *state ".*" as (\S+)', diagram(MAP), re.MULTILINE)) | {"[*]"}
    assert {end for edge in edges for end in edge} <= declared
