"""Starting the inbox: the address, the sandbox's two people, and the server itself."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from vim_pipelines.approvals.people import MIN_PASSWORD_LENGTH, add_person
from vim_pipelines.approvals.policy import policy_of
from vim_pipelines.approvals.queue import list_requests
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.net import is_loopback
from vim_pipelines.inbox.app import make_app

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store

PORT = 8321
#: Connections from which on a new one is told to come back later (503): each holds a file handle, and 50 people have some 300.
MOST_CONNECTIONS = 1000


def serve(settings: Settings, store: Store, *, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve the inbox until interrupted. VIM-E137 if the address cannot be had."""
    import uvicorn

    sockets = [listening(host, port)]
    shown = f"http://{f'[{host}]' if ':' in host else host}:{sockets[0].getsockname()[1]}"
    if settings.is_sandbox:
        for login, password in demo_people(settings, store).items():
            say(f"  {login:<10} {password}")
    if not is_loopback(host):
        say("It is reached from other machines: put a proxy with TLS in front of it (docs/how-to/inbox.md); over plain http browsers keep no session.")
    say(f"The inbox is at {shown}. Press Ctrl-C to stop it.")
    config = uvicorn.Config(
        make_app(settings, store), log_level="warning", access_log=False, server_header=False, proxy_headers=False, limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=30, timeout_graceful_shutdown=5, lifespan="on",
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=sockets)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there. VIM-E137 if it cannot."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(found[0], socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(found[4])
        listener.listen(1024)
        return listener
    except OSError as error:
        raise VimError(
            "VIM-E137",
            f"The inbox cannot listen at {host}, port {port}",
            why=error.strerror or str(error),
            fix="End the program that has the port, or name another with --port",
        ) from None


def demo_people(settings: Settings, store: Store) -> dict[str, str]:
    """The sandbox's two people, login -> password: made on first start with random passwords, which a file of the sandbox keeps. In the Slack that the
    sandbox serves both are known.

    The CSM is the one who owns most of what is pending, so that 'My accounts' shows something.
    """
    path = settings.sandbox_dir / "inbox_people.json"
    if path.is_file():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    policy = policy_of(settings)
    contexts = [row.context or {} for row in list_requests(store)]
    owners = Counter((shown["csm_name"], shown.get("csm_email")) for shown in contexts if shown.get("csm_name"))
    name, email = owners.most_common(1)[0][0] if owners else ("Demo CSM", None)
    passwords = {login: secrets.token_urlsafe(MIN_PASSWORD_LENGTH) for login in ("csm", "director")}
    now = settings.now()
    add_person(store, policy, "csm", name=name, role=policy.roles[0], email=email, slack_user_id="U0CSM", password=passwords["csm"], by="sandbox", now=now)
    add_person(
        store, policy, "director", name="Demo Director", role=policy.roles[-1], slack_user_id="U0DIRECTOR", password=passwords["director"], by="sandbox", now=now
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(passwords, file)
    return passwords
