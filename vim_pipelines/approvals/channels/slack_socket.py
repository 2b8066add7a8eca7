"""Slack's presses over Socket Mode: a connection that this machine opens, so that nothing of ours needs an address on the internet.

slack_sdk's own client keeps the connection (pings, Slack's hourly renewals, drops); here each envelope is acknowledged within Slack's three
seconds and handed to the same function as a signed HTTP request. A press that was acknowledged and then lost with this process is pressed again
by its person: the message still shows its buttons.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vim_pipelines.approvals.channels.slack_interactions import carry_out, handle_interaction
from vim_pipelines.core.errors import VimError
from vim_pipelines.vendors.slack import failure_of, is_transient, sdk_log, slack_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store
    from vim_pipelines.vendors.slack import SlackClient

#: Waits between tries to connect while Slack cannot be reached, doubling up to the last.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 2.0, 120.0

log = logging.getLogger(__name__)


@contextmanager
def listening(settings: Settings, store: Store, *, client: SlackClient | None = None) -> Iterator[None]:
    """Take presses through Socket Mode while inside; nothing without SLACK_APP_TOKEN and SLACK_BOT_TOKEN.

    It connects in a thread of its own: an inbox starts although Slack cannot be reached, and is connected once it can. Where Slack refuses the
    token, that is logged once and nothing more is tried.
    """
    if settings.slack_app_token is None or (client is None and settings.slack_bot_token is None):
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_keep, args=(SlackSocket(settings, store, client=client), done), name="slack socket mode", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=10)


def _keep(socket: SlackSocket, done: threading.Event) -> None:
    wait = FIRST_WAIT_SECONDS
    while not done.is_set():
        try:
            socket.start()
        except VimError as error:
            log.error("Slack's Socket Mode: %s", error)
            if not is_transient(error):
                return
            done.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)
            continue
        done.wait()
        socket.close()


class SlackSocket:
    """One connection. A context manager: connected inside, closed at its end.

    `ping_seconds` is how often the connection is tried; one without an answer for four of them is made anew. `handled` is called with each
    payload once it is dealt with.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        client: SlackClient | None = None,
        ping_seconds: float = 5.0,
        handled: Callable[[dict[str, Any]], None] = lambda payload: None,
    ) -> None:
        settings.require("slack_app_token")
        assert settings.slack_app_token is not None
        self._settings, self._store, self._handled = settings, store, handled
        self._slack = client or slack_client(settings)
        self._token, self._ping_seconds = settings.slack_app_token.get_secret_value(), ping_seconds
        self._sdk: Any = None

    def start(self) -> None:
        """Connect. VIM-E011 where Slack refuses the app token, VIM-E140 without the scope connections:write; lost later, it connects anew itself."""
        from slack_sdk.errors import SlackApiError
        from slack_sdk.socket_mode import SocketModeClient

        sdk = SocketModeClient(app_token=self._token, web_client=self._slack.web, logger=sdk_log, ping_interval=self._ping_seconds, concurrency=4)
        if self._slack.is_local:
            sdk.proxy = None
        sdk.socket_mode_request_listeners.append(self._on_request)
        try:
            sdk.connect()
        except SlackApiError as error:
            sdk.close()
            answer = error.response
            raise failure_of("apps.connections.open", int(answer.status_code), answer.data, dict(answer.headers), self._scrub) from None
        except Exception as error:
            sdk.close()
            raise VimError("VIM-E010", f"Slack's Socket Mode cannot be reached ({type(error).__name__})", fix="Check the network and SLACK_BASE_URL") from None
        self._sdk = sdk

    @property
    def is_connected(self) -> bool:
        """Whether the connection stands now."""
        return self._sdk is not None and bool(self._sdk.is_connected())

    def close(self) -> None:
        """Let go of the connection and its threads; what is being handled is finished first."""
        if self._sdk is not None:
            self._sdk.close()
            self._sdk = None

    def __enter__(self) -> SlackSocket:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _scrub(self, text: str) -> str:
        return self._slack.scrub(text.replace(self._token, "***"))

    def _on_request(self, sdk: Any, request: Any) -> None:
        from slack_sdk.socket_mode.response import SocketModeResponse

        payload = request.payload if isinstance(request.payload, dict) else {}
        waits_for_us = request.type == "interactive" and payload.get("type") == "view_submission"
        if not waits_for_us:
            sdk.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        if request.type != "interactive":
            return
        try:
            answer = handle_interaction(payload, self._store, self._settings, self._settings.now())
            if waits_for_us:
                sdk.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id, payload=answer.body))
            carry_out(answer, self._slack)
        except Exception as error:
            # Not acknowledged where it is a form: Slack tells the person that it did not work, and keeps what was typed.
            log.error("Slack: a press could not be handled: %s", type(error).__name__)
        finally:
            self._handled(payload)
