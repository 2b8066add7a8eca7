"""The charts, as functions of rows: one palette, one number format, the same for the pages and for pictures.

Colours are those of Okabe and Ito, darkened or lightened until each has a contrast of 3 to 1 or more on the light and on the dark ground, so
that one drawing serves both; text is drawn in the colour of the page. A band is told by its word as well, never by colour alone.
What is not known is left out of a bar and named in its tooltip: it is never drawn as 0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from vim_pipelines.core.money import money_sign

Rows = Sequence[dict[str, Any]]
BANDS = ("red", "yellow", "green", "unknown")
PALETTE = {"red": "#d1530a", "yellow": "#b07a00", "green": "#0b9470", "unknown": "#7a8691"}
ACCENT, SECOND = "#2b83c4", "#b8588f"
#: Width of the picture that stands in for the chart without scripts; with them it takes the width that there is.
WIDTH, BAR_STEP = 520, 26
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', Arial, sans-serif"
#: Days to the opt-out date that the plot of accounts shows: with the contracts of three years the near ones would be a smear at its edge.
PLOT_DAYS = 365
#: `pick`: the bar that was clicked. The page's script filters the table by it.
PICK = "pick"
#: Characters that no SVG can hold, as JSON writes them (or a backslash of the text itself). The converter does not refuse one: it ends the process,
#: and a NUL in one manager's name took the night with it.
NO_XML = re.compile(r"\\\\|\\u(?:00(?:0[0-8be-f]|1[0-9a-f])|fff[ef])|\\[bf]")


def amounts(currency: str | None) -> dict[str, str]:
    """How an axis prints its numbers: with the sign of `currency` as every amount has it, or bare where they are no money or its currency is unknown."""
    if currency is None:
        return {"format": ",.0f"}
    return {"labelExpr": f"{json.dumps(money_sign(currency), ensure_ascii=False)} + format(datum.value, ',.0f')"}


def bars(rows: Rows, field: str, title: str, *, description: str, colours: dict[str, str] | None = None, currency: str | None = None) -> Any:
    """Horizontal bars, one a row: `label` (what it is), `value` (a number), `text` (as it is printed), `note` (what is not in it). Clicking one picks it.

    `currency`: of the values, where they are money.
    """
    alt = _altair()
    # The order is that of the rows (`sort=None`). A list of labels would be compiled into an expression: a customer's words as code, and a line
    # separator (U+2028) in one name left the whole portfolio without a book.
    pick = alt.selection_point(name=PICK, fields=["key"], empty=True)
    scale = alt.Scale(domain=list(colours), range=list(colours.values())) if colours else None
    widest = max((float(row["value"]) for row in rows if row["value"] is not None), default=0.0) or 1.0
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=130, ticks=False, domain=False)),
        x=alt.X(
            "value:Q",
            title=title,
            scale=alt.Scale(domain=[0, widest * 1.6], nice=False),
            axis=alt.Axis(tickCount=4, grid=True, **amounts(currency)),
        ),
        tooltip=[alt.Tooltip("label:N", title=field), alt.Tooltip("text:N", title=title), alt.Tooltip("note:N", title="Of it")],
    )
    drawn = base.mark_bar(cornerRadiusEnd=3, cursor="pointer", height={"band": 0.72}).encode(
        color=alt.Color("key:N", scale=scale, legend=None) if scale else alt.value(ACCENT),
        opacity=alt.condition(pick, alt.value(1.0), alt.value(0.3)),
    )
    words = base.mark_text(align="left", dx=5, fontSize=12).encode(text="text:N")
    chart = alt.layer(drawn.add_params(pick), words)
    return chart.properties(width=WIDTH, height=max(len(rows), 1) * BAR_STEP, description=description)


def months(rows: Rows, *, description: str, title: str, currency: str | None) -> Any:
    """Columns by month (`key` 2026-07, `label` Jul 2026, `value` in `currency`, `text`, `note`). Clicking one picks it."""
    alt = _altair()
    pick = alt.selection_point(name=PICK, fields=["key"], empty=True)
    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_bar(cornerRadiusEnd=3, cursor="pointer", color=ACCENT)
        .encode(
            x=alt.X("label:N", sort=None, title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True, ticks=False)),
            y=alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=4, **amounts(currency))),
            opacity=alt.condition(pick, alt.value(1.0), alt.value(0.3)),
            tooltip=[alt.Tooltip("label:N", title="Opt-out in"), alt.Tooltip("text:N", title=title), alt.Tooltip("note:N", title="Of it")],
        )
        .add_params(pick)
    )
    return chart.properties(width=WIDTH, height=190, description=description)


def accounts_plot(rows: Rows, *, description: str, currency: str | None) -> Any:
    """A mark an account: days to its opt-out against its waste in `currency`, sized by contract value, shaped and coloured by band. A click opens its page (`href`)."""
    alt = _altair()
    most = max((float(row["waste"]) for row in rows), default=0.0) or 1000.0
    chart = (
        alt.Chart(alt.NamedData(name="accounts"))
        .mark_point(filled=True, opacity=0.8, cursor="pointer", strokeWidth=1)
        .encode(
            x=alt.X("days:Q", title="Days to the opt-out date", scale=alt.Scale(domain=[0, PLOT_DAYS], nice=False, padding=8), axis=alt.Axis(tickCount=6)),
            y=alt.Y("waste:Q", title="Wasted a year", scale=alt.Scale(type="symlog", constant=1000, domain=[0, 1.4 * most]), axis=alt.Axis(values=[0, 1000, 5000, 20000, 100000, 500000], **amounts(currency))),
            size=alt.Size("value:Q", legend=None, scale=alt.Scale(range=[25, 500])),
            color=alt.Color("band:N", scale=alt.Scale(domain=list(BANDS), range=list(PALETTE.values())), legend=alt.Legend(title=None, orient="top")),
            shape=alt.Shape("band:N", scale=alt.Scale(domain=list(BANDS), range=["square", "diamond", "circle", "triangle-up"]), legend=alt.Legend(title=None, orient="top")),
            href="href:N",
            tooltip=[
                alt.Tooltip("name:N", title="Account"), alt.Tooltip("csm:N", title="CSM"), alt.Tooltip("waste_text:N", title="Wasted a year"),
                alt.Tooltip("value_text:N", title="Contract value"), alt.Tooltip("days:Q", title="Days to opt-out"), alt.Tooltip("band:N", title="Risk"),
            ],
        )
    )  # fmt: skip
    return chart.properties(width=WIDTH, height=260, description=description, datasets={"accounts": list(rows)})


def nights(rows: Rows, *, title: str, description: str, colour: str = ACCENT, currency: str | None = None) -> Any:
    """A line over nights or weeks: `day` (ISO), `value` (None where it is not known: a gap; in `currency` where it is money), `text`."""
    alt = _altair()
    # With no date between them, a gap in the data is a gap in the line: an impute or a zero would invent a measurement.
    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_line(point={"filled": True, "size": 34, "color": colour}, strokeWidth=2, color=colour, invalid="break-paths-filter-domains")
        .encode(
            x=alt.X("day:T", title=None, axis=alt.Axis(format="%-d %b", tickCount=6, labelOverlap=True, grid=False)),
            y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=4, **amounts(currency))),
            tooltip=[alt.Tooltip("day:T", title="Day", format="%-d %b %Y"), alt.Tooltip("text:N", title=title)],
        )
    )
    return chart.properties(width=WIDTH, height=150, description=description)


#: The look that all charts share. `currentColor`: text takes the colour of the page, in both schemes.
LOOK: dict[str, Any] = {
    "background": "transparent", "font": FONT, "padding": 4,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "currentColor", "titleColor": "currentColor", "titleFontWeight": 500, "labelFontSize": 12, "titleFontSize": 12,
        "gridColor": "#7a8691", "gridOpacity": 0.25, "domainColor": "#7a8691", "tickColor": "#7a8691", "labelOpacity": 0.85,
    },
    "legend": {"labelColor": "currentColor", "titleColor": "currentColor", "labelFontSize": 12},
    "text": {"color": "currentColor"},
}  # fmt: skip


def _altair() -> Any:
    """Altair, imported when the first chart is drawn (1.2 s). Its own types do not know its shorthands."""
    import altair

    return altair


def spec_of(chart: Any, *, ink: str = "currentColor", ground: str = "transparent") -> dict[str, Any]:
    """The Vega-Lite of a chart. Data stand in the spec itself; nothing is fetched. `ink` and `ground`: for a picture that stands on no page."""
    # Altair numbers views over the life of the process: the same chart would be another text in the next book.
    text = NO_XML.sub(lambda found: found[0] if found[0] == r"\\" else r"\ufffd", json.dumps(chart.to_dict(validate=False)))
    for place, name in enumerate(dict.fromkeys(re.findall(r'"(view_\d+)"', text))):
        text = text.replace(f'"{name}"', f'"view-{place}"')
    spec: dict[str, Any] = json.loads(text)
    spec.pop("$schema", None)  # an address that nobody must fetch
    look = json.loads(json.dumps(LOOK).replace("currentColor", ink))
    return spec | {"config": look | {"background": ground}, "autosize": {"type": "fit-x", "contains": "padding"}}


def svg_of(chart: Any, name: str) -> str:
    """The chart as a picture, for those who run no scripts, for print and for the moment before the script. `name` keeps its ids apart on the page."""
    import vl_convert

    svg = _plain_svg(vl_convert.vegalite_to_svg(spec_of(chart)))
    # Numbered over the life of the process, too.
    for place, made in enumerate(dict.fromkeys(re.findall(r'id="(clip\d+)"', svg))):
        svg = svg.replace(f'id="{made}"', f'id="{name}-{place}"').replace(f"url(#{made})", f"url(#{name}-{place})")
    return svg


def _plain_svg(svg: str) -> str:
    """As wide as its place. Marks that are links lose them: the table beside the chart has the same links."""
    svg = re.sub(r'^<svg ([^>]*?)width="\d+(?:\.\d+)?" height="\d+(?:\.\d+)?"', r"<svg \1", svg, count=1)
    return re.sub(r"</?a\b[^>]*>", "", svg)
