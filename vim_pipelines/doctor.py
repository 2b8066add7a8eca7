"""`vimotion doctor`: is everything there that a night needs? One line a thing, green, yellow or red, each with its fix.

A night that fails at half past two is read at nine; the same failure found here is mended at once. Nothing is changed by looking: no
table is made, no store migrated, no record written, and of a credential only the name of its setting is shown. `mend` (`--fix`) is the one
thing here that makes something, and it only adds.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.net import is_loopback

if TYPE_CHECKING:
    from vim_pipelines.ingestion.readers import SystemReader
    from vim_pipelines.portfolio.model import EntityMap, Portfolio
    from vim_pipelines.settings import Settings
    from vim_pipelines.writeback.provision import Need

Status = Literal["ok", "warn", "fail"]
COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
#: Rows that a source dates more than ten minutes ahead of us are set aside (`ingestion.coerce.CLOCK_TOLERANCE`).
SKEW_WARN_SECONDS, SKEW_FAIL_SECONDS = 60, 600
#: Share of the vendor's requests after which a night may meet the limit; the Salesforce client stops reading at 0.7.
USED_WARN, USED_FAIL = 0.5, 0.7
DISK_FAIL_BYTES, DISK_WARN_BYTES = 500 * 2**20, 2 * 2**30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `area` is a source's name or a part of the house; `fix` is there unless the status is ok."""

    area: str
    name: str
    status: Status
    text: str
    fix: str = ""

    def as_json(self) -> dict[str, str]:
        """The finding as plain values."""
        return asdict(self)


def examine(settings: Settings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> list[Finding]:
    """Look at everything, the sources side by side. `clock` is the real time (aware), which the vendors' clocks are compared with."""
    findings = [_python()]
    portfolio, found = _portfolio(settings)
    findings += found
    if portfolio is not None:
        from vim_pipelines.portfolio.model import FILE_KINDS, SYSTEM_KINDS

        kinds = sorted({source.kind for source in portfolio.sources.values()} & set(SYSTEM_KINDS))
        files = [name for name, source in portfolio.sources.items() if source.kind in FILE_KINDS]
        with ThreadPoolExecutor(max_workers=max(1, len(kinds))) as pool:
            parts = list(pool.map(lambda kind: list(_system(portfolio, kind, settings, clock)), kinds))
        findings += [item for part in parts for item in part]
        findings += [item for name in files for item in _files(portfolio, name)]
        findings += _tables(portfolio, settings)
    findings += [
        *_warehouse(settings),
        _store(settings),
        _dbt(settings),
        _disk(settings),
        _drafter(settings),
        *_slack(settings),
        *_mail(settings),
        *_gmail(settings),
    ]
    return findings


def finding_lines(findings: Sequence[Finding], *, style: Callable[[str, str], str] = lambda text, colour: text) -> list[str]:
    """The findings for a terminal, area by area, and a verdict."""
    lines: list[str] = []
    area = None
    width = max((len(item.name) for item in findings), default=0)
    for item in findings:
        if item.area != area:
            lines += [""] * bool(lines) + [item.area]
            area = item.area
        lines.append(f"  {style(f'{item.status:<4}', COLOURS[item.status])}  {item.name:<{width}}  {item.text}")
        if item.fix and item.status != "ok":
            lines.append(f"        {'':<{width}}  fix: {item.fix}")
    counts: Mapping[str, int] = {status: sum(item.status == status for item in findings) for status in COLOURS}
    if counts["fail"]:
        verdict = style(f"{counts['fail']} red, {counts['warn']} yellow, {counts['ok']} green", "red") + ". Mend what is red, then run vimotion doctor again."
    elif counts["warn"]:
        verdict = style(f"No red, {counts['warn']} yellow, {counts['ok']} green", "yellow") + ". Next: vimotion audit"
    else:
        verdict = style(f"All {counts['ok']} green", "green") + ". Next: vimotion audit"
    return [*lines, "", verdict]


# --- sources -----------------------------------------------------------------------------------------------------------


def _portfolio(settings: Settings) -> tuple[Portfolio | None, list[Finding]]:
    from vim_pipelines.portfolio.file import portfolio_path, read_portfolio

    path = portfolio_path(settings)
    try:
        portfolio, wrong = read_portfolio(path, settings)
    except VimError as error:
        return None, [_failed("portfolio", "file", error)]
    if wrong:
        count = "one mistake" if len(wrong) == 1 else f"{len(wrong)} mistakes"
        return portfolio, [Finding("portfolio", "file", "fail", f"{path.name} has {count}", f"vimotion portfolio check --offline {path}")]
    return portfolio, [Finding("portfolio", "file", "ok", f"{path.name}: {len(portfolio.entities)} entities from {len(portfolio.sources)} sources")]


def _system(portfolio: Portfolio, kind: str, settings: Settings, clock: Callable[[], datetime]) -> Iterator[Finding]:
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


def _files(portfolio: Portfolio, source_name: str) -> Iterator[Finding]:
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


def _tables(portfolio: Portfolio, settings: Settings) -> Iterator[Finding]:
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
            yield _failed(area, label, error)
            continue
        yield Finding(
            area, label, "ok" if there else "fail", name if there else f"{name}: there is no such table", "Correct the name, or give the role select on it"
        )


def _client(reader: Any) -> Any:
    return getattr(reader, "client", None) or getattr(reader, "_client", None)


def _address(reader: Any) -> str:
    return str(getattr(getattr(_client(reader), "http", None), "base_url", "it answers"))


# --- the house ---------------------------------------------------------------------------------------------------------


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    is_right = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding("program", "Python", "ok" if is_right else "fail", version, "Use Python 3.11, 3.12 or 3.13")


def _warehouse(settings: Settings) -> Iterator[Finding]:
    from vim_pipelines.warehouse import open_warehouse

    if settings.warehouse == "duckdb" and not settings.warehouse_path.exists():
        yield _makeable("warehouse", "DuckDB", settings.warehouse_path)
        return
    name = "DuckDB" if settings.warehouse == "duckdb" else "Snowflake"
    try:
        with open_warehouse(settings).session(read_only=True) as session:
            known = session.table_exists("raw.loads")
            newest = session.scalar("select max(as_of_date) from raw.loads") if known else None
            role = session.scalar("select current_role()") if settings.warehouse == "snowflake" else None
    except VimError as error:
        yield _failed("warehouse", name, error)
        return
    size = f", {settings.warehouse_path.stat().st_size / 2**20:,.0f} MB" if settings.warehouse == "duckdb" else f", role {role}"
    yield Finding("warehouse", name, "ok", (f"last load for {newest}" if newest else "no load yet") + size)


def _store(settings: Settings) -> Finding:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    from vim_pipelines.store.engine import open_store
    from vim_pipelines.store.migrations import HEAD, KNOWN, current_revision

    url = make_url(settings.operations_url)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        return _makeable("operations store", "SQLite", Path(url.database))
    name = "SQLite" if url.get_backend_name() == "sqlite" else url.get_backend_name()
    store = open_store(settings, migrate=False)
    try:
        revision = current_revision(store.engine)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        return Finding(
            "operations store",
            name,
            "fail",
            f"{url.render_as_string(hide_password=True)} cannot be opened: {reason}",
            "Check VIMOTION_STORE_URL and its rights",
        )
    finally:
        store.engine.dispose()
    if revision is not None and revision not in KNOWN:
        return Finding("operations store", name, "fail", f"revision {revision}, this program knows {HEAD}", "Upgrade value-in-motion on this machine")
    if revision != HEAD:
        return Finding("operations store", name, "ok", f"revision {revision or 'none'}; the next run migrates it to {HEAD}")
    return Finding("operations store", name, "ok", f"revision {revision}")


def _dbt(settings: Settings) -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    from vim_pipelines.transform.project import project_dir

    adapter = f"dbt-{settings.warehouse}"
    try:
        versions = f"dbt-core {version('dbt-core')}, {adapter} {version(adapter)}"
        project_dir()
    except PackageNotFoundError as error:
        return Finding("dbt", "project", "fail", f"the package {error.name} is not installed", "Reinstall value-in-motion with constraints.txt")
    except VimError as error:
        return _failed("dbt", "project", error)
    program = Path(sys.executable).with_name("dbt")
    if not program.exists():
        return Finding("dbt", "project", "fail", f"{versions}, but there is no program {program}", "Reinstall value-in-motion into this environment")
    return Finding("dbt", "project", "ok", versions)


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(_existing(settings.home)).free
    size = settings.warehouse_path.stat().st_size if settings.warehouse == "duckdb" and settings.warehouse_path.exists() else 0
    # Publishing writes a second copy beside the first, and large queries spill.
    needed = max(DISK_FAIL_BYTES, size)
    status: Status = "fail" if free < needed else "warn" if free < max(DISK_WARN_BYTES, 3 * size) else "ok"
    return Finding("disk", str(settings.home), status, f"{free / 2**30:,.1f} GB free", "Free some space, or put VIMOTION_HOME on a larger disk")


def _drafter(settings: Settings) -> Finding:
    keys = {"Claude": settings.anthropic_api_key, "OpenAI": settings.openai_api_key}
    variables = {"Claude": "ANTHROPIC_API_KEY", "OpenAI": "OPENAI_API_KEY"}
    order = {"auto": ["Claude", "OpenAI"], "openai_first": ["OpenAI", "Claude"], "claude": ["Claude"], "openai": ["OpenAI"]}.get(settings.drafter, [])
    if len(order) == 1 and keys[order[0]] is None:
        name = variables[order[0]]
        return Finding("drafts", order[0], "fail", f"VIMOTION_DRAFTER={settings.drafter}, and {name} is not set", "Set the key, or VIMOTION_DRAFTER=offline")
    writers = [name for name in order if keys[name] is not None]
    if not writers:
        return Finding("drafts", "offline drafter", "ok", "drafts are written without a language model")
    who = ", then ".join(writers)
    off = _switched_off(settings)
    if off is not None:
        return Finding("drafts", who, "warn", off, "vimotion llm on --note WHY; until then the offline drafter writes")
    from vim_pipelines.reasoning.providers.make import model_warning

    warning = model_warning(settings)
    if warning is not None:
        return Finding("drafts", who, "warn", warning, "Correct VIMOTION_MODEL, or add the model and its price to models.yaml")
    return Finding("drafts", who, "ok", f"{' and '.join(variables[name] for name in writers)} set (not tried: that would cost a call)")


def _mail(settings: Settings) -> Iterator[Finding]:
    """The mail server, where there is one: reached, encrypted, logged in; nothing is sent."""
    from vim_pipelines.vendors.mail import client_from_settings

    if settings.smtp_host is None:
        return
    if settings.is_sandbox and not is_loopback(settings.smtp_host):
        yield Finding("mail", settings.smtp_host, "warn", "the sandbox sends no mail to another machine", "Unset SMTP_HOST, or set VIMOTION_PORTFOLIO")
        return
    try:
        client_from_settings(settings).check()
    except VimError as error:
        yield _failed("mail", settings.smtp_host, error)
        return
    yield Finding("mail", settings.smtp_host, "ok", f"takes mail from {settings.mail_from} ({settings.smtp_security})")


def _gmail(settings: Settings) -> Iterator[Finding]:
    """The key of the service account, where letters are laid into Gmail. No mailbox is opened: whose would it be?"""
    from vim_pipelines.vendors.gmail import KEY_SETTING
    from vim_pipelines.vendors.google_login import read_key_file

    if settings.gmail_key_file is None and settings.gmail_domain is None:
        return
    if settings.gmail_key_file is None or settings.gmail_domain is None:
        yield Finding("Gmail", "drafts", "fail", "only one of GMAIL_KEY_FILE and GMAIL_DOMAIN is set", "Set both; see docs/how-to/mail.md")
        return
    try:
        key = read_key_file(settings.gmail_key_file, KEY_SETTING)
    except VimError as error:
        yield _failed("Gmail", "drafts", error)
        return
    if settings.gmail_key_file.stat().st_mode & 0o077:
        yield Finding("Gmail", "drafts", "warn", f"other users of this machine may read {settings.gmail_key_file}", f"chmod 600 {settings.gmail_key_file}")
        return
    yield Finding("Gmail", "drafts", "ok", f"{key.client_email} lays letters into mailboxes of {settings.gmail_domain} (the delegation was not tried)")


def _slack(settings: Settings) -> Iterator[Finding]:
    """Slack's token and scopes; nothing where Slack is not set up."""
    from vim_pipelines.vendors.slack import check_slack

    check = check_slack(settings)
    if check is None:
        return
    yield Finding("messages", "Slack", check.status, check.text, check.fix)
    if check.status != "fail":
        yield from _unknown_in_slack(settings)


def _unknown_in_slack(settings: Settings) -> Iterator[Finding]:
    """Whom Slack cannot reach, with the id that Slack knows their address by: it is offered, and a person puts it in."""
    from vim_pipelines.approvals.people import list_people
    from vim_pipelines.store import open_store
    from vim_pipelines.vendors.slack import slack_client

    if settings.store_url is None and not (settings.home / "operations.db").is_file():
        return
    try:
        store = open_store(settings, migrate=False)
        try:
            without = [person for person in list_people(store) if person.is_active and person.slack_user_id is None]
        finally:
            store.engine.dispose()
        client = slack_client(settings)
        found = {person.login: client.user_by_email(person.email) if person.email else None for person in without[:20]}
    except Exception:  # a store of an older revision, or a lacking scope: other findings say so
        return
    if without:
        told = ", ".join(f"{login} ({user or 'no member has that address'})" for login, user in found.items())
        yield Finding("messages", "Slack ids", "warn", f"not reached there: {told}", "Put the id on the person: vimotion inbox people")


def _switched_off(settings: Settings) -> str | None:
    """Who switched the language models off and why, or None; a store that cannot be read is another finding's affair."""
    from vim_pipelines.store import open_store
    from vim_pipelines.store.switches import LlmSwitch

    if settings.store_url is None and not (settings.home / "operations.db").is_file():
        return None
    try:
        store = open_store(settings, migrate=False)
        try:
            return LlmSwitch(store).why_off()
        finally:
            store.engine.dispose()
    except Exception:
        return None


def _makeable(area: str, name: str, path: Path) -> Finding:
    folder = _existing(path.parent)
    if not os.access(folder, os.W_OK):
        return Finding(area, name, "fail", f"{path} cannot be made: {folder} may not be written", "Give this user the right, or set VIMOTION_HOME")
    return Finding(area, name, "ok", f"{path} will be made by the first audit")


def _existing(path: Path) -> Path:
    path = path.resolve()
    while not path.exists():
        path = path.parent
    return path


def _failed(area: str, name: str, error: VimError) -> Finding:
    return Finding(area, name, "fail", f"{error.code} {error.what.removesuffix('.')}{f' ({error.why})' if error.why else ''}", error.fix)
