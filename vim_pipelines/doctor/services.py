"""What the house talks to besides its sources: language models, LangSmith, Slack, mail, Gmail. Nothing is sent to anybody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.net import is_loopback
from vim_pipelines.doctor.finding import Finding, Status, failed

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings


def drafter(settings: Settings, *, calls: bool = False) -> Finding:
    """Who writes drafts, and whether he may. With `calls` each vendor is asked for one token; what the switch holds off is not."""
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
    named = " and ".join(variables[name] for name in writers)
    if not calls:
        return Finding("drafts", who, "ok", f"{named} set (not tried)")
    from vim_pipelines.reasoning.providers.probe import probe

    answered: list[str] = []
    for name in writers:
        tried = probe(settings, "anthropic" if name == "Claude" else "openai")
        if tried.failure is not None:
            status: Status = "warn" if tried.failure.again else "fail"  # what may be sent again is the vendor's trouble, not ours
            fix = (
                f"Try again later; until then {'the next vendor or ' if len(writers) > 1 else ''}the offline drafter writes"
                if tried.failure.again
                else f"Check {variables[name]} and that it may use {tried.model}"
            )
            return Finding("drafts", who, status, f"{name} does not answer for {tried.model}: {tried.failure.reason}", fix)
        answered.append(f"{tried.model} answered a call of one token")
    return Finding("drafts", who, "ok", f"{named} set; {', '.join(answered)}")


def langsmith(settings: Settings) -> Iterator[Finding]:
    """LangSmith, where there is a key: reached, and the key taken. A night does not need it."""
    if settings.langsmith_api_key is None:
        return
    from vim_pipelines.reasoning.langsmith_wire import connect, endpoint_of

    if settings.is_sandbox and not is_loopback(urlsplit(endpoint_of(settings)).hostname or ""):
        yield Finding("traces", "LangSmith", "ok", f"project {settings.langsmith_project} (the sandbox was not tried against another machine)")
        return
    wire, problem = connect(settings)
    if wire is not None:
        wire.close()
        content = "with prompts and drafts" if settings.langsmith_send_content else "without prompts and drafts"
        yield Finding("traces", "LangSmith", "ok", f"takes the key; project {settings.langsmith_project}, {content}")
        return
    yield Finding(
        "traces", "LangSmith", "warn", f"LangSmith {problem}", "Check LANGSMITH_API_KEY and LANGSMITH_ENDPOINT, or unset the key: nothing is exported"
    )


def mail(settings: Settings) -> Iterator[Finding]:
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
        yield failed("mail", settings.smtp_host, error)
        return
    yield Finding("mail", settings.smtp_host, "ok", f"takes mail from {settings.mail_from} ({settings.smtp_security})")


def gmail(settings: Settings) -> Iterator[Finding]:
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
        yield failed("Gmail", "drafts", error)
        return
    if settings.gmail_key_file.stat().st_mode & 0o077:
        yield Finding("Gmail", "drafts", "warn", f"other users of this machine may read {settings.gmail_key_file}", f"chmod 600 {settings.gmail_key_file}")
        return
    yield Finding("Gmail", "drafts", "ok", f"{key.client_email} lays letters into mailboxes of {settings.gmail_domain} (the delegation was not tried)")


def slack(settings: Settings) -> Iterator[Finding]:
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
