"""The drawings of the documentation, made by code: what is in a folder or a map and not in its picture is a picture that lies.

Plain SVG with its own colours for light and dark (a media query inside), so that it needs no script, no font and no other host.
`make reference` writes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"

STYLE = """
svg { background: #ffffff }
text { font-family: system-ui, 'Segoe UI', Roboto, sans-serif; font-size: 14px; fill: #1d2733 }
.small { font-size: 12px; fill: #4c5a69 }
.title { font-size: 13px; font-weight: 600; fill: #35506b; letter-spacing: .02em }
.box { fill: #f3f6f9; stroke: #7b8da0; stroke-width: 1.2 }
.person { fill: #fff3dc; stroke: #b07d1e }
.store { fill: #e6f1ea; stroke: #4d8a66 }
.outside { fill: #ffffff; stroke: #7b8da0; stroke-dasharray: 5 4 }
.band { fill: #fafbfd; stroke: #c5d0db }
.line { fill: none; stroke: #4c5a69; stroke-width: 1.4; marker-end: url(#tip) }
.tip { fill: #4c5a69 }
@media (prefers-color-scheme: dark) {
  svg { background: #14191f }
  text { fill: #e6ebf0 }
  .small { fill: #a9b6c3 }
  .title { fill: #9cc0e4 }
  .box { fill: #1f2832; stroke: #6f8295 }
  .person { fill: #3a2f18; stroke: #c99a3d }
  .store { fill: #1b3226; stroke: #5fa37c }
  .outside { fill: #14191f; stroke: #6f8295 }
  .band { fill: #181f27; stroke: #37444f }
  .line { stroke: #a9b6c3 }
  .tip { fill: #a9b6c3 }
}
"""


@dataclass(frozen=True)
class Box:
    """A box with a name and up to two small lines; `kind` is its class in the style."""

    x: int
    y: int
    width: int
    height: int
    name: str
    lines: Sequence[str] = ()
    kind: str = "box"

    def drawn(self) -> str:
        middle = self.x + self.width // 2
        first = self.y + self.height // 2 + 5 - 8 * len(self.lines)
        words = [f'<text x="{middle}" y="{first}" text-anchor="middle">{escape(self.name)}</text>']
        words += [
            f'<text class="small" x="{middle}" y="{first + 17 * (place + 1)}" text-anchor="middle">{escape(line)}</text>'
            for place, line in enumerate(self.lines)
        ]
        return f'<rect class="box {self.kind}" x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" rx="6"/>' + "".join(words)


def svg(width: int, height: int, title: str, told: str, parts: Iterable[str]) -> str:
    """A whole drawing; `told` is what a screen reader says."""
    tip = '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path class="tip" d="M0 0 8 4 0 8z"/></marker>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="t d">'
    return "\n".join(
        [head, f'<title id="t">{escape(title)}</title><desc id="d">{escape(told)}</desc>', f"<style>{STYLE}</style><defs>{tip}</defs>", *parts, "</svg>", ""]
    )


def line(*points: tuple[int, int]) -> str:
    return f'<polyline class="line" points="{" ".join(f"{x},{y}" for x, y in points)}"/>'


def band(x: int, y: int, width: int, height: int, title: str) -> str:
    return f'<rect class="band" x="{x}" y="{y}" width="{width}" height="{height}" rx="10"/><text class="title" x="{x + 14}" y="{y + 22}">{escape(title)}</text>'


def architecture() -> str:
    """Sources, the night, the two stores, the people, and the way back to the CRM."""
    night = [
        ("Raw versions", ("append-only,", "as of each day")),
        ("Quality gates", ("Great Expectations;", "hold or stop")),
        ("Measures", ("dbt: seats, use,", "tickets, money")),
        ("Signals", ("Muda, Mura, Muri;", "risks, score")),
        ("Lifecycle", ("11 phases,", "requirements")),
        ("Marts", ("contracts, tests,", "descriptions")),
    ]
    drafts = [
        ("Alerts", ("by rule,", "at once")),
        ("Fact sheets", ("facts with their", "source rows")),
        ("Drafts", ("slots, no digits;", "key = hash of facts")),
        ("Gates", ("numbers, risks,", "promises")),
    ]
    parts = [band(190, 30, 860, 300, "THE NIGHT: one Dagster job over as-of dates")]
    sources = [
        ("CRM", ("Salesforce, HubSpot,", "Planhat, Sheets")),
        ("Support desk", ("Zendesk, files",)),
        ("Telemetry", ("files, tables,", "Segment, PostHog")),
        ("Contracts, rates", ("CSV, Parquet",)),
    ]
    boxes = [Box(20, 60 + 68 * place, 140, 58, name, lines, "outside") for place, (name, lines) in enumerate(sources)]
    boxes += [Box(210 + 140 * place, 70, 120, 84, name, lines) for place, (name, lines) in enumerate(night)]
    boxes += [Box(350 + 140 * place, 214, 120, 84, name, lines) for place, (name, lines) in enumerate(drafts)]
    boxes.append(Box(910, 214, 120, 84, "Requests", ("text + facts +", "actions, hashed")))
    boxes.append(Box(210, 214, 120, 84, "Published copy", ("swapped whole;", "readers never wait")))
    boxes += [
        Box(1090, 70, 170, 84, "Language model", ("Claude, OpenAI; or the", "offline drafter: no key"), "outside"),
        Box(1090, 214, 170, 84, "A person decides", ("inbox, Slack, CRM task,", "command line"), "person"),
        Box(1090, 372, 170, 84, "Write-back", ("difference, outbox, send,", "read back, undo")),
        Box(620, 372, 400, 84, "Operations store", ("SQLite or PostgreSQL: drafts, requests, decisions,", "outbox, costs, a hash chain of events"), "store"),
        Box(190, 372, 400, 84, "Warehouse", ("DuckDB file or Snowflake: raw, base,", "computed, marts; a mirror of the store"), "store"),
        Box(190, 500, 190, 62, "Portfolio book", ("static pages, links to rows",)),
        Box(400, 500, 190, 62, "BI", ("DuckDB, Parquet, Snowflake",)),
        Box(610, 500, 190, 62, "Mail, Slack digest", ("the same figures",)),
        Box(820, 500, 200, 62, "Dagster", ("runs, lineage, checks",)),
    ]
    parts += [line((160, 89 + 68 * place), (176, 89 + 68 * place), (176, 112), (208, 112)) for place in range(4)]
    parts += [line((330 + 140 * place, 112), (348 + 140 * place, 112)) for place in range(5)]
    parts += [line((970, 154), (970, 184), (410, 184), (410, 212)), line((410, 184), (270, 184), (270, 212)), line((550, 184), (550, 212))]
    parts += [line((470 + 140 * place, 256), (488 + 140 * place, 256)) for place in range(1, 4)]
    parts += [line((1088, 112), (1068, 112), (1068, 196), (690, 196), (690, 212))]
    parts += [line((1030, 256), (1088, 256)), line((1175, 298), (1175, 370)), line((1088, 414), (1022, 414))]
    parts += [line((390, 330), (390, 370)), line((820, 330), (820, 370))]
    parts += [line((1175, 456), (1175, 590), (8, 590), (8, 89), (18, 89))]
    parts += [
        line((270, 298), (270, 345), (178, 345), (178, 478), (285, 478), (285, 498)),
        line((285, 478), (495, 478), (495, 498)),
        line((495, 478), (705, 478), (705, 498)),
    ]
    parts.append('<text class="small" x="600" y="608" text-anchor="middle">what was approved, and nothing else, goes back to the CRM</text>')
    return svg(
        1280, 620, "How Value-in-Motion is built",
        "Sources are read into append-only raw versions, checked, measured, judged, placed in the lifecycle and published as marts. From the marts come fact "
        "sheets, drafts by a language model or the offline drafter, gates, and requests. A person decides; write-back carries out what was approved in the CRM. "
        "Two stores: the warehouse and the operations store. Book, BI and digest read the published copy.",
        [*parts, *(box.drawn() for box in boxes)],
    )  # fmt: skip


def lifecycle() -> str:
    """The phases of the map: the spine from left to right, the overlays over it, phase 11 under it; re-entries as lines back."""
    from vim_pipelines.lifecycle.phases import load_map

    chart = load_map()
    spine = [chart.phases[number] for number in chart.spine]
    overlays = [phase for phase in chart.phases.values() if phase.kind == "overlay"]
    width = 40 + 160 * len(spine)
    parts, boxes = [band(20, 20, width - 40, 92, "ALWAYS ON: open or clear, moves nobody")], []
    step = (width - 80) // len(overlays)
    boxes += [Box(40 + step * place, 50, step - 20, 46, f"{phase.number} {phase.name}") for place, phase in enumerate(overlays)]
    parts.append(band(20, 130, width - 40, 130, "SPINE: a gate opens when every mandatory requirement is met or waived"))
    places = {phase.number: 40 + 160 * place for place, phase in enumerate(spine)}
    for phase in spine:
        words = phase.name.split()
        half = (len(words) + 1) // 2
        boxes.append(Box(places[phase.number], 172, 130, 66, f"{phase.number} {' '.join(words[:half])}", (" ".join(words[half:]),) if words[half:] else ()))
        if phase.successor in places:
            parts.append(line((places[phase.number] + 130, 205), (places[phase.successor] - 2, 205)))
    told = {"new_contract": "a new contract", "sponsor_left": "sponsor or champion left"}
    for place, entry in enumerate(chart.re_entries.values()):
        low, last = 284 + 28 * place, places[spine[-1].number] + 65 + 14 * place
        parts.append(line((last, 238), (last, low), (places[entry.to] + 45 + 24 * place, low), (places[entry.to] + 45 + 24 * place, 240)))
        parts.append(
            f'<text class="small" x="{width // 2}" y="{low - 6}" text-anchor="middle">{escape(told.get(entry.event, entry.event))}: back to phase {entry.to}</text>'
        )
    bottom = 300 + 28 * len(chart.re_entries)
    exception = chart.exception
    boxes.append(Box(width // 2 - 150, bottom, 300, 56, f"{exception.number} {exception.name}", ("notice received, or a person calls it",), "person"))
    parts.append(line((width - 60, 260), (width - 60, bottom + 28), (width // 2 + 152, bottom + 28)))
    parts.append(line((width // 2 - 150, bottom + 28), (56, bottom + 28), (56, 240)))
    parts.append(f'<text class="small" x="{width // 4}" y="{bottom + 22}" text-anchor="middle">won back: to phase {exception.successor}</text>')
    names = ", ".join(f"{phase.number} {phase.name}" for phase in spine)
    return svg(
        width,
        bottom + 76,
        "The lifecycle",
        f"Spine: {names}. Overlays: {', '.join(phase.name for phase in overlays)}. Exception: {exception.name}.",
        [*parts, *(box.drawn() for box in boxes)],
    )


PICTURES = {"architecture.svg": architecture, "lifecycle.svg": lifecycle}


def main() -> None:
    for name, drawing in PICTURES.items():
        (FOLDER / name).write_text(drawing(), encoding="utf-8")


if __name__ == "__main__":
    main()
