"""What the portfolio's sources say: reached, let in, readable, far from their limits, with a clock like ours, and ready for write-back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.doctor.finding import Finding, Status, failed

if TYPE_CHECKING:
    from vim_pipelines.ingestion.readers import SystemReader
    from vim_pipelines.portfolio.model import EntityMap, Portfolio
    from vim_pipelines.settings import Settings
    from vim_pipelines.writeback.provision import Need

#: Rows that a source dates more than ten minutes ahead of us are set aside (`ingestion.coerce.CLOCK_TOLERANCE`).
SKEW_WARN_SECONDS, SKEW_FAIL_SECONDS = 60, 600
#: Share of the vendor's requests after which a night may meet the limit; the Salesforce client stops reading at 0.7.
USED_WARN, USED_FAIL = 0.5, 0.7


def portfolio_file(settings: Settings) -> tuple[Portfolio | None, list[Finding]]:
    """The portfolio file, read; and what is wrong with it."""
    from vim_pipelines.portfolio.file import portfolio_path, read_portfolio

    path = portfolio_path(settings)
    try:
        portfolio, wrong = read_portfolio(path, settings)
    except VimError as error:
        return None, [failed("portfolio", "file", error)]
    if wrong:
        count = "one mistake" if len(wrong) == 1 else f"{len(wrong)} mistakes"
        return portfolio, [Finding("portfolio", "file", "fail", f"{path.name} has {count}", f"vimotion portfolio check --offline {path}")]
    return portfolio, [Finding("portfolio", "file", "ok", f"{path.name}: {len(portfolio.entities)} entities from {len(portfolio.sources)} sources")]


def system(portfolio: Portfolio, kind: str, settings: Settings, clock: Callable[[], datetime]) -> Iterator[Finding]:
    """One kind of system, through the reader that the night uses."""
    from vim_pipelines.ingestion.probe import as_vim_error, is_of_source
    from vim_pipelines.ingestion.readers import open_reader
    from vim_pipelines.portfolio.init import vendor_settings
    from vim_pipelines.settings import environment_variable

    area = ", ".join(name for name, source in portfolio.sources.items() if source.kind == kind) + f" ({kind})"
    defaults = {name: field.default for name, field in type(settings).model_fields.items()}
    names = [environment_variable(name) for name in vendor_settings(kind) if getattr(settings, name) not in (None, "", defaults[name])]
    try:
        reader = open_reader(kind, settings, settings.now())
    except VimError as error:
        unset = [environment_variable(name) for name in vendor_settings(kind) if getattr(settings, name) in (None, "")]
        shown = f"{error.what}; not set: {', '.join(unset)}" if error.code == "VIM-E001" else str(error)
        yield Finding(area, "settings", "fail", shown, error.fix)
        return
    try:
        yield Finding(area, "settings", "ok", f"set: {', '.join(names)}")
        objects = [(name, mapping) for name, mapping in portfolio.entities.items() if portfolio.sources[mapping.source].kind == kind]
        is_in = False
        for name, mapping in objects:
            try:
                with as_vim_error(kind):
                    text, status, fix = _readable(portfolio, name, mapping, reader)
            except VimError as error:
                if not is_in and is_of_source(error):
                    yield from _not_in(area, error)
                    return
                text, status, fix = f"{error.what.removesuffix('.')}{f' ({error.why})' if error.why else ''}", "fail", error.fix
            if not is_in:
                is_in = True
                yield Finding(area, "reachable", "ok", _address(reader))
                yield Finding(area, "authorised", "ok", "the credentials are accepted")
            yield Finding(area, f"reads {mapping.object}", status, text, fix)
        client = _client(reader)
        yield from _limits(area, client)
        yield from _skew(area, client, clock)
        if kind != "zendesk":
            yield from _write_back(area, kind, client, portfolio, settings)
    finally:
        reader.close()


def _not_in(area: str, error: VimError) -> Iterator[Finding]:
    """A source that could not be read at all: which of the two doors stayed shut."""
    text = f"{error.what.removesuffix('.')}{f' ({error.why})' if error.why else ''}"
    if error.code == "VIM-E011":
        yield Finding(area, "reachable", "ok", "it answers")
        yield Finding(area, "authorised", "fail", text, error.fix)
    elif error.code == "VIM-E014":
        yield Finding(area, "reachable", "ok", "it answers")
        yield Finding(area, "limit", "fail", text, error.fix)
    else:
        yield Finding(area, "reachable", "fail", text, error.fix)


def _readable(portfolio: Portfolio, name: str, mapping: EntityMap, reader: SystemReader) -> tuple[str, Status, str]:
    from vim_pipelines.ingestion.judge import without
    from vim_pipelines.ingestion.probe import with_defaults

    objects = reader.objects()
    if objects is not None and mapping.object not in objects:
        return f"{name} (line {portfolio.line('entities', name, 'object')}): there is no such object", "fail", f"It is one of {', '.join(objects)}"
    mapping = with_defaults(reader, mapping)
    present = set(reader.fields(mapping))
    absent = [field for field in mapping.source_fields if field not in present]
    fitting = without(mapping, absent)
    rows = reader.sample(fitting, 1) if fitting.fields else []
    if absent:
        return f"{name}: it lacks {', '.join(absent)}", "fail", f"vimotion portfolio check {portfolio.file}"
    if not rows:
        return f"{name}: {len(mapping.fields)} columns, and not one row", "warn", "Check that the integration user may see the records, not only the object"
    return f"{name}: {len(mapping.fields)} columns", "ok", ""


def _limits(area: str, client: Any) -> Iterator[Finding]:
    usage = getattr(client, "limits", None) or getattr(client, "usage", None)
    used, allowed = getattr(usage, "used", None), getattr(usage, "allowed", None)
    if usage is None or not isinstance(used, int) or not isinstance(allowed, int):
        return
    share = used / allowed if allowed else 1.0
    status: Status = "fail" if share >= USED_FAIL else "warn" if share >= USED_WARN else "ok"
    yield Finding(
        area, "limit", status, f"{used:,} of {allowed:,} requests of the day used ({share:.0%})", "Run when the day's requests are free again, or ask for more"
    )


def _skew(area: str, client: Any, clock: Callable[[], datetime]) -> Iterator[Finding]:
    said = getattr(getattr(client, "http", None), "answered_date", None)
    try:
        theirs = parsedate_to_datetime(said) if said else None
    except (TypeError, ValueError):
        theirs = None
    if theirs is None:
        return
    ahead = (clock() - (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC))).total_seconds()
    status: Status = "fail" if abs(ahead) >= SKEW_FAIL_SECONDS else "warn" if abs(ahead) >= SKEW_WARN_SECONDS else "ok"
    text = f"our clock is {abs(ahead):.0f} s {'ahead of' if ahead >= 0 else 'behind'} the vendor's" if status != "ok" else "the two clocks agree"
    yield Finding(area, "clock", status, text, "Switch on time synchronisation (NTP): rows dated more than ten minutes ahead are set aside")


def _write_back(area: str, kind: str, client: Any, portfolio: Portfolio, settings: Settings) -> Iterator[Finding]:
    """Whether what write-back needs is there and may be written: by the CRM's own definitions, nothing is tried."""
    from vim_pipelines.writeback.provision import provisioner_of
    from vim_pipelines.writeback.targets import target_name

    name, mode = "write-back", settings.write_mode
    bad: Status = "warn" if mode == "off" else "fail"
    try:
        target = target_name(settings, portfolio)
    except VimError as error:
        yield Finding(area, name, "ok" if mode == "off" else "warn", f"VIMOTION_WRITE_MODE={mode}; {error.what}", error.fix)
        return
    if kind != target:
        yield Finding(area, name, "ok", f"goes to {target}, not here")
        return
    yield Finding(area, name, "ok", f"VIMOTION_WRITE_MODE={mode}")
    provisioner = provisioner_of(kind, client)
    try:
        needs = provisioner.needs()
    except VimError as error:
        yield Finding(area, name, bad, error.what.removesuffix("."), error.fix)
        return
    for object_name in dict.fromkeys(need.object_name for need in needs):
        yield from _fields(area, [need for need in needs if need.object_name == object_name], bad, provisioner.by_hand)


def _fields(area: str, needs: Sequence[Need], bad: Status, by_hand: str) -> Iterator[Finding]:
    """One object of the CRM: one line if all is well, else one for each way in which it is not."""
    label = f"writes {needs[0].object_name}"
    needed = [need for need in needs if not need.is_optional]
    fixes = {
        "missing": ("missing", f"vimotion doctor --fix; or: {by_hand}"),
        "wrong": ("does not fit", "Put it right in the CRM, or rename yours: it is never changed from here"),
        "closed": ("may not be written", by_hand),
    }
    for state, (words, fix) in fixes.items():
        found = [need for need in needed if need.state == state]
        if found:
            shown = ", ".join(f"{need.field or 'the object'}{f' ({need.text})' if need.text else ''}" for need in found)
            yield Finding(area, label, bad, f"{words}: {shown}", fix)
    if all(need.state == "ok" for need in needed):
        lacking = [need.field for need in needs if need.is_optional and need.state != "ok"]
        more = f"; without {', '.join(lacking)} nobody can decide in the CRM (vimotion doctor --fix makes them)" if lacking else ""
        yield Finding(area, label, "ok", f"{len([need for need in needed if need.field])} fields{more}")


def mend(settings: Settings) -> Iterator[str]:
    """Make what write-back lacks in the CRM that it goes to; a line for each thing when it is there. What is there is never changed.

    A person asked for it, so it does not ask for the write mode. VIM-E052 if the sandbox would make something at an address that is not loopback,
    VIM-E110 if there is no CRM, VIM-E161 if the CRM refuses.
    """
    from urllib.parse import urlsplit

    from vim_pipelines.core.net import is_loopback
    from vim_pipelines.writeback.provision import open_provisioner
    from vim_pipelines.writeback.targets import target_name

    kind = target_name(settings)
    with open_provisioner(kind, settings) as provisioner:
        host = urlsplit(provisioner.address).hostname or ""
        if settings.is_sandbox and not is_loopback(host):
            raise VimError("VIM-E052", f"The sandbox makes no fields on {host or 'an unnamed host'}", fix="Set VIMOTION_PORTFOLIO to your own portfolio file")
        missing = [need for need in provisioner.needs() if need.state == "missing"]
        if not missing:
            yield f"{kind}: nothing is missing"
        try:
            for made in provisioner.make(missing):
                yield f"{kind}: made {made}"
        except VimError as error:
            if error.code != "VIM-E013":
                raise
            raise VimError("VIM-E161", error.what, why=error.why, fix=provisioner.by_hand) from None


def files(portfolio: Portfolio, source_name: str) -> Iterator[Finding]:
    """Files of one source."""
    source = portfolio.sources[source_name]
    for name, mapping in portfolio.entities.items():
        if mapping.source != source_name:
            continue
        label = f"reads {mapping.path or 'all files'}"
        try:
            files = portfolio.files(source_name, mapping.path)
        except VimError as error:
            yield Finding(f"{source_name} ({source.kind})", label, "fail", f"{name}: {error.what.removesuffix('.')}", error.fix)
            continue
        shut = [path for path in files if not os.access(path, os.R_OK)]
        newest = max(path.stat().st_mtime for path in files)
        if shut:
            text = f"{name}: {len(shut)} of {len(files)} files may not be read, such as {shut[0].name}"
            yield Finding(f"{source_name} ({source.kind})", label, "fail", text, "Give this user the right to read them")
        else:
            count = "one file" if len(files) == 1 else f"{len(files)} files"
            yield Finding(f"{source_name} ({source.kind})", label, "ok", f"{name}: {count}, the newest of {datetime.fromtimestamp(newest, UTC):%Y-%m-%d}")


def tables(portfolio: Portfolio, settings: Settings) -> Iterator[Finding]:
    """Tables of the warehouse that telemetry is read from."""
    from vim_pipelines.warehouse import open_warehouse

    for name, mapping in portfolio.entities.items():
        if portfolio.sources[mapping.source].kind != "warehouse" or (mapping.table or "").count(".") != 1:
            continue
        area, label = f"{mapping.source} (warehouse)", f"reads {mapping.table}"
        if settings.warehouse == "duckdb" and not settings.warehouse_path.exists():
            yield Finding(area, label, "fail", f"{name}: there is no warehouse {settings.warehouse_path} yet", "Load the tables, or name another VIMOTION_HOME")
            continue
        try:
            with open_warehouse(settings).session(read_only=True) as session:
                there = session.table_exists(mapping.table or "")
        except VimError as error:
            yield failed(area, label, error)
            continue
        yield Finding(
            area, label, "ok" if there else "fail", name if there else f"{name}: there is no such table", "Correct the name, or give the role select on it"
        )


def _client(reader: Any) -> Any:
    return getattr(reader, "client", None) or getattr(reader, "_client", None)


def _address(reader: Any) -> str:
    return str(getattr(getattr(_client(reader), "http", None), "base_url", "it answers"))
