"""The two pictures of the mail, drawn by vl-convert without a browser. Everything that they show stands in the text beside them too: most mail
programs show no picture until they are asked to."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from vim_pipelines.approvals.channels.mail import one_line
from vim_pipelines.core.money import format_money

if TYPE_CHECKING:
    from vim_pipelines.reporting.figures import NightFigures

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_BARS = 8
#: Ink and ground of a picture: it stands on white also in a dark mail program, which does not redraw it.
INK, GROUND = "#17212b", "#ffffff"


@dataclass(frozen=True)
class Picture:
    """A PNG with what it shows in words. `name` is unique in a mail."""

    name: str
    alt: str
    png: bytes


def pictures(night: NightFigures, scale: float) -> tuple[Picture, ...]:
    """Contract value by month of opt-out, and the accounts that waste most, drawn as the book draws them; none where no amount is known."""
    from vim_pipelines.reporting.book import charts

    found = []
    months, bars = by_month(night), most_waste(night)
    if months:
        alt = "Contract value a year by month of opt-out: " + "; ".join(f"{row['label']} {row['text']}" for row in months)
        found.append(
            Picture("opt-outs", alt, _png(charts.months(months, description=alt, title="Contract value a year", currency=night.currency or None), scale))
        )
    if bars:
        alt = "Waste a year of accounts with an opt-out within two quarters: " + "; ".join(f"{row['label']} {row['text']}" for row in bars)
        found.append(Picture("waste", alt, _png(charts.bars(bars, "Account", "Wasted a year", description=alt, currency=night.currency or None), scale)))
    return tuple(found)


def by_month(night: NightFigures) -> list[dict[str, Any]]:
    """Rows of `charts.months` from the Director's table; accounts whose value is not known are left out."""
    sums: dict[date, Decimal] = {}
    for line in night.renewals:
        if line.value_annual is not None:
            month = line.opt_out_date.replace(day=1)
            sums[month] = sums.get(month, Decimal(0)) + line.value_annual
    return [
        {"key": f"{month:%Y-%m}", "label": f"{month:%b %Y}", "value": float(amount), "text": format_money(amount, night.currency), "note": ""}
        for month, amount in sorted(sums.items())
    ]


def most_waste(night: NightFigures) -> list[dict[str, Any]]:
    """Rows of `charts.bars`: the accounts of the Director's table that waste most, the most first. Two of one name are told apart by their keys."""
    known = [line for line in night.renewals if line.waste_annual]
    known.sort(key=lambda line: (-float(line.waste_annual or 0), line.account_key))
    first = known[:MOST_BARS]
    names = [one_line(line.account_name, 32) for line in first]
    return [
        {
            "key": line.account_key,
            "label": name if names.count(name) == 1 else f"{name} {line.account_key}",
            "value": float(line.waste_annual or 0),
            "text": format_money(line.waste_annual, night.currency),
            "note": "",
        }
        for line, name in zip(first, names, strict=True)
    ]


def _png(chart: Any, scale: float) -> bytes:
    import vl_convert

    from vim_pipelines.reporting.book.charts import spec_of

    return pressed(vl_convert.vegalite_to_png(spec_of(chart, ink=INK, ground=GROUND), scale=scale))


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
