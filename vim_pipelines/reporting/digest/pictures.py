"""The two pictures of the mail, drawn by vl-convert without a browser. Everything that they show stands in the text beside them too: most mail
programs show no picture until they are asked to."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from vim_pipelines.approvals.channels.mail import one_line

if TYPE_CHECKING:
    from vim_pipelines.reporting.figures import NightFigures

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: CSS pixels of a picture; a mail is at most 600 wide.
WIDTH, HEIGHT = 540, 130
BANDS = ("red", "yellow", "green", "unknown")
COLOURS = ("#a3262b", "#d9a441", "#4c9a6a", "#98a2ad")
MOST_BARS = 8


@dataclass(frozen=True)
class Picture:
    """A PNG with what it shows in words. `name` is unique in a mail."""

    name: str
    alt: str
    png: bytes


def pictures(night: NightFigures, scale: float) -> tuple[Picture, ...]:
    """Contract value by month of opt-out, and the accounts that waste most; none where no amount is known."""
    found = []
    months, bars = by_month(night), most_waste(night)
    if months:
        alt = f"Contract value by month of opt-out, by risk band, in {night.currency}"
        found.append(Picture("opt-outs", alt, _png(_months_spec(months, night.currency), scale)))
    if bars:
        alt = f"The accounts with an opt-out within two quarters that waste most, {night.currency} a year"
        found.append(Picture("waste", alt, _png(_bars_spec(bars, night.currency), scale)))
    return tuple(found)


def by_month(night: NightFigures) -> list[dict[str, Any]]:
    """Rows of month, band and amount of the Director's table; accounts whose value is not known are left out."""
    sums: dict[tuple[date, str], float] = {}
    for line in night.renewals:
        if line.value_annual is not None:
            key = line.opt_out_date.replace(day=1), line.risk_band if line.risk_band in BANDS else "unknown"
            sums[key] = sums.get(key, 0.0) + float(line.value_annual)
    return [{"month": f"{month:%Y-%m}", "band": band, "amount": amount} for (month, band), amount in sorted(sums.items())]


def most_waste(night: NightFigures) -> list[dict[str, Any]]:
    """The accounts of the Director's table that waste most, the most first."""
    known = [line for line in night.renewals if line.waste_annual]
    known.sort(key=lambda line: (-float(line.waste_annual or 0), line.account_key))
    return [{"account": one_line(line.account_name, 32), "key": line.account_key, "amount": float(line.waste_annual or 0)} for line in known[:MOST_BARS]]


def _months_spec(rows: list[dict[str, Any]], currency: str) -> Any:
    import altair as alt

    return (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("month:O", title=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("sum(amount):Q", title=f"{currency} a year", axis=alt.Axis(format="~s", tickCount=4)),
            color=alt.Color("band:N", title=None, scale=alt.Scale(domain=list(BANDS), range=list(COLOURS))),
        )
    )


def _bars_spec(rows: list[dict[str, Any]], currency: str) -> Any:
    import altair as alt

    return (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(color="#0b6b63")
        .encode(
            x=alt.X("amount:Q", title=f"wasted, {currency} a year", axis=alt.Axis(format="~s", tickCount=5)),
            y=alt.Y("key:N", title=None, sort=[row["key"] for row in rows], axis=alt.Axis(labelLimit=170, labelExpr=_names(rows))),
        )
    )


def _names(rows: list[dict[str, Any]]) -> str:
    """An expression that shows an account's name for its key: two accounts may have one name."""
    import json

    return f"{json.dumps({row['key']: row['account'] for row in rows})}[datum.value]"


def _png(chart: Any, scale: float) -> bytes:
    import vl_convert

    spec = chart.properties(width=WIDTH - 110, height=HEIGHT, background="white").configure_view(stroke=None).to_dict()
    return pressed(vl_convert.vegalite_to_png(spec, scale=scale))


def pressed(png: bytes) -> bytes:
    """The same picture in fewer bytes: vl-convert deflates for speed, and a mail has 100 kB (72 kB become 19 kB). Chunks as in the PNG specification."""
    chunks, at = [], len(SIGNATURE)
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        chunks.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + length]))
        at += 12 + length
    lines = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    packed = zlib.compress(lines, 9)
    kept = [(kind, data) for kind, data in chunks if kind not in (b"IDAT", b"IEND")]
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in [*kept, (b"IDAT", packed), (b"IEND", b"")])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
