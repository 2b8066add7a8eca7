"""Every setting, read once from the environment and checked once, with the fix in the error.

A setting read in two places is checked in neither. Nothing else in the package touches `os.environ`; the list for people is
`.env.example`, and a test keeps the two alike.
"""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from vim_pipelines.core.crms import Crm
from vim_pipelines.core.errors import VimError

PACKAGE_ROOT = Path(__file__).resolve().parent


def _vendor(name: str) -> Any:
    """A setting under a vendor's own customary variable name."""
    return AliasChoices(name, name.lower())


class Settings(BaseSettings):
    """All settings of one installation. Secrets are `SecretStr`: printing a settings object shows none."""

    model_config = SettingsConfigDict(env_prefix="VIMOTION_", extra="ignore", populate_by_name=True, env_ignore_empty=True)

    home: Path = Field(
        default=Path(".vimotion"), description="Folder that holds all state: warehouse, operations store, published copy, Dagster home, sandbox."
    )
    portfolio: Path | None = Field(default=None, description="Portfolio file (YAML). Not set: the sandbox portfolio.")
    data_dir: Path | None = Field(default=None, description="Folder of the portfolio's files, instead of the one that the portfolio file names.")
    warehouse: Literal["duckdb", "snowflake"] = Field(default="duckdb", description="Analytical warehouse: a DuckDB file under the home folder, or Snowflake.")
    duckdb_memory_limit: str = Field(
        default="2GB",
        description="Most memory DuckDB's buffers may take (MB, GB, MiB or GiB); beyond it queries spill to the folder `warehouse.duckdb.tmp` under the home folder.",
    )
    store_url: str | None = Field(default=None, description="SQLAlchemy address of the operations store. Not set: SQLite (WAL) under the home folder.")
    timezone: str = Field(default="UTC", description="Time zone of the nightly schedule (IANA name).")
    audit_cron: str = Field(default="30 2 * * *", description="Cron line of the nightly audit, in VIMOTION_TIMEZONE.")
    write_mode: Literal["off", "dry_run", "live"] = Field(default="off", description="What write-back may do: nothing, compute the difference, or write.")
    write_target: Literal["auto", "salesforce", "hubspot", "planhat"] = Field(
        default="auto", description="The CRM that write-back writes to. auto: the one that the portfolio's accounts come from."
    )
    allowed_hosts: str = Field(default="", description="Comma-separated hosts the vendor clients may call, besides those of the configured base addresses.")
    vendor_request_budget: int = Field(
        default=50_000,
        gt=0,
        description="Most requests that one run may send to one vendor, repeated ones included; a guard against answers that lead in a circle.",
    )
    budget_usd: Decimal = Field(default=Decimal("5"), gt=0, description="Most that one night may spend on language models, in US dollars.")
    month_budget_usd: Decimal = Field(
        default=Decimal("50"), gt=0, description="Most that a calendar month may spend on language models, in US dollars, re-plans included."
    )
    drafter: Literal["auto", "openai_first", "claude", "openai", "offline"] = Field(
        default="auto",
        description="Who writes drafts: Claude, and OpenAI when Claude gives no answer (auto), or the other way round (openai_first), as far as there are keys; "
        "one of them alone; or the offline drafter.",
    )
    judge: Literal["auto", "claude", "openai", "off"] = Field(
        default="auto",
        description="Which model reads customer texts once more for promises: of another family than the writer where it has a key (auto), or none.",
    )
    model: str | None = Field(default=None, description="Model id for drafts. Not set: the default of `vim_pipelines/reasoning/models.yaml`.")
    live_calls: int = Field(default=20, ge=1, le=500, description="Most calls to a language model at the same time.")
    batch_from: int = Field(
        default=200, ge=1, description="From so many pending drafts on they go to Claude's Message Batches, at half the price and within a day."
    )
    approval_hours: int = Field(default=72, gt=0, description="Hours until an undecided approval request expires.")
    policy: Path | None = Field(
        default=None, description="Approval policy file. Not set: the one that is shipped (vim_pipelines/approvals/policy.yaml), which shows every entry."
    )
    inbox_secret: SecretStr | None = Field(
        default=None,
        description="Secret of at least 32 characters that signs the inbox's sessions and the links in mails. Not set: one is made in the home folder.",
    )
    privacy_secret: SecretStr | None = Field(
        default=None,
        description="Secret of at least 32 characters that keys the list of erased persons. Not set: one is made in the home folder. Changed or lost, "
        "the list knows nobody any more: it must outlive every rotation.",
    )
    retention_daily_days: int = Field(
        default=35,
        ge=14,
        description="Days before the newest night for which `vimotion retention run` keeps every night of the long marts; before that the last of each week.",
    )
    retention_llm_text_days: int = Field(
        default=400, ge=30, description="Days after which `vimotion retention run` forgets the text of a language model's answer; its cost and hashes stay."
    )
    retention_draft_days: int = Field(
        default=400, ge=30, description="Days after which `vimotion retention run` deletes a draft that nobody was asked about and that has a successor."
    )
    retention_message_days: int = Field(
        default=400, ge=30, description="Days after which `vimotion retention run` deletes the row of a message that arrived or was given up."
    )
    night_niceness: int = Field(
        default=10, ge=0, le=19, description="Unix niceness of the night, so that the inbox on the same machine answers first; 0 gives way to nobody."
    )
    drain_minutes: int = Field(
        default=60, ge=5, le=10_080, description="Minutes that an approved request or a planned message may wait before the hourly sweep fails."
    )
    inbox_url: str = Field(
        default="http://127.0.0.1:8321",
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$",
        description="Address under which people reach the inbox; messages link to it.",
    )
    inbox_hosts: str = Field(
        default="", description="Comma-separated host names that the inbox answers to, besides those of this machine and of VIMOTION_INBOX_URL."
    )
    inbox_proxy_header: str = Field(
        default="",
        description="Request header in which a proxy on this machine says who is logged in (login or e-mail). Not set: no header is believed.",
    )
    weekly_capacity: int = Field(default=25, gt=0, description="Drafts that the team can review in a week; what is cut stays listed.")

    sandbox_accounts: int = Field(default=200, ge=20, le=20_000, description="Accounts of the simulated portfolio.")
    sandbox_weeks: int = Field(default=104, ge=40, le=520, description="Weeks of history of the simulated portfolio.")
    sandbox_crm: Crm = Field(default="salesforce", description="Which emulated CRM serves the simulated portfolio.")
    sandbox_seed: int = Field(default=7, ge=0, description="Seed of the simulated portfolio.")

    anthropic_api_key: SecretStr | None = Field(
        default=None, validation_alias=_vendor("ANTHROPIC_API_KEY"), description="Key of the Claude API. Not set: the offline drafter writes."
    )
    anthropic_base_url: str | None = Field(
        default=None, validation_alias=_vendor("ANTHROPIC_BASE_URL"), description="Other address of the Claude API (a proxy or an emulator)."
    )
    openai_api_key: SecretStr | None = Field(
        default=None, validation_alias=_vendor("OPENAI_API_KEY"), description="Key of the OpenAI API: stands in when Claude fails, and judges."
    )
    openai_base_url: str | None = Field(
        default=None, validation_alias=_vendor("OPENAI_BASE_URL"), description="Other address of the OpenAI API (a proxy or an emulator), with its /v1."
    )
    langsmith_api_key: SecretStr | None = Field(
        default=None, validation_alias=_vendor("LANGSMITH_API_KEY"), description="Key of LangSmith. Not set: no traces are exported."
    )
    langsmith_endpoint: str | None = Field(default=None, validation_alias=_vendor("LANGSMITH_ENDPOINT"), description="Other address of LangSmith.")
    langsmith_project: str = Field(
        default="value-in-motion", validation_alias=_vendor("LANGSMITH_PROJECT"), description="LangSmith project that receives the traces."
    )
    langsmith_send_content: bool = Field(default=False, description="Send prompts and drafts to LangSmith too, not only tokens, cost and status.")

    salesforce_base_url: str | None = Field(
        default=None, validation_alias=_vendor("SALESFORCE_BASE_URL"), description="My Domain address, https://NAME.my.salesforce.com."
    )
    salesforce_client_id: str | None = Field(
        default=None, validation_alias=_vendor("SALESFORCE_CLIENT_ID"), description="Consumer key of the External Client App (client-credentials flow)."
    )
    salesforce_client_secret: SecretStr | None = Field(
        default=None, validation_alias=_vendor("SALESFORCE_CLIENT_SECRET"), description="Consumer secret of the External Client App."
    )
    salesforce_username: str | None = Field(
        default=None,
        validation_alias=_vendor("SALESFORCE_USERNAME"),
        description="User name that the JWT bearer flow acts as; with SALESFORCE_PRIVATE_KEY_PATH.",
    )
    salesforce_private_key_path: Path | None = Field(
        default=None,
        validation_alias=_vendor("SALESFORCE_PRIVATE_KEY_PATH"),
        description="File of the RSA private key (PEM, no passphrase) of the JWT bearer flow, instead of SALESFORCE_CLIENT_SECRET.",
    )
    salesforce_login_url: str = Field(
        default="https://login.salesforce.com",
        validation_alias=_vendor("SALESFORCE_LOGIN_URL"),
        description="Audience of the JWT assertion: https://test.salesforce.com for an org's sandbox.",
    )
    salesforce_read_budget_share: float = Field(
        default=0.7, gt=0, le=1, description="Share of the org's daily API requests, used by whomever, at which we stop reading."
    )
    salesforce_api_version: str = Field(
        default="66.0", pattern=r"^\d{2}\.0$", validation_alias=_vendor("SALESFORCE_API_VERSION"), description="Salesforce REST API version."
    )
    zendesk_base_url: str | None = Field(
        default=None, validation_alias=_vendor("ZENDESK_BASE_URL"), description="Address of the Zendesk account, https://NAME.zendesk.com."
    )
    zendesk_client_id: str | None = Field(
        default=None, validation_alias=_vendor("ZENDESK_CLIENT_ID"), description="OAuth client identifier (client-credentials flow)."
    )
    zendesk_client_secret: SecretStr | None = Field(default=None, validation_alias=_vendor("ZENDESK_CLIENT_SECRET"), description="OAuth client secret.")

    hubspot_base_url: str | None = Field(
        default=None,
        validation_alias=_vendor("HUBSPOT_BASE_URL"),
        description="Other address of HubSpot's API (the emulator). Not set: https://api.hubapi.com.",
    )
    hubspot_service_key: SecretStr | None = Field(
        default=None, validation_alias=_vendor("HUBSPOT_SERVICE_KEY"), description="HubSpot service key (pat-...), with the scopes of docs/how-to/hubspot.md."
    )
    hubspot_api_version: str = Field(
        default="2026-09",
        pattern=r"^20\d{2}-(03|09)$",
        validation_alias=_vendor("HUBSPOT_API_VERSION"),
        description="HubSpot API version: the date in its paths, by which HubSpot supports it for 18 months.",
    )
    hubspot_requests_per_10_seconds: int = Field(
        default=100,
        ge=10,
        le=1000,
        validation_alias=_vendor("HUBSPOT_REQUESTS_PER_10_SECONDS"),
        description="Most requests that we send to HubSpot in ten seconds: 100 on Free and Starter, 190 on Professional and Enterprise, shared with other apps.",
    )

    planhat_base_url: str = Field(
        default="https://api.planhat.com",
        validation_alias=_vendor("PLANHAT_BASE_URL"),
        description="Address of Planhat's API; some tenants have a regional one.",
    )
    planhat_api_token: SecretStr | None = Field(
        default=None, validation_alias=_vendor("PLANHAT_API_TOKEN"), description="API access token of a Planhat service account."
    )
    planhat_analytics_url: str = Field(
        default="https://analytics.planhat.com", validation_alias=_vendor("PLANHAT_ANALYTICS_URL"), description="Address of Planhat's analytics host."
    )
    planhat_tenant_uuid: SecretStr | None = Field(
        default=None,
        validation_alias=_vendor("PLANHAT_TENANT_UUID"),
        description="Tenant UUID of Planhat; only needed to push dimension data. Whoever has it can push, so it is a secret.",
    )
    planhat_phases: str = Field(
        default="",
        validation_alias=_vendor("PLANHAT_PHASES"),
        description="Comma-separated names of Planhat's lifecycle phases that may be written. Not set: those that its companies carry.",
    )

    google_sheets_base_url: str = Field(
        default="https://sheets.googleapis.com", validation_alias=_vendor("GOOGLE_SHEETS_BASE_URL"), description="Address of the Google Sheets API."
    )
    google_sheets_token_url: str | None = Field(
        default=None,
        validation_alias=_vendor("GOOGLE_SHEETS_TOKEN_URL"),
        description="Other address at which the service account gets its access tokens. Not set: the one in its key file.",
    )
    google_sheets_spreadsheet_id: str | None = Field(
        default=None, validation_alias=_vendor("GOOGLE_SHEETS_SPREADSHEET_ID"), description="Id of the spreadsheet: the long part of its address after /d/."
    )
    google_sheets_key_file: Path | None = Field(
        default=None,
        validation_alias=_vendor("GOOGLE_SHEETS_KEY_FILE"),
        description="JSON key file of the Google service account that the spreadsheet is shared with.",
    )

    smtp_host: str | None = Field(
        default=None, validation_alias=_vendor("SMTP_HOST"), description="Mail server that takes messages to approvers. Not set: no mail is sent."
    )
    smtp_port: int = Field(default=587, gt=0, lt=65_536, validation_alias=_vendor("SMTP_PORT"), description="Port of the mail server: 587, or 465 with ssl.")
    smtp_security: Literal["starttls", "ssl", "none"] = Field(
        default="starttls", validation_alias=_vendor("SMTP_SECURITY"), description="How mail is encrypted on its way: none only for a server on this machine."
    )
    smtp_user: str | None = Field(default=None, validation_alias=_vendor("SMTP_USER"), description="User name at the mail server.")
    smtp_password: SecretStr | None = Field(default=None, validation_alias=_vendor("SMTP_PASSWORD"), description="Password at the mail server.")
    smtp_timeout_seconds: float = Field(
        default=30.0, gt=0, le=300, validation_alias=_vendor("SMTP_TIMEOUT_SECONDS"), description="Longest wait for one answer of the mail server."
    )
    mail_from: str | None = Field(default=None, description="Sender of mails to approvers: NAME@HOST, or Name <NAME@HOST>.")
    gmail_key_file: Path | None = Field(
        default=None,
        validation_alias=_vendor("GMAIL_KEY_FILE"),
        description="JSON key file of a Google service account with domain-wide delegation for gmail.compose and gmail.metadata. Not set: no drafts in Gmail.",
    )
    gmail_domain: str | None = Field(
        default=None, validation_alias=_vendor("GMAIL_DOMAIN"), description="The mail domain whose mailboxes drafts may be laid into; no other is opened."
    )
    gmail_base_url: str = Field(
        default="https://gmail.googleapis.com", validation_alias=_vendor("GMAIL_BASE_URL"), description="Address of the Gmail API (or of the emulator)."
    )
    gmail_token_url: str | None = Field(
        default=None,
        validation_alias=_vendor("GMAIL_TOKEN_URL"),
        description="Other address at which the service account gets its access tokens. Not set: the one in its key file.",
    )
    training_webhook_url: str | None = Field(default=None, description="Address of the training system that takes invitations. Not set: a person invites.")
    training_webhook_secret: SecretStr | None = Field(
        default=None, description="Secret of at least 32 characters with which invitations to the training system are signed (HMAC-SHA256)."
    )
    crm_decisions: bool = Field(
        default=False, description="Put a task for the approver into the CRM and read the decision from its fields. Off: the CRM is no door."
    )

    slack_bot_token: SecretStr | None = Field(
        default=None, validation_alias=_vendor("SLACK_BOT_TOKEN"), description="Bot token of the Slack app (xoxb-...). Not set: no messages to Slack."
    )
    slack_app_token: SecretStr | None = Field(
        default=None,
        validation_alias=_vendor("SLACK_APP_TOKEN"),
        description="App-level token (xapp-..., scope connections:write): presses come in through Socket Mode, without a public address.",
    )
    slack_signing_secret: SecretStr | None = Field(
        default=None,
        validation_alias=_vendor("SLACK_SIGNING_SECRET"),
        description="Signing secret of the Slack app: presses come in as signed HTTP requests to the inbox, instead of SLACK_APP_TOKEN.",
    )
    slack_channel: str | None = Field(
        default=None,
        pattern=r"^[CG][A-Z0-9]{2,30}$",
        description="Id of one Slack channel (C...) for all messages and approved words inside the house. Not set: each person's direct messages.",
    )
    digest_to: str = Field(
        default="", description="Comma-separated mail addresses that get the morning digest besides the directors, for example a distribution list."
    )
    digest_skip: str = Field(default="", description="Comma-separated logins and mail addresses that get no digest: who asked to be left out of it.")
    digest_slack_channel: str | None = Field(
        default=None,
        pattern=r"^[CG][A-Z0-9]{2,30}$",
        description="Id of the Slack channel (C...) that the digest is posted to. Not set: VIMOTION_SLACK_CHANNEL, or each director's direct messages.",
    )
    digest_weekly: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "never"] = Field(
        default="monday", description="Day on whose morning a digest goes out even if nothing changed. never: quiet nights send nothing at all."
    )
    digest_cron: str = Field(
        default="0 6-10 * * *",
        description="Cron line of the digest, in VIMOTION_TIMEZONE. The first run after the night sends; the later ones try again what failed.",
    )

    slack_base_url: str = Field(
        default="https://slack.com/api/", validation_alias=_vendor("SLACK_BASE_URL"), description="Address of Slack's Web API (or of the emulator)."
    )

    snowflake_account: str | None = Field(default=None, validation_alias=_vendor("SNOWFLAKE_ACCOUNT"), description="Snowflake account identifier.")
    snowflake_user: str | None = Field(default=None, validation_alias=_vendor("SNOWFLAKE_USER"), description="Snowflake user.")
    snowflake_password: SecretStr | None = Field(
        default=None, validation_alias=_vendor("SNOWFLAKE_PASSWORD"), description="Snowflake password or programmatic access token."
    )
    snowflake_private_key_path: Path | None = Field(
        default=None,
        validation_alias=_vendor("SNOWFLAKE_PRIVATE_KEY_PATH"),
        description="File of the RSA private key (PEM, PKCS#8) of the Snowflake user, instead of a password.",
    )
    snowflake_private_key_passphrase: SecretStr | None = Field(
        default=None, validation_alias=_vendor("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"), description="Passphrase of that key, where it is encrypted."
    )
    snowflake_database: str | None = Field(
        default=None, validation_alias=_vendor("SNOWFLAKE_DATABASE"), description="Snowflake database that holds the schemas raw, base, computed, marts, ops."
    )
    snowflake_warehouse: str | None = Field(default=None, validation_alias=_vendor("SNOWFLAKE_WAREHOUSE"), description="Snowflake virtual warehouse.")
    snowflake_warehouse_ingestion: str | None = Field(
        default=None,
        validation_alias=_vendor("SNOWFLAKE_WAREHOUSE_INGESTION"),
        description="Virtual warehouse for loading raw rows. Not set: SNOWFLAKE_WAREHOUSE.",
    )
    snowflake_warehouse_transform: str | None = Field(
        default=None, validation_alias=_vendor("SNOWFLAKE_WAREHOUSE_TRANSFORM"), description="Virtual warehouse for dbt. Not set: SNOWFLAKE_WAREHOUSE."
    )
    snowflake_warehouse_rollups: str | None = Field(
        default=None,
        validation_alias=_vendor("SNOWFLAKE_WAREHOUSE_ROLLUPS"),
        description="Virtual warehouse for dbt's usage rollups, the heaviest models. Not set: that of the other dbt models.",
    )
    snowflake_warehouse_signals: str | None = Field(
        default=None,
        validation_alias=_vendor("SNOWFLAKE_WAREHOUSE_SIGNALS"),
        description="Virtual warehouse for the reads and writes of signals, lifecycle and mirror. Not set: SNOWFLAKE_WAREHOUSE.",
    )
    snowflake_statement_timeout_seconds: int = Field(
        default=3600, gt=0, le=604_800, description="Snowflake ends a statement of ours that runs longer than this many seconds."
    )
    snowflake_transient_marts: bool = Field(
        default=False, description="Make the marts transient tables on Snowflake (no fail-safe storage); they can be rebuilt from raw."
    )
    snowflake_role: str | None = Field(default=None, validation_alias=_vendor("SNOWFLAKE_ROLE"), description="Snowflake role of the pipeline.")
    snowflake_reader_role: str | None = Field(
        default=None,
        validation_alias=_vendor("SNOWFLAKE_READER_ROLE"),
        description="Snowflake role of the readers (deploy/snowflake/reader.sql). Publishing gives it the marts and checks that it has no more.",
    )
    snowflake_host: str | None = Field(
        default=None, validation_alias=_vendor("SNOWFLAKE_HOST"), description="Other host of the Snowflake server (the emulator)."
    )
    snowflake_port: int | None = Field(default=None, validation_alias=_vendor("SNOWFLAKE_PORT"), description="Port beside SNOWFLAKE_HOST.")
    snowflake_protocol: Literal["http", "https"] | None = Field(
        default=None, validation_alias=_vendor("SNOWFLAKE_PROTOCOL"), description="Protocol beside SNOWFLAKE_HOST."
    )

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except Exception as error:
            raise ValueError(f"{value!r} is not an IANA time zone, for example Europe/Berlin") from error
        return value

    @field_validator("duckdb_memory_limit")
    @classmethod
    def _memory_has_a_unit(cls, value: str) -> str:
        if not re.fullmatch(r"[1-9]\d*(\.\d+)? ?([MG]i?B)", value):
            raise ValueError(f"{value!r} is not an amount of memory, for example 2GB or 512MiB")
        return value

    @field_validator("audit_cron", "digest_cron")
    @classmethod
    def _cron_has_five_fields(cls, value: str) -> str:
        if len(value.split()) != 5:
            raise ValueError("a cron line has five fields: minute hour day month weekday, for example '30 2 * * *'")
        return value

    @property
    def warehouse_path(self) -> Path:
        """The working DuckDB file; only the pipeline opens it."""
        return self.home / "warehouse.duckdb"

    @property
    def published_dir(self) -> Path:
        """Folder of the published copy that BI and people read."""
        return self.home / "published"

    @property
    def book_dir(self) -> Path:
        """Folder of the portfolio book: pages that open from disk, and behind the inbox's login under /book/."""
        return self.home / "book"

    @property
    def evaluation_dir(self) -> Path:
        """Folder of the results of `vimotion evals`."""
        return self.home / "evaluation" / "results"

    @property
    def sandbox_dir(self) -> Path:
        """Folder of the simulated sources and the emulators' state."""
        return self.home / "sandbox"

    @property
    def dagster_home(self) -> Path:
        """DAGSTER_HOME of this installation."""
        return self.home / "dagster"

    @property
    def dbt_target_dir(self) -> Path:
        """Where dbt writes its manifest and logs; never inside the package."""
        return self.home / "dbt"

    @property
    def operations_url(self) -> str:
        """SQLAlchemy address of the operations store."""
        return self.store_url or f"sqlite:///{(self.home / 'operations.db').resolve()}"

    @property
    def is_sandbox(self) -> bool:
        """Whether this run audits the simulated portfolio."""
        return self.portfolio is None

    def now(self) -> datetime:
        """The one clock, naive UTC: the system's, or in the sandbox the sandbox's own, so that a demo does not age."""
        clock = self.sandbox_dir / "clock.json"
        if self.is_sandbox and clock.is_file():
            return datetime.fromisoformat(json.loads(clock.read_text())["now"])
        return datetime.now(UTC).replace(tzinfo=None)

    def require(self, *names: str) -> None:
        """Raise VIM-E001 naming the first of the settings `names` (field names) that is not set."""
        for name in names:
            if getattr(self, name) in (None, ""):
                variable = environment_variable(name)
                raise VimError(
                    "VIM-E001",
                    f"The setting {variable} is missing",
                    why=type(self).model_fields[name].description or "",
                    fix=f"Set {variable} in the environment or in the .env file",
                )


def environment_variable(field_name: str) -> str:
    """The environment variable that sets a field of `Settings`."""
    alias = Settings.model_fields[field_name].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return f"VIMOTION_{field_name.upper()}"


def load_settings(**overrides: Any) -> Settings:
    """Settings from `.env` in the working folder, the environment and `overrides` (field names), later ones winning.

    Raises VimError VIM-E002 that names the one variable that is wrong; the value of a secret is never in the text.
    """
    try:
        settings = Settings(_env_file=".env" if Path(".env").is_file() else None, **overrides)  # type: ignore[call-arg]
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        variable = environment_variable(name) if name in Settings.model_fields else name
        raise VimError(
            "VIM-E002",
            f"The setting {variable} has the wrong form: {first['msg'].removeprefix('Value error, ')}",
            fix=f"Correct {variable} in the environment or in the .env file; .env.example shows each setting",
        ) from None
    _mistyped_names()
    return settings


def _mistyped_names() -> None:
    """A variable with our prefix that no setting has is a typing error, not a wish: say so instead of ignoring it."""
    known = {environment_variable(name) for name in Settings.model_fields} | {"VIMOTION_DEBUG"}
    for name in sorted(os.environ):
        if name.startswith("VIMOTION_") and name not in known:
            from difflib import get_close_matches

            near = get_close_matches(name, sorted(known), n=1)
            raise VimError(
                "VIM-E002",
                f"There is no setting called {name}",
                fix=f"Did you mean {near[0]}?" if near else "See .env.example for the list",
            )


@lru_cache
def resource_path(name: str) -> Path:
    """Folder of a data directory that ships with the package: `dbt_project`, `prompts` or `portfolios`.

    In a checkout it stands beside the package; in a wheel it is force-included under `vim_pipelines/_resources`.
    """
    for candidate in (PACKAGE_ROOT / "_resources" / name, PACKAGE_ROOT.parent / name):
        if candidate.is_dir():
            return candidate
    raise VimError("VIM-E099", f"The folder {name} is not part of this installation", fix="Reinstall value-in-motion from a complete wheel or checkout")


ENV_EXAMPLE_HEAD = (
    "# Settings of Value-in-Motion. Copy to .env in the folder that you start `vimotion` from, or export them. The sandbox needs none.\n"
    "# Made by `make env-example` from vim_pipelines/settings.py; a test keeps the two equal.\n"
)


def _choices(annotation: Any) -> list[str]:
    """The values that a setting takes, where it takes only these."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return [choice for part in get_args(annotation) for choice in _choices(part)]


def env_example() -> str:
    """The text of `.env.example`: every setting with its description, its choices if it has some, and its default, commented out."""
    entries = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else str(field.default)
        choices = _choices(field.annotation)
        one_of = f"# One of: {', '.join(choices)}.\n" if choices else ""
        entries.append(f"# {field.description}\n{one_of}# {environment_variable(name)}={default}\n")
    return "\n".join([ENV_EXAMPLE_HEAD, *entries])
