"""Great Expectations' Data Docs of a night, made readable without a network.

Its pages take their style sheets, scripts and logo from six hosts on the internet. Where this runs there may be none, and a page about
customers' rows has no business telling anybody that it was opened: everything that points outside is taken out and a small style sheet
is put in.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from datetime import UTC, date, datetime
from html import escape
from pathlib import Path
from typing import Any

from vim_pipelines.quality.gates import Judgement, quiet_context

FOLDER = "data_docs"
SITE = "night"
#: Values of a set that a page shows: the list of all account keys would make it megabytes.
SET_VALUES = 20
HELD_SHOWN = 200

STYLE = Path(__file__).with_name("data_docs.css")
_SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL | re.IGNORECASE)
_OUTSIDE_TAG = re.compile(r"<(?:link|img|iframe|source)\b[^>]*https?://[^>]*>", re.IGNORECASE)
_OUTSIDE_LINK = re.compile(r"<a\b[^>]*href=[\"']https?://[^>]*>(.*?)</a>", re.DOTALL | re.IGNORECASE)
_SUITE_LINK = re.compile(r"<a\b[^>]*href=[\"'][^\"']*expectations/[^>]*>(.*?)</a>", re.DOTALL | re.IGNORECASE)
_FOOTER = re.compile(r"<footer\b.*?</footer>", re.DOTALL | re.IGNORECASE)
_OUTSIDE_STYLE = re.compile(r"@import[^;]*;|@font-face\s*\{[^}]*\}|[\w-]+\s*:[^;{}]*url\(\s*['\"]?https?://[^)]*\)[^;}]*;?", re.IGNORECASE)


def write_docs(judgement: Judgement, home: Path, as_of: date, now: datetime, *, keep_runs: int) -> Path:
    """Write the pages of `as_of` below `home/data_docs`, swapped in whole, and drop the oldest dates beyond `keep_runs`; returns index.html.

    `now`: naive UTC, shown as the time of the run.
    """
    folder = home / FOLDER
    target, new = folder / as_of.isoformat(), folder / f".{as_of.isoformat()}.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    _build(judgement, new, as_of, now)
    for page in sorted(new.rglob("*.html")):
        page.write_text(offline(page.read_text(encoding="utf-8")), encoding="utf-8")
    (new / "index.html").write_text(_index(judgement, new, as_of, now), encoding="utf-8")
    shutil.rmtree(new / "static", ignore_errors=True)  # fonts and pictures of the vendor; nothing refers to them any more
    shutil.rmtree(target, ignore_errors=True)
    new.rename(target)
    prune(folder, keep_runs, keep=target)
    return target / "index.html"


def prune(folder: Path, keep_runs: int, *, keep: Path) -> list[Path]:
    """Drop the oldest dates so that `keep_runs` stay; `keep` stays whatever its date. Returns what was dropped."""
    dated = [path for path in sorted(folder.iterdir()) if path.is_dir() and _is_date(path.name) and path != keep]
    dropped = dated[: max(0, len(dated) + 1 - keep_runs)]
    for path in dropped:
        shutil.rmtree(path)
    return dropped


def offline(page: str) -> str:
    """The page without anything that a browser would fetch or that leads outside, and with a style sheet of its own."""
    page = _SCRIPT.sub("", page)
    page = _OUTSIDE_TAG.sub("", page)
    page = _FOOTER.sub("", page)
    page = _OUTSIDE_LINK.sub(r"\1", page)
    page = _SUITE_LINK.sub(r"\1", page)  # the suites are suites.yaml; no page of their own
    page = _OUTSIDE_STYLE.sub("", page)
    page = re.sub(r"<link\b[^>]*>", "", page)
    return page.replace("</head>", f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>", 1)


def _build(judgement: Judgement, folder: Path, as_of: date, now: datetime) -> None:
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import ExpectationSuiteIdentifier, ValidationResultIdentifier

    context = quiet_context()
    context.add_data_docs_site(
        SITE,
        {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.resolve())},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "show_cta_footer": False, "validation_results_limit": None},
        },
    )
    run = RunIdentifier(run_name=f"{as_of.isoformat()}-suites-{judgement.version}", run_time=now.replace(tzinfo=UTC))
    for entity, looked_at, outcome in judgement.validations:
        name = _page_name(entity, looked_at)
        outcome.meta["run_id"] = run
        for item in outcome.results:
            _shorten(item)
        key = ValidationResultIdentifier(expectation_suite_identifier=ExpectationSuiteIdentifier(name), run_id=run, batch_identifier=name)
        context.validation_results_store.set(key, outcome)
    context.build_data_docs(site_names=[SITE])


def _page_name(entity: str, looked_at: str) -> str:
    return f"{entity}-{looked_at.replace(' ', '-')}"


def _index(judgement: Judgement, folder: Path, as_of: date, now: datetime) -> str:
    """The first page. Great Expectations' own builds its tables by script, from a host that may not be reached: without it, it is empty."""
    pages = {page.stem: page.relative_to(folder).as_posix() for page in sorted((folder / "validations").rglob("*.html"))}
    rows = []
    for entity, looked_at, outcome in judgement.validations:
        failed = [item for item in outcome.results if not item.success]
        names = ", ".join(str(item.expectation_config.meta["gate"]) for item in failed)
        link = f'<a href="{escape(pages[_page_name(entity, looked_at)])}">{escape(looked_at)}</a>'
        state = f'<i class="fa fa-times"></i> {escape(names)}' if failed else '<i class="fa fa-check"></i>'
        rows.append(f"<tr><td>{escape(entity)}</td><td>{link}</td><td>{len(outcome.results)}</td><td>{state}</td></tr>")
    stopping = [result for result in judgement.results if result.blocks]
    held = sorted((key, f"{result.entity}: {result.says}") for result in judgement.results for key in result.accounts)
    verdict = (
        f"The night was stopped by {escape(', '.join(f'{result.entity}.{result.name}' for result in stopping))}."
        if stopping
        else f"The night went on; {len({key for key, _ in held})} accounts were held."
    )
    accounts = "".join(f"<tr><td>{escape(key)}</td><td>{escape(reason)}</td></tr>" for key, reason in held[:HELD_SHOWN])
    table = f"<h2>Accounts held</h2><table><tr><th>account</th><th>reason</th></tr>{accounts}</table>" if held else ""
    more = f"<p>and {len(held) - HELD_SHOWN} more in raw.held_accounts</p>" if len(held) > HELD_SHOWN else ""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Gates of {as_of}</title><style>\n{STYLE.read_text(encoding="utf-8")}</style></head>'
        f'<body><div class="container"><h1>Gates on raw, as of {as_of}</h1><p>Suites {escape(judgement.version)}, read {now:%Y-%m-%d %H:%M} UTC. {verdict}</p>{table}{more}'
        f"<h2>What was looked at</h2><table><tr><th>entity</th><th>looked at</th><th>expectations</th><th>failed</th></tr>{''.join(rows)}</table></div></body></html>\n"
    )


def _shorten(item: Any) -> None:
    """Long sets cut, and the lists of all failing rows dropped: raw.quarantine has the rows."""
    arguments = item.expectation_config.kwargs
    for name in ("value_set", "column_set"):
        values = arguments.get(name)
        if isinstance(values, list) and len(values) > SET_VALUES:
            arguments[name] = [*_first(values), f"and {len(values) - SET_VALUES} more"]
    for name in ("unexpected_list", "unexpected_index_list", "unexpected_index_query", "partial_unexpected_index_list"):
        (item.result or {}).pop(name, None)


def _first(values: Iterable[Any]) -> list[Any]:
    return [value for value, _ in zip(values, range(SET_VALUES), strict=False)]


def _is_date(name: str) -> bool:
    try:
        return date.fromisoformat(name) is not None
    except ValueError:
        return False
