"""Starting the emulators: in threads of this process for a night and for tests, or as a process of their own.

They bind 127.0.0.1 on a free port. Their client secrets are published here on purpose: they open nothing but this machine's sandbox.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.sandbox.emulators.faults import refuse_other_hosts

SALESFORCE_CLIENT_ID = "sandbox-salesforce-client"
SALESFORCE_CLIENT_SECRET = "sandbox-salesforce-secret"
ZENDESK_CLIENT_ID = "sandbox-zendesk-client"
ZENDESK_CLIENT_SECRET = "sandbox-zendesk-secret"
START_SECONDS = 30.0


class Server:
    """One ASGI application on a loopback port, in a daemon thread."""

    def __init__(self, app: Any, *, host: str = "127.0.0.1", port: int = 0) -> None:
        import uvicorn

        refuse_other_hosts(host)
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self.url = f"http://{host}:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", proxy_headers=False, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, name=f"emulator {self.url}", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise VimError("VIM-E099", "An emulator of the sandbox did not start", fix="Run again; if it stays, report it with the output above")
            time.sleep(0.005)

    def ask_to_stop(self) -> None:
        """Take no more requests; `stop` waits for the end. Idle connections of a client that was not closed are cut."""
        self._server.should_exit = self._server.force_exit = True

    def stop(self) -> None:
        """Stop serving and free the port."""
        self.ask_to_stop()
        self._thread.join(timeout=10)
        self._socket.close()


@dataclass
class Running:
    """The running emulators of one sandbox; a context manager that stops them."""

    salesforce: Server
    zendesk: Server
    emulators: tuple[Any, ...] = ()
    salesforce_client_id: str = SALESFORCE_CLIENT_ID
    salesforce_client_secret: str = field(default=SALESFORCE_CLIENT_SECRET, repr=False)
    zendesk_client_id: str = ZENDESK_CLIENT_ID
    zendesk_client_secret: str = field(default=ZENDESK_CLIENT_SECRET, repr=False)

    @property
    def salesforce_url(self) -> str:
        """Base address of the Salesforce emulator."""
        return self.salesforce.url

    @property
    def zendesk_url(self) -> str:
        """Base address of the Zendesk emulator."""
        return self.zendesk.url

    @property
    def credentials(self) -> dict[str, str]:
        """Addresses and credentials by the names of the fields of `Settings`."""
        return {
            "salesforce_base_url": self.salesforce_url,
            "salesforce_client_id": self.salesforce_client_id,
            "salesforce_client_secret": self.salesforce_client_secret,
            "zendesk_base_url": self.zendesk_url,
            "zendesk_client_id": self.zendesk_client_id,
            "zendesk_client_secret": self.zendesk_client_secret,
        }

    def stop(self) -> None:
        """Stop both and close their databases."""
        self.salesforce.ask_to_stop()
        self.zendesk.stop()
        self.salesforce.stop()
        for emulator in self.emulators:
            emulator.close()

    def __enter__(self) -> Running:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def start_emulators(
    sandbox_dir: Path, *, host: str = "127.0.0.1", salesforce_port: int = 0, zendesk_port: int = 0, zendesk_requests_per_minute: int | None = None
) -> Running:
    """Serve the sandbox in `sandbox_dir`; seeds a vendor's state from `source/` where it has none yet.

    VIM-E060 if `host` is not a loopback address.
    """
    refuse_other_hosts(host)
    from vim_pipelines.sandbox.emulators.salesforce import SalesforceEmulator
    from vim_pipelines.sandbox.emulators.state import SandboxClock
    from vim_pipelines.sandbox.emulators.zendesk import ZendeskEmulator
    from vim_pipelines.sandbox.salesforce_seed import seed_salesforce
    from vim_pipelines.sandbox.zendesk_seed import seed_zendesk

    clock = SandboxClock(sandbox_dir / "clock.json")
    databases = sandbox_dir / "salesforce.db", sandbox_dir / "zendesk.db"
    sandbox_dir.mkdir(parents=True, exist_ok=True)
    with _alone(sandbox_dir / "emulators.lock"):
        for database, seed in zip(databases, (seed_salesforce, seed_zendesk), strict=True):
            if not database.is_file() and (sandbox_dir / "source").is_dir():
                seed(sandbox_dir / "source", database)
    salesforce = SalesforceEmulator(databases[0], clock, client_id=SALESFORCE_CLIENT_ID, client_secret=SALESFORCE_CLIENT_SECRET)
    zendesk = ZendeskEmulator(
        databases[1], clock, client_id=ZENDESK_CLIENT_ID, client_secret=ZENDESK_CLIENT_SECRET, requests_per_minute=zendesk_requests_per_minute
    )
    first = Server(salesforce.app, host=host, port=salesforce_port)
    try:
        second = Server(zendesk.app, host=host, port=zendesk_port)
    except BaseException:
        first.stop()
        raise
    return Running(first, second, (salesforce, zendesk))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Only one process at a time: two that start together would seed over each other's open database."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. The port file appears, whole, when both answer: JSON of `Running.credentials` and the process id."""
    parser = argparse.ArgumentParser(
        prog="python -m vim_pipelines.sandbox.emulators.run", description="Serve the sandbox's Salesforce and Zendesk on loopback."
    )
    parser.add_argument("--directory", type=Path, required=True, help="sandbox folder")
    parser.add_argument("--port-file", type=Path, required=True, help="file that receives addresses and credentials as JSON")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--salesforce-port", type=int, default=0)
    parser.add_argument("--zendesk-port", type=int, default=0)
    parser.add_argument("--zendesk-requests-per-minute", type=int, default=None)
    options = parser.parse_args(arguments)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    try:
        running = start_emulators(
            options.directory,
            host=options.host,
            salesforce_port=options.salesforce_port,
            zendesk_port=options.zendesk_port,
            zendesk_requests_per_minute=options.zendesk_requests_per_minute,
        )
    except VimError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    with running:
        part = options.port_file.with_name(options.port_file.name + ".part")
        part.write_text(json.dumps({**running.credentials, "pid": os.getpid()}), encoding="utf-8")
        part.replace(options.port_file)
        done.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
