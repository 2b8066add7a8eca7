"""Slack's Web API through slack_sdk, with this house's rules: what is sent again, what a lost answer means, and errors that say what to do.

slack_sdk sends a request again after a dropped connection unless it is told otherwise: a `chat.postMessage` whose answer was lost would stand in
the channel twice. Here only what cannot do harm is repeated; a post whose answer was lost is VIM-E015, and whoever sent it looks for it
(`history`, by the metadata that it carries). The SDK writes whole requests to its log at level DEBUG, so its logger is shut at WARNING.
"""

from __future__ import annotations

import http.client
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from urllib.error import URLError
from urllib.parse import urlsplit

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.net import is_loopback
from vim_pipelines.vendors.http import QUOTED_CHARACTERS, RetryPolicy, VendorError

if TYPE_CHECKING:
    from slack_sdk import WebClient
    from slack_sdk.http_retry import RetryHandler

    from vim_pipelines.settings import Settings

#: Bot scopes of `deploy/slack/manifest.yaml`, each with what fails without it.
SCOPES = {
    "chat:write": "post and change messages",
    "im:write": "open a direct message",
    "im:history": "find a direct message whose answer was lost",
    "channels:history": "find a message in a public channel whose answer was lost",
    "groups:history": "find a message in a private channel whose answer was lost",
    "channels:read": "see whether outsiders read a public channel before an approved word goes there",
    "groups:read": "see whether outsiders read a private channel before an approved word goes there",
    "users:read": "look people up",
    "users:read.email": "look people up by their address",
    "files:write": "put the pictures under the digest",
}
#: Without one of these there is no approval in Slack; the others are needed on the day that an answer is lost, or for a channel.
NEEDED_SCOPES = ("chat:write", "im:write", "im:history")

#: Repeating one of these would show or open something twice. `chat.update` and the reads leave the same state.
NOT_REPEATED = frozenset({"chat.postMessage", "chat.postEphemeral", "views.open", "files.completeUploadExternal"})

REFUSED = frozenset(
    {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "no_permission", "not_allowed_token_type", "org_login_required",
     "access_denied", "ekm_access_denied", "team_access_not_granted", "enterprise_is_restricted"}
)  # fmt: skip
UNREACHABLE = frozenset(
    {"channel_not_found", "not_in_channel", "is_archived", "user_not_found", "users_not_found", "user_disabled", "user_not_visible", "cannot_dm_bot",
     "user_not_in_channel", "restricted_action", "messages_tab_disabled", "ekm_access_denied", "method_not_supported_for_channel_type"}
)  # fmt: skip
NOT_ACCEPTED = frozenset(
    {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", "no_text", "too_many_attachments", "invalid_arguments",
     "invalid_metadata_format", "invalid_metadata_schema", "metadata_too_large", "view_too_large", "invalid_view"}
)  # fmt: skip
#: A modal must be opened within three seconds of the press, once.
TRIGGER_OVER = frozenset({"expired_trigger_id", "trigger_expired", "exchanged_trigger_id", "trigger_exchanged", "invalid_trigger_id"})
BUSY = frozenset({"ratelimited", "rate_limited"})
FAILING = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"})

#: What is worth trying again later; VIM-E015 is neither this nor permanent: look first.
TRANSIENT = frozenset({"VIM-E010", "VIM-E013", "VIM-E014"})

log = logging.getLogger(__name__)
sdk_log = logging.getLogger("vim_pipelines.vendors.slack.sdk")
# The SDK asks `logger.level`, not the effective level, and then writes bodies and answers; NOTSET would count as DEBUG.
sdk_log.setLevel(logging.WARNING)
# What it says of a failed connection we say ourselves, once, and without the address that it was about.
sdk_log.addFilter(lambda record: "Failed to send a request to Slack API server" not in str(record.msg))


@dataclass(frozen=True)
class Identity:
    """Who the token is: `scopes` as Slack's own header lists them."""

    team: str
    team_id: str
    bot_user_id: str
    bot_id: str
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Posted:
    """Where a message is: what `update` needs, also weeks later."""

    channel: str
    ts: str


def is_transient(error: VimError) -> bool:
    """Whether trying the same again later can help."""
    return error.code in TRANSIENT


class SlackClient:
    """One workspace, by its bot token."""

    def __init__(
        self,
        token: str,
        *,
        base_url: str = "https://slack.com/api/",
        timeout_seconds: float = 10.0,
        retry: RetryPolicy | None = None,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.base_url = checked_address(base_url)
        self._token, self._timeout_seconds = token, timeout_seconds
        self._retry, self._sleep, self._rng = retry or RetryPolicy(attempts=4), sleep, rng or random.Random()
        self._identity: Identity | None = None

    def __repr__(self) -> str:
        return f"SlackClient({self.base_url!r})"

    @cached_property
    def web(self) -> WebClient:
        """The SDK's client, made when something is sent first: importing the SDK takes longer than a sensor may."""
        from slack_sdk import WebClient

        web = WebClient(
            token=self._token, base_url=self.base_url, timeout=max(1, round(self._timeout_seconds)), logger=sdk_log,
            retry_handlers=_handlers(self._retry, self._sleep, self._rng), user_agent_prefix="value-in-motion",
        )  # fmt: skip
        if self.is_local:
            web.proxy = None  # the SDK takes one from the environment, and an emulator on this machine is not behind it
        return web

    @property
    def is_local(self) -> bool:
        """Whether this is an emulator on this machine."""
        return is_loopback(urlsplit(self.base_url).hostname or "")

    def identity(self) -> Identity:
        """Who we are (`auth.test`), asked once."""
        if self._identity is None:
            answer = self.call("auth.test")
            header = next((value for name, value in answer.headers.items() if name.lower() == "x-oauth-scopes"), "")
            scopes = tuple(scope.strip() for scope in header.split(",") if scope.strip())
            self._identity = Identity(
                str(answer["team"] or ""), str(answer["team_id"] or ""), str(answer["user_id"] or ""), str(answer["bot_id"] or ""), scopes
            )
        return self._identity

    def post(self, channel: str, text: str, blocks: Sequence[Mapping[str, Any]], *, metadata: Mapping[str, Any]) -> Posted:
        """Post a message that can be found by its metadata. VIM-E015 if the answer was lost: then it may be there."""
        answer = self.call("chat.postMessage", channel=channel, text=text, blocks=list(blocks), metadata=dict(metadata), unfurl_links=False, unfurl_media=False)
        return Posted(str(answer["channel"]), str(answer["ts"]))

    def update(self, posted: Posted, text: str, blocks: Sequence[Mapping[str, Any]]) -> None:
        """Show something else in a message of ours; the same again changes nothing."""
        self.call("chat.update", channel=posted.channel, ts=posted.ts, text=text, blocks=list(blocks))

    def delete(self, posted: Posted) -> None:
        """Take a message of ours away (docs.slack.dev, `chat.delete`: a bot token deletes what that bot posted). One that is gone is no error."""
        try:
            self.call("chat.delete", channel=posted.channel, ts=posted.ts)
        except VendorError as error:
            if error.vendor_code != "message_not_found":
                raise

    def message(self, posted: Posted) -> dict[str, Any] | None:
        """One message as it stands, with its metadata; None if it is gone."""
        answer = self.call(
            "conversations.history", channel=posted.channel, oldest=posted.ts, latest=posted.ts, inclusive=True, limit=1, include_all_metadata=True
        )
        return next((dict(message) for message in answer["messages"] or [] if message.get("ts") == posted.ts), None)

    def outsiders(self, channel: str, *, most: int = 200) -> str | None:
        """Who reads a channel and is not of this house, in words; None where nobody is. One request for each member but ourselves.

        Counted as outsiders: a channel shared with another organization, guests (`is_restricted`), members of other workspaces (`is_stranger`). A
        channel of more than `most` members is not looked through, and counts as one that outsiders may read.
        """
        found = self.call("conversations.info", channel=channel)["channel"]
        if found.get("is_ext_shared") or found.get("is_pending_ext_shared"):
            return "it is shared with another organization"
        answer = self.call("conversations.members", channel=channel, limit=most)
        if (answer.get("response_metadata") or {}).get("next_cursor"):
            return f"it has more than {most} members, too many to look at each"
        ours = self.identity().bot_user_id
        for user in answer["members"] or []:
            who = self.call("users.info", user=user)["user"] if user != ours else {}
            if who.get("is_restricted") or who.get("is_ultra_restricted") or who.get("is_stranger"):
                return f"{user} is a guest or from outside"
        return None

    def whisper(self, channel: str, user: str, text: str) -> None:
        """A line that only `user` sees."""
        self.call("chat.postEphemeral", channel=channel, user=user, text=text)

    def open_dm(self, user: str) -> str:
        """The channel of direct messages with `user`."""
        return str(self.call("conversations.open", users=user)["channel"]["id"])

    def open_view(self, trigger_id: str, view: Mapping[str, Any]) -> None:
        """Open a modal. VIM-E144 where the three seconds are over."""
        self.call("views.open", trigger_id=trigger_id, view=dict(view))

    def upload(self, under: Posted, content: bytes, *, name: str, title: str) -> None:
        """Put a file into the thread under a message of ours, `title` also as its text for screen readers. Raises as `call`."""
        self._answer(
            "files.completeUploadExternal",
            lambda: self.web.files_upload_v2(filename=name, content=content, title=title, alt_txt=title, channel=under.channel, thread_ts=under.ts),
        )

    def history(self, channel: str, *, pages: int = 5, limit: int = 200) -> Iterator[dict[str, Any]]:
        """Messages with their metadata, the newest first, at most `pages` of `limit`."""
        cursor = ""
        for _ in range(pages):
            more = {"cursor": cursor} if cursor else {}
            answer = self.call("conversations.history", channel=channel, limit=limit, include_all_metadata=True, **more)
            yield from answer["messages"] or []
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return

    def user_by_email(self, email: str) -> str | None:
        """The id of the member with that address, or None."""
        try:
            return str(self.call("users.lookupByEmail", email=email)["user"]["id"])
        except VendorError as error:
            if error.vendor_code == "users_not_found":
                return None
            raise

    def call(self, method: str, **arguments: Any) -> Any:
        """One method of the Web API; the SDK's answer. Raises VendorError as `failure_of` and `_no_answer` say, never with the token in it."""
        values = {name: value for name, value in arguments.items() if value is not None}
        is_nested = any(isinstance(value, list | dict) for value in values.values())
        return self._answer(method, lambda: self.web.api_call(method, json=values) if is_nested else self.web.api_call(method, params=values))

    def _answer(self, method: str, call: Callable[[], Any]) -> Any:
        """The SDK's answer to a call, its errors as ours."""
        from slack_sdk.errors import SlackApiError, SlackRequestError

        try:
            return call()
        except SlackApiError as error:
            answer = error.response
            data = answer.data if isinstance(answer.data, dict) else {}
            raise failure_of(method, int(answer.status_code), data, dict(answer.headers), self.scrub) from None
        except SlackRequestError:  # the place that Slack named for a file did not take it; its text quotes that place
            raise VendorError("VIM-E013", f"Slack did not take the file of {method}", fix="Nothing depends on it; the next digest brings a new one") from None
        except (URLError, OSError, http.client.HTTPException) as error:
            raise _no_answer(method, error) from None

    def scrub(self, text: str) -> str:
        """`text` cut to a quotable length, without the token."""
        text = text.replace(self._token, "***") if self._token else text
        return text if len(text) <= QUOTED_CHARACTERS else text[:QUOTED_CHARACTERS] + " ..."


def slack_client(settings: Settings, **edges: Any) -> SlackClient:
    """The client of this installation. VIM-E001 without SLACK_BOT_TOKEN; `edges` are the injectable arguments of `SlackClient`."""
    settings.require("slack_bot_token")
    assert settings.slack_bot_token is not None
    return SlackClient(settings.slack_bot_token.get_secret_value(), base_url=settings.slack_base_url, **edges)


def checked_address(base_url: str) -> str:
    """The address with one slash at its end. VIM-E002 for what is none, VIM-E016 for http to another machine: tokens go only over https."""
    address = base_url.rstrip("/") + "/"
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise VimError("VIM-E002", "SLACK_BASE_URL is not an address", fix="Remove it, or set it to https://slack.com/api/")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise VimError(
            "VIM-E016",
            f"SLACK_BASE_URL uses http to {parts.hostname}",
            why="Tokens go only over https, except to this machine",
            fix="Use https in SLACK_BASE_URL",
        )
    return address


def failure_of(method: str, status: int, data: Mapping[str, Any], headers: Mapping[str, Any], scrub: Callable[[str], str] = lambda text: text) -> VendorError:
    """What Slack's answer means: a code of ours, and the one thing to do.

    A refusal says nothing was done. A failure of Slack's side (5xx) after a post says nothing either way: VIM-E015, look for it before sending again.
    """
    code = scrub(str(data.get("error") or ""))
    messages = (data.get("response_metadata") or {}).get("messages") or ()
    told = scrub("; ".join(str(text) for text in messages))
    known: dict[str, Any] = {"status": status, "vendor_code": code, "vendor_message": told}
    if status == 429 or code in BUSY:
        wait = next((str(value) for name, value in headers.items() if name.lower() == "retry-after"), "")
        return VendorError(
            "VIM-E014",
            f"Slack's limit for {method} is used up",
            why=f"It asks to wait {wait} seconds" if wait else "",
            fix="The next sweep tries again",
            **known,
        )
    if status >= 500 or code in FAILING or not code or code.startswith("Received a response in a non-JSON format"):
        if method in NOT_REPEATED:
            return VendorError(
                "VIM-E015",
                f"Slack answered HTTP {status} to {method}",
                why="It may have been done or not",
                fix="It is looked for before it is sent again",
                **known,
            )
        return VendorError("VIM-E013", f"Slack answered HTTP {status} to {method}", why=code[:QUOTED_CHARACTERS], fix="The next sweep tries again", **known)
    if code == "missing_scope":
        needed = scrub(str(data.get("needed") or "unknown"))
        return VendorError(
            "VIM-E140", f"The Slack app lacks the scope {needed} for {method}", why=f"It has {scrub(str(data.get('provided') or 'none'))}",
            fix="Add it as in deploy/slack/manifest.yaml and install the app again", **known,
        )  # fmt: skip
    if code in REFUSED:
        return VendorError(
            "VIM-E011", f"Slack refused our token ({code})", fix="Set SLACK_BOT_TOKEN (and SLACK_APP_TOKEN for Socket Mode) from the app's settings", **known
        )
    if code in UNREACHABLE:
        return VendorError(
            "VIM-E141",
            f"Slack cannot deliver there ({code})",
            fix="Check the person's Slack user id, VIMOTION_SLACK_CHANNEL, and that the app is in it",
            **known,
        )
    if code in TRIGGER_OVER:
        return VendorError("VIM-E144", "Slack's three seconds for opening a form are over", why=code, fix="Press the button again", **known)
    if code in NOT_ACCEPTED:
        return VendorError(
            "VIM-E142", f"Slack did not accept what {method} was given ({code})", why=told, fix="Report it with this text; decide in the inbox", **known
        )
    return VendorError("VIM-E013", f"Slack refused {method} ({code or 'no reason given'})", why=told, fix="See Slack's reference of that method", **known)


def _no_answer(method: str, error: Exception) -> VendorError:
    """No answer came. A post may stand in the channel all the same, unless the connection was never made."""
    name = type(_cause(error)).__name__
    if method in NOT_REPEATED and not _was_not_sent(error):
        return VendorError(
            "VIM-E015", f"Slack's answer to {method} was lost ({name})", why="It may have been done or not", fix="It is looked for before it is sent again"
        )
    return VendorError("VIM-E010", f"Slack cannot be reached ({name})", fix="Check the network and SLACK_BASE_URL; the next sweep tries again")


def _cause(error: Exception) -> BaseException:
    reason = getattr(error, "reason", None)
    return reason if isinstance(error, URLError) and isinstance(reason, BaseException) else error


def _was_not_sent(error: Exception) -> bool:
    """Whether the connection was never made. A reset or a time-out leaves it open whether the request arrived."""
    import socket

    return isinstance(_cause(error), ConnectionRefusedError | socket.gaierror)


def _handlers(retry: RetryPolicy, sleep: Callable[[float], None], rng: random.Random) -> list[RetryHandler]:
    """The SDK's retry handlers of this house. The SDK counts attempts over all of them."""
    from slack_sdk.http_retry import RetryHandler

    def method_of(request: Any) -> str:
        return urlsplit(str(request.url)).path.rsplit("/", 1)[-1]

    def retry_after(response: Any) -> float | None:
        text = next((value for name, value in response.headers.items() if name.lower() == "retry-after"), None)
        text = text[0] if isinstance(text, list) else text
        try:
            return max(0.0, float(text)) if text is not None else None
        except ValueError:
            return None

    class Waits(RetryHandler):
        """429: nothing was done, so anything may be sent again once the time that Slack names is over."""

        def _can_retry(self, *, state: Any, request: Any, response: Any = None, error: Exception | None = None) -> bool:
            if response is None or response.status_code != 429:
                return False
            return (retry_after(response) or 0.0) <= retry.retry_after_limit_seconds

        def prepare_for_next_attempt(self, *, state: Any, request: Any, response: Any = None, error: Exception | None = None) -> None:
            state.next_attempt_requested = True
            state.increment_current_attempt()
            sleep(retry.wait_seconds(state.current_attempt, retry_after(response), rng))

    class Repeats(RetryHandler):
        """Failures of Slack's side or of the network: only for what may be sent twice, or was never sent."""

        def _can_retry(self, *, state: Any, request: Any, response: Any = None, error: Exception | None = None) -> bool:
            if response is not None:
                return response.status_code >= 500 and method_of(request) not in NOT_REPEATED
            return error is not None and (method_of(request) not in NOT_REPEATED or _was_not_sent(error))

        def prepare_for_next_attempt(self, *, state: Any, request: Any, response: Any = None, error: Exception | None = None) -> None:
            state.next_attempt_requested = True
            state.increment_current_attempt()
            sleep(retry.wait_seconds(state.current_attempt, None, rng))

    most = retry.attempts - 1
    return [Waits(max_retry_count=most), Repeats(max_retry_count=most)]


@dataclass(frozen=True)
class Check:
    """What `vimotion doctor` says of Slack: `status` is ok, warn or fail."""

    status: Literal["ok", "warn", "fail"]
    text: str
    fix: str = ""


def check_slack(settings: Settings, client: SlackClient | None = None) -> Check | None:
    """Whether the token works and the app has its scopes, or None where Slack is not set up. One request, nothing is posted."""
    if settings.slack_bot_token is None:
        return None
    try:
        who = (client or slack_client(settings, retry=RetryPolicy(attempts=1))).identity()
    except VimError as error:
        return Check("fail", f"{error.code} {error.what.removesuffix('.')}", error.fix)
    lacking = [scope for scope in SCOPES if scope not in who.scopes]
    vital = [scope for scope in lacking if scope in NEEDED_SCOPES]
    fix = "Add them as in deploy/slack/manifest.yaml and install the app again"
    if lacking:
        told = "; ".join(f"{scope} ({SCOPES[scope]})" for scope in lacking)
        return Check("fail" if vital else "warn", f"the app in {who.team} lacks {told}", fix)
    if settings.slack_app_token is None and settings.slack_signing_secret is None:
        return Check("warn", f"{who.team}: messages go out, presses do not come in", "Set SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP)")
    door = "Socket Mode" if settings.slack_app_token is not None else "signed HTTP"
    return Check("ok", f"{who.team}, {len(who.scopes)} scopes, answers through {door}")
