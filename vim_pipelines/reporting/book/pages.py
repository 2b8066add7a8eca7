"""The pages of the book: `render_book` turns what was read into texts by path. Pure: the same data give the same bytes, no clock is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from vim_pipelines.core.money import format_money
from vim_pipelines.reporting.book import charts
from vim_pipelines.reporting.book.marks import line_picture
from vim_pipelines.reporting.book.read import PARTS, TREND_WEEKS, Account, BookData, slug
from vim_pipelines.reporting.book.tables import static_table
from vim_pipelines.reporting.figures import DAYS_AHEAD, Figure, figure_sql, in_one_currency

FOLDER = Path(__file__).parent
#: Accounts in one table or plot; beyond it the gravest, and everyone on the page of his manager. 2,000 rows are 1 MB of page.
MOST_ACCOUNTS = 2000
#: Rows behind a figure that its page lists; the query beside them gives all.
MOST_ROWS = 1000
HEADLINES = ("waste_annual", "unused_value_annual", "arr_at_risk", "opt_out_value", "accounts_red", "accounts_yellow", "accounts_unknown", "tickets_open")
#: Columns of a page of rows that are amounts in the portfolio's currency.
MONEY_PARTS = frozenset({"waste_annual", "unused_value_annual", "arr_at_risk", "opt_out_value"})
BAND_PLACE = {band: place for place, band in enumerate(charts.BANDS)}


@dataclass(frozen=True)
class Page:
    """One file of the book. `segment` is whose account it shows; None for pages that show more than one account."""

    path: str
    text: str
    segment: str | None = None
    account_name: str | None = None


@dataclass(frozen=True)
class Drawn:
    """A chart as the template needs it: the picture, and the spec that the script draws in its place."""

    id: str
    title: str
    description: str
    svg: Markup
    spec: Markup
    #: Attribute of the table's rows that a click filters by; empty for charts that filter nothing.
    filters: str = ""
    note: str = ""


def environment() -> Environment:
    """Templates with escaping on for everything."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"), autoescape=select_autoescape(default=True, default_for_string=True), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    made.filters.update(money=format_money, day=show_day, number=show_number, share=show_share, words=lambda text: str(text or "").replace("_", " "))
    made.globals.update(phase_of=phase_of, slug=slug, sql_of=sql_of, sql_text=sql_text, days_ahead=DAYS_AHEAD)
    return made


def show_day(value: date | datetime | str | None) -> str:
    """`28 Jun 2026`; 'unknown' for None."""
    if value is None or value == "":
        return "unknown"
    day = date.fromisoformat(value[:10]) if isinstance(value, str) else value
    return f"{day.day} {day:%b %Y}"


def show_number(value: float | int | Decimal | None, digits: int = 0) -> str:
    """`1,234`, `12.5`; 'unknown' for None."""
    return "unknown" if value is None else f"{value:,.{digits}f}"


def show_share(value: float | None) -> str:
    """`25 %`; 'unknown' for None."""
    return "unknown" if value is None else f"{value:.0%}".replace("%", " %")


def as_json(value: Any) -> Markup:
    """JSON that may stand inside a script element: nothing in it can end the element or begin a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, default=_json_value)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


def _json_value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def sql_of(mart: str, night: date, account_key: str | None = None) -> str:
    """The query that a reader copies to see the rows of a part of a page."""
    own = f" and account_key = {sql_text(account_key)}" if account_key is not None else ""
    return f"select * from marts.{mart} where as_of_date = date '{night.isoformat()}'{own}"


def sql_text(text: str) -> str:
    """A literal that DuckDB and Snowflake read alike. A backslash stands by its number: on Snowflake it begins an escape, and a key that ends in one
    would let what follows out of the quotes of a query that people copy."""
    return " || chr(92) || ".join("'" + part.replace("'", "''") + "'" for part in text.split("\\"))


def render_book(data: BookData, figure_rows: Callable[[str], Sequence[Mapping[str, Any]]], *, inbox_url: str = "") -> Iterator[Page]:
    """Every page. `figure_rows` runs one query (`figure_sql`) and gives its rows; it is called once for each figure."""
    templates = environment()
    shared = {"night": data.night, "currency": data.figures.currency or None, "inbox_url": inbox_url.rstrip("/"), "figures": data.figures, "data": data}

    def page(template: str, path: str, *, account: Account | None = None, **values: Any) -> Page:
        up = "../" * path.count("/")
        text = templates.get_template(template).render(path=path, up=up, **(shared | values))
        return Page(path, text, account.signals["segment"] if account else None, account.name if account else None)

    yield page("portfolio.html", "index.html", **portfolio_values(data))
    yield page("renewals.html", "renewals.html", **renewals_values(data))
    yield page("quality.html", "quality.html", tables=quality_tables(data))
    yield page("cost.html", "cost.html", **cost_values(data))
    yield page("effects.html", "effects.html", **effects_values(data))
    for figure in data.figures.figures:
        query = figure_sql(figure.id, data.night)
        yield page("rows.html", f"rows/{figure.id}.html", **rows_values(data, figure, query, figure_rows(query)))
    for csm, accounts in data.by_csm.items():
        yield page("csm.html", f"csm/{slug(csm)}.html", **csm_values(data, csm, accounts))
    trend = _trend_template()
    for account in data.accounts:
        yield page("account.html", account.page, account=account, **account_values(data, account, trend))


def drawn(id: str, title: str, chart: Any, *, filters: str = "", note: str = "") -> Drawn:
    """A chart with its picture and its spec."""
    spec = charts.spec_of(chart) | {"width": "container"}
    return Drawn(id, title, str(spec.get("description", "")), Markup(charts.svg_of(chart, id)), as_json(spec), filters, note)


# --- portfolio


def portfolio_values(data: BookData) -> dict[str, Any]:
    """The first page: headline figures, charts that filter, what changed, and the accounts."""
    currency = data.figures.currency or None
    pictures = [
        drawn("by-csm", "Waste by CSM", _waste_bars(data, "CSM", lambda one: one.csm), filters="csm"),
        drawn("accounts-plot", "Where the money is: days to opt-out against waste", accounts_chart(data.accounts, currency), note=_plot_note(data.accounts)),
        drawn("by-segment", "Waste by segment", _waste_bars(data, "Segment", lambda one: one.segment), filters="segment"),
        drawn("by-band", "Accounts by risk band", _band_bars(data), filters="band"),
        drawn("by-phase", "Accounts by phase", _phase_bars(data), filters="phase"),
        drawn("by-month", "Contract value by opt-out month", _month_bars(data), filters="month"),
    ]
    if len(data.history) > 1:
        pictures.append(
            drawn(
                "trend-waste",
                "Waste a year, night by night",
                charts.nights(
                    [
                        {
                            "day": row["as_of_date"].isoformat(),
                            "value": _float(in_one_currency(row, currency)),
                            "text": format_money(row["waste_annual"], row["portfolio_currency"]),
                        }
                        for row in data.history
                    ],
                    title=f"Wasted a year, {currency or 'currency unknown'}",
                    currency=currency,
                    description=_trend_words(
                        "Waste a year", [(row["as_of_date"], format_money(row["waste_annual"], row["portfolio_currency"])) for row in data.history]
                    ),
                ),
            )
        )
        pictures.append(
            drawn(
                "trend-red",
                "Red accounts, night by night",
                charts.nights(
                    [{"day": row["as_of_date"].isoformat(), "value": row["accounts_red"], "text": show_number(row["accounts_red"])} for row in data.history],
                    title="Red accounts",
                    colour=charts.PALETTE["red"],
                    description=_trend_words("Red accounts", [(row["as_of_date"], show_number(row["accounts_red"])) for row in data.history]),
                ),  # fmt: skip
            )
        )
    return {
        "headlines": [data.figures.figure(name) for name in HEADLINES],
        "charts": pictures,
        "accounts": gravest(data.accounts),
        "left_out": max(len(data.accounts) - MOST_ACCOUNTS, 0),
        "rest": [figure for figure in data.figures.figures if figure.id not in HEADLINES],
        "months": {account.key: opt_out_months(account) for account in data.accounts},
    }


def gravest(accounts: Iterable[Account], most: int = MOST_ACCOUNTS) -> list[Account]:
    """Red before yellow before green, then by the waste, an unknown one last; at most so many."""
    return sorted(accounts, key=lambda one: (BAND_PLACE.get(one.band, 9), -(_float(one.signals["waste_annual"]) or -1.0), one.key))[:most]


def _waste_bars(data: BookData, field: str, group_of: Callable[[Account], str]) -> Any:
    currency = data.figures.currency or None
    rows = sum_by(data.accounts, group_of, currency)
    words = f"Waste a year by {field}: " + "; ".join(f"{row['label']} {row['text']}" for row in rows)
    return charts.bars(rows, field, f"Wasted a year, {currency or 'currency unknown'}", description=words, currency=currency)


def sum_by(accounts: Iterable[Account], group_of: Callable[[Account], str], currency: str | None) -> list[dict[str, Any]]:
    """Waste by group, the largest first. A group of which nothing is known has no bar: it is named `unknown`, not 0."""
    groups: dict[str, list[Decimal | None]] = {}
    for account in accounts:
        groups.setdefault(group_of(account), []).append(account.signals["waste_annual"])
    rows = []
    for key, amounts in groups.items():
        known = [amount for amount in amounts if amount is not None]
        total = sum(known, Decimal(0)) if known else None
        missing = len(amounts) - len(known)
        rows.append(
            {"key": key, "label": key.replace("_", " "), "value": _float(total), "text": format_money(total, currency), "note": _of_it(len(amounts), missing)}
        )
    return sorted(rows, key=lambda row: (-(row["value"] if row["value"] is not None else -1.0), row["key"]))


def _of_it(count: int, missing: int) -> str:
    return f"{count:,} account{'' if count == 1 else 's'}" + (f", {missing:,} of them unknown and not in it" if missing else "")


def _band_bars(data: BookData) -> Any:
    counts = {band: sum(account.band == band for account in data.accounts) for band in charts.BANDS}
    rows = [{"key": band, "label": band, "value": count, "text": show_number(count), "note": ""} for band, count in counts.items()]
    words = "Accounts by risk band: " + ", ".join(f"{band} {count}" for band, count in counts.items())
    return charts.bars(rows, "Risk band", "Accounts", description=words, colours=charts.PALETTE)


def _phase_bars(data: BookData) -> Any:
    counts: dict[tuple[int, str], int] = {}
    for account in data.accounts:
        state = account.one("state")
        where = (int(state["phase"]) if state and state["phase"] is not None else 99, phase_of(account))
        counts[where] = counts.get(where, 0) + 1
    rows = [{"key": name, "label": name, "value": count, "text": show_number(count), "note": ""} for (_, name), count in sorted(counts.items())]
    return charts.bars(rows, "Phase", "Accounts", description="Accounts by phase: " + ", ".join(f"{row['label']} {row['text']}" for row in rows))


def phase_of(account: Account) -> str:
    """The name of the account's phase, `unknown` without one."""
    return str(account.one("state").get("phase_name") or "unknown")


def _month_bars(data: BookData) -> Any:
    currency = data.figures.currency or None
    groups: dict[str, list[Decimal | None]] = {}
    for account in data.accounts:
        for line in account.parts["renewals"]:
            if _is_ahead(line):
                groups.setdefault(f"{line['opt_out_date']:%Y-%m}", []).append(line["line_value_annual_portfolio"])
    rows = []
    for key, amounts in sorted(groups.items()):
        known = [amount for amount in amounts if amount is not None]
        total = sum(known, Decimal(0)) if known else None
        missing = len(amounts) - len(known)
        note = f"{len(amounts):,} contract line{'' if len(amounts) == 1 else 's'}" + (f", {missing:,} of unknown value and not in it" if missing else "")
        rows.append(
            {"key": key, "label": f"{date.fromisoformat(key + '-01'):%b %Y}", "value": _float(total), "text": format_money(total, currency), "note": note}
        )
    words = "Contract value a year by the month of its opt-out date, two quarters ahead: " + "; ".join(f"{row['label']} {row['text']}" for row in rows)
    return charts.months(rows, description=words, title="Contract value a year", currency=currency)


def _is_ahead(line: Mapping[str, Any]) -> bool:
    return line["days_to_opt_out"] is not None and 0 <= line["days_to_opt_out"] <= DAYS_AHEAD


def opt_out_months(account: Account) -> str:
    """Months in which contract lines of the account can be opted out of, two quarters ahead, with spaces between."""
    return " ".join(sorted({f"{line['opt_out_date']:%Y-%m}" for line in account.parts["renewals"] if _is_ahead(line)}))


def accounts_chart(accounts: Iterable[Account], currency: str | None, *, up: str = "") -> Any:
    """The plot of accounts; those without a known waste or opt-out date have no place in it."""
    rows = []
    for account in gravest(accounts):
        signals = account.signals
        if signals["waste_annual"] is None or signals["days_to_opt_out"] is None or not 0 <= signals["days_to_opt_out"] <= charts.PLOT_DAYS:
            continue
        value = _contract_value(account)
        rows.append(
            {
                "key": account.key, "name": account.name, "csm": account.csm, "segment": account.segment, "band": account.band, "phase": phase_of(account), "month": opt_out_months(account),
                "days": int(signals["days_to_opt_out"]), "waste": _float(signals["waste_annual"]), "waste_text": format_money(signals["waste_annual"], currency),
                "value": _float(value), "value_text": format_money(value, currency), "href": up + account.page,
            }
        )  # fmt: skip
    return charts.accounts_plot(
        rows,
        description=f"{len(rows):,} accounts by the days to their opt-out date and the waste a year; the table below has the same numbers",
        currency=currency,
    )


def _plot_note(accounts: Sequence[Account]) -> str:
    unknown = sum(account.signals["waste_annual"] is None or account.signals["days_to_opt_out"] is None for account in accounts)
    far = sum(account.signals["days_to_opt_out"] is not None and not 0 <= account.signals["days_to_opt_out"] <= charts.PLOT_DAYS for account in accounts)
    said = [f"{unknown:,} without a known waste or opt-out date"] * bool(unknown) + [
        f"{far:,} whose opt-out date has passed or is more than a year away"
    ] * bool(far)
    return f"Only in the table: {' and '.join(said)}." if said else ""


def _contract_value(account: Account) -> Decimal | None:
    """Contract value a year over all lines, in the portfolio's currency; None where one line's is not known."""
    amounts = [line["line_value_annual_portfolio"] for line in account.parts["renewals"]]
    return None if not amounts or any(amount is None for amount in amounts) else sum(amounts, Decimal(0))


def _trend_words(what: str, points: Sequence[tuple[date, str]]) -> str:
    (first, was), (last, is_now) = points[0], points[-1]
    return f"{what}, {len(points)} nights: {was} on {show_day(first)}, {is_now} on {show_day(last)}"


# --- the other pages


def renewals_values(data: BookData) -> dict[str, Any]:
    """The Director's table with what the filters offer."""
    lines = data.figures.renewals
    return {
        "lines": lines,
        "accounts": data.by_key,
        "owners": sorted({line.owner or "nobody" for line in lines}),
        "picture": drawn("by-month", "Contract value by opt-out month", _month_bars(data), filters="month"),
    }


def csm_values(data: BookData, csm: str, accounts: Sequence[Account]) -> dict[str, Any]:
    """One manager: sums, accounts, and the actions of his week."""
    currency = data.figures.currency or None
    known = [account.signals["waste_annual"] for account in accounts if account.signals["waste_annual"] is not None]
    actions = [row for account in accounts for row in account.parts["actions"] if row["is_in_capacity"] and row["queue_kind"] == "csm"]
    with_waste = [account for account in gravest(accounts) if account.signals["waste_annual"]]
    rows = [
        {
            "key": one.key,
            "label": one.name,
            "value": _float(one.signals["waste_annual"]),
            "text": format_money(one.signals["waste_annual"], currency),
            "note": one.band,
        }
        for one in sorted(with_waste, key=lambda one: (-one.signals["waste_annual"], one.key))[:15]
    ]
    words = "Waste a year by account: " + "; ".join(f"{row['label']} {row['text']}" for row in rows)
    return {
        "csm": csm,
        "accounts": gravest(accounts, len(accounts)),
        "waste": sum(known, Decimal(0)) if known else None,
        "missing": len(accounts) - len(known),
        "bands": {band: sum(account.band == band for account in accounts) for band in charts.BANDS},
        "waiting": sum(request["state"] == "pending" for account in accounts for request in account.requests),
        "actions": sorted(actions, key=lambda row: (row["queue_rank"] or 10**9, row["account_key"], row["requirement_id"])),
        "names": data.by_key,
        "months": {account.key: opt_out_months(account) for account in accounts},
        "picture": Markup(bar_list(rows)),
        "picture_words": words,
    }


def bar_list(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """Bars as SVG without a library: pages that are made by the hundred have no time for one (0.1 s a picture)."""
    from vim_pipelines.reporting.book.marks import bar_picture

    return bar_picture(rows)


def _trend_template() -> dict[str, Any]:
    """The spec of an account's trend without its data: made once, since Altair takes 60 ms for it."""
    return charts.spec_of(charts.nights([], title="", description="")) | {"width": "container"}


def account_values(data: BookData, account: Account, trend: Mapping[str, Any]) -> dict[str, Any]:
    """One account: signals, waste with its arithmetic, trends, risks, phase, actions, plans and decisions."""
    state = account.one("state")
    weeks = account.parts["weeks"][-TREND_WEEKS:]
    seats = account.signals["seats_contracted"]
    trends = [
        _trend("usage", "Active users a week", weeks, "active_users", trend, charts.ACCENT, seats),
        _trend("tickets", "Tickets opened a week", weeks, "tickets_opened", trend, charts.SECOND, None),
    ]
    ranked = [row for row in account.parts["actions"] if row["account_rank"] is not None]
    return {
        "one": account,
        "trends": trends,
        "overlays": json.loads(state.get("open_overlays") or "[]"),
        "blocking": [row for row in account.parts["requirements"] if row["phase"] == state.get("phase") and row["status"] not in ("met", "waived")],
        "ranked": ranked,
        "resting": [row for row in account.parts["actions"] if row["account_rank"] is None],
        "contributions": [row for row in account.parts["contributions"] if row["contribution"] or row["status"] != "ok"],
        "held": [draft for draft in account.drafts if draft["is_newest"] and draft["status"] == "held"],
        "marts": {part: mart for part, (mart, _) in PARTS.items()},
        "value": _contract_value(account),
    }


def _trend(id: str, title: str, weeks: Sequence[Mapping[str, Any]], column: str, template: Mapping[str, Any], colour: str, ceiling: int | None) -> Drawn | None:
    """A trend over weeks; None where no week was measured."""
    points = [(row["week_start"], row[column]) for row in weeks]
    known = [(day, value) for day, value in points if value is not None]
    if not known:
        return None
    words = f"{title}, {len(points)} weeks: {known[0][1]} in the week of {show_day(known[0][0])}, {known[-1][1]} in the week of {show_day(known[-1][0])}"
    words += f", at most {max(value for _, value in known)}" + (f"; {len(points) - len(known)} weeks without data" if len(known) < len(points) else "")
    spec = json.loads(json.dumps(template))
    spec["data"] = {"values": [{"day": day.isoformat(), "value": value, "text": show_number(value)} for day, value in points]}
    spec["description"], spec["mark"]["color"] = words, colour
    spec["encoding"]["tooltip"][0]["title"], spec["encoding"]["tooltip"][1]["title"] = "Week of", title
    spec["mark"]["point"]["color"] = colour
    note = f"{ceiling:,} seats under contract, the top of the chart" if ceiling else ""
    top = max([value for _, value in known] + [ceiling or 1])
    spec["encoding"]["y"]["scale"] = {"domain": [0, top], "nice": False}
    return Drawn(id, title, words, line_picture(points, words, colour, top), as_json(spec), note=note)


def rows_values(data: BookData, figure: Figure, query: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The rows behind a figure, and what they add up to."""
    parts = [row["part"] for row in rows]
    known = [part for part in parts if part is not None]
    is_money = figure.id in MONEY_PARTS
    return {
        "figure": figure,
        "query": query,
        "rows": rows[:MOST_ROWS],
        "count": len(rows),
        "columns": [column for column in (rows[0] if rows else {}) if column != "part"],
        "part_text": lambda part: (
            format_money(part, data.figures.currency) if is_money else format_money(part, "USD") if figure.kind == "usd" else show_number(part)
        ),
        "missing": len(parts) - len(known),
        "total": figure.text() if (sum(known) if known or not rows else None) == figure.value else None,
        "cell": cell_text,
        "pages": {account.key: account.page for account in data.accounts},
        "part_name": "adds" if figure.kind == "count" else figure.source.rpartition(".")[2].split(" ")[0],
    }


def cell_text(value: Any) -> str:
    """A value of a mart as it stands in a cell."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, date):
        return show_day(value)
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int | Decimal) else str(value)


def quality_tables(data: BookData) -> dict[str, Markup]:
    """Data quality as tables: what is not in order, and everything that was measured."""
    head = {"entity": "Records", "metric": "Measured", "detail": "Of", "value": "Value", "status": "State"}
    rows = [{**row, "entity": row["entity"].replace("_", " "), "metric": row["metric"].replace("_", " "), "value": _quality_value(row)} for row in data.quality]
    return {
        "trouble": static_table("quality-trouble", head, [row for row in rows if row["status"] not in ("ok", "info")]),
        "all": static_table("quality-all", head, rows),
    }


def _quality_value(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return "unknown"
    if row["metric"] == "is_fed":
        return "yes" if row["value"] else "no"
    return f"{row['value']:.1%}".replace("%", " %") if str(row["metric"]).endswith("_share") else f"{row['value']:,.4f}".rstrip("0").rstrip(".")


def cost_values(data: BookData) -> dict[str, Any]:
    """What language models cost, by night and by kind of document, and the newest evaluations."""
    night = {
        "as_of_date": "Night", "calls": "Calls", "calls_without_price": "Without a price", "cost_usd": "Cost", "drafts": "Drafts", "drafts_held": "Held by a gate",
        "drafts_offline": "Written offline", "drafts_approved": "Approved",
    }  # fmt: skip
    by_document: dict[str, dict[str, Any]] = {}
    for row in data.costs:
        one = by_document.setdefault(row["document"], {"document": row["document"].replace("_", " ")} | dict.fromkeys(list(night)[1:], 0))
        for name in ("calls", "calls_without_price", "drafts", "drafts_held", "drafts_offline", "drafts_approved"):
            one[name] += row[name] or 0
        one["cost_usd"] += row["cost_usd"] or 0
    return {
        "by_night": static_table("cost-by-night", night, [_cost_row(row) for row in reversed(data.cost_history)]),
        "by_document": static_table(
            "cost-by-document",
            {"document": "Document"} | {name: label for name, label in night.items() if name != "as_of_date"},
            [_cost_row(row) for row in by_document.values()],
        ),
        "evaluations": {name: {"day": found["day"], "lines": flat_result(found["result"])} for name, found in sorted(data.evaluations.items())},
    }


def _cost_row(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: cell_text(value) for name, value in row.items()}
    return shown | {"cost_usd": "unknown" if row["calls_without_price"] else format_money(row["cost_usd"] or 0, "USD")}


#: Numbers of an evaluation's result that its part of the page shows.
MOST_LINES = 60


def flat_result(result: Any, prefix: str = "") -> list[tuple[str, str]]:
    """The single values of a nested result by their path, lists left out: those are examples, and stand in the file."""
    found: list[tuple[str, str]] = []
    for name, value in sorted(result.items()) if isinstance(result, dict) else []:
        path = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, dict):
            found += flat_result(value, f"{path} / ")
        elif not isinstance(value, list):
            found.append((path, cell_text(round(value, 4) if isinstance(value, float) else value)))
    return found[:MOST_LINES]


def effects_values(data: BookData) -> dict[str, Any]:
    """What came of approved plans, and what they changed as far as it can be told."""
    counts = {
        "document": "Document", "segment": "Segment", "plans": "Plans", "plans_executed": "Carried out", "plans_met": "Met", "plans_missed": "Missed",
        "plans_expired": "Expired", "plans_open": "Open", "plans_unknown": "Unknown", "met_share": "Met, share (95 %)",
    }  # fmt: skip
    rows = [
        {name: cell_text(value) for name, value in row.items()} | {
            "document": row["document"].replace("_", " "),
            "met_share": "not enough data" if row["met_share"] is None else f"{show_share(row['met_share'])} ({show_share(row['met_share_low'])} to {show_share(row['met_share_high'])})",
        }
        for row in data.outcome_counts
    ]  # fmt: skip
    effects = {
        "document": "Document",
        "measure": "Measure",
        "n_treated": "Plans",
        "n_controls": "Compared with",
        "effect": "Effect (95 %)",
        "statement": "What can be said",
    }
    found = [
        {name: cell_text(value) for name, value in row.items()} | {
            "document": row["document"].replace("_", " "),
            "effect": "not enough data" if row["effect"] is None or row["status"] != "ok" else f"{row['effect']:+.3g} ({row['low_95']:+.3g} to {row['high_95']:+.3g})",
        }
        for row in data.effects
    ]  # fmt: skip
    outcome = {
        "account": "Account",
        "document": "Document",
        "sentence": "Success criterion",
        "due_on": "Due",
        "value_text": "Now",
        "state": "State",
        "reason": "Why",
    }
    each = [
        {name: cell_text(value) if value is not None else "" for name, value in row.items()} | {"account": row["account_name"] or row["account_key"], "document": row["document"].replace("_", " ")}
        for row in data.outcomes[:MOST_ROWS]
    ]  # fmt: skip
    return {
        "counts": static_table("plan-counts", counts, rows),
        "effects": static_table("plan-effects", effects, found),
        "outcomes": static_table("plan-outcomes", outcome, each),
        "left_out": max(len(data.outcomes) - MOST_ROWS, 0),
    }


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
