"""Starting the emulators: in threads of this process for a night and for tests, or as a process of their own.

They bind 127.0.0.1 on a free port. Their client secrets are published in this package on purpose: they open nothing but this machine's
sandbox. A vendor is one line of `VENDORS` and two modules: its emulator and its seed.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from pydantic import SecretStr

from vim_pipelines.core.errors import VimError
from vim_pipelines.sandbox.emulators.faults import refuse_other_hosts
from vim_pipelines.settings import Settings

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
        # A client drops an idle connection after five seconds, the real services after a minute or more; with uvicorn's five the two would race.
        config = uvicorn.Config(
            app, log_level="error", access_log=False, lifespan="off", proxy_headers=False, timeout_graceful_shutdown=1, timeout_keep_alive=75
        )
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


class Emulator(Protocol):
    """What `start_emulators` asks of an emulator; it is made as `Emulator(database, clock, **options)`."""

    app: Any

    def credentials(self, url: str) -> dict[str, str]:
        """Address and credentials by the names of the fields of `Settings`, once the emulator is served at `url`."""

    def close(self) -> None:
        """Close the database."""


@dataclass(frozen=True)
class Vendor:
    """An emulated vendor: `module:name` of its emulator and of its seed function (source folder, database), its database's file name, and the
    fields of `Settings` that `credentials` fills, the address first."""

    emulator: str
    seed: str
    database: str
    settings: tuple[str, ...]


_EMULATORS, _SANDBOX = "vim_pipelines.sandbox.emulators", "vim_pipelines.sandbox"
VENDORS: dict[str, Vendor] = {
    "salesforce": Vendor(
        f"{_EMULATORS}.salesforce:SalesforceEmulator",
        f"{_SANDBOX}.salesforce_seed:seed_salesforce",
        "salesforce.db",
        ("salesforce_base_url", "salesforce_client_id", "salesforce_client_secret"),
    ),
    "hubspot": Vendor(
        f"{_EMULATORS}.hubspot:HubSpotEmulator", f"{_SANDBOX}.hubspot_seed:seed_hubspot", "hubspot.db", ("hubspot_base_url", "hubspot_service_key")
    ),
    "zendesk": Vendor(
        f"{_EMULATORS}.zendesk:ZendeskEmulator",
        f"{_SANDBOX}.zendesk_seed:seed_zendesk",
        "zendesk.db",
        ("zendesk_base_url", "zendesk_client_id", "zendesk_client_secret"),
    ),
    "planhat": Vendor(
        f"{_EMULATORS}.planhat:PlanhatEmulator",
        f"{_SANDBOX}.planhat_seed:seed_planhat",
        "planhat.db",
        ("planhat_base_url", "planhat_api_token", "planhat_analytics_url", "planhat_tenant_uuid", "planhat_phases"),
    ),
    "google_sheets": Vendor(
        f"{_EMULATORS}.google_sheets:GoogleSheetsEmulator",
        f"{_SANDBOX}.google_sheets_seed:seed_google_sheets",
        "google_sheets.db",
        ("google_sheets_base_url", "google_sheets_token_url", "google_sheets_spreadsheet_id", "google_sheets_key_file"),
    ),
}
DEFAULT_VENDORS = ("salesforce", "zendesk")


@dataclass
class Running:
    """The running emulators of one sandbox, by vendor; a context manager that stops them."""

    servers: dict[str, Server] = field(default_factory=dict)
    emulators: dict[str, Emulator] = field(default_factory=dict)

    def url(self, vendor: str) -> str:
        """Base address of a vendor's emulator; KeyError if it was not started."""
        return self.servers[vendor].url

    @property
    def credentials(self) -> dict[str, str]:
        """Addresses and credentials by the names of the fields of `Settings`."""
        found: dict[str, str] = {}
        for vendor, emulator in self.emulators.items():
            found |= emulator.credentials(self.url(vendor))
        return found

    def settings(self, settings: Settings) -> Settings:
        """`settings` with the emulators' addresses and credentials, typed as the fields are."""
        return settings.model_copy(update={name: _typed(name, value) for name, value in self.credentials.items()})

    def stop(self) -> None:
        """Stop all and close their databases."""
        for server in self.servers.values():
            server.ask_to_stop()
        for server in self.servers.values():
            server.stop()
        for emulator in self.emulators.values():
            emulator.close()

    def __enter__(self) -> Running:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def start_emulators(
    sandbox_dir: Path,
    vendors: Sequence[str] = DEFAULT_VENDORS,
    *,
    host: str = "127.0.0.1",
    ports: Mapping[str, int] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Running:
    """Serve `vendors` over the sandbox in `sandbox_dir`; seeds a vendor's state from `source/` where it has none yet.

    `ports` and `options` (arguments of the emulator) are by vendor. VIM-E060 if `host` is not a loopback address, KeyError for an unknown vendor.
    """
    refuse_other_hosts(host)
    from vim_pipelines.sandbox.emulators.state import SandboxClock

    chosen = {name: VENDORS[name] for name in vendors}
    sandbox_dir.mkdir(parents=True, exist_ok=True)
    with _alone(sandbox_dir / "emulators.lock"):
        for vendor in chosen.values():
            database = sandbox_dir / vendor.database
            if not database.is_file() and (sandbox_dir / "source").is_dir():
                _named(vendor.seed)(sandbox_dir / "source", database)
    running = Running()
    try:
        for name, vendor in chosen.items():
            clock = SandboxClock(sandbox_dir / "clock.json")
            emulator = _opened(vendor, sandbox_dir, clock, (options or {}).get(name, {}))
            emulator.app.clock = clock
            running.emulators[name] = emulator
            running.servers[name] = Server(emulator.app, host=host, port=(ports or {}).get(name, 0))
    except BaseException:
        running.stop()
        raise
    return running


def _opened(vendor: Vendor, sandbox_dir: Path, clock: Any, options: Mapping[str, Any]) -> Any:
    """The vendor's emulator over its state. A state that an earlier version made is made again from `source/`; what had been written to it is gone."""
    from vim_pipelines.sandbox.emulators.state import OutdatedState

    database = sandbox_dir / vendor.database
    try:
        return _named(vendor.emulator)(database, clock, **options)
    except OutdatedState:
        if not (sandbox_dir / "source").is_dir():
            raise
        with _alone(sandbox_dir / "emulators.lock"):
            _named(vendor.seed)(sandbox_dir / "source", database)
        return _named(vendor.emulator)(database, clock, **options)


def _named(place: str) -> Any:
    """What `module:name` names; loaded when it is started, for each emulator brings its web framework."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def _typed(name: str, value: str) -> Any:
    """A credential as the field of `Settings` holds it."""
    annotation = str(Settings.model_fields[name].annotation)
    return SecretStr(value) if "SecretStr" in annotation else Path(value) if "Path" in annotation else value


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Only one process at a time: two that start together would seed over each other's open database."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. The port file appears, whole, when all answer: JSON of `Running.credentials` and the process id."""
    parser = argparse.ArgumentParser(prog="python -m vim_pipelines.sandbox.emulators.run", description="Serve the sandbox's vendors on loopback.")
    parser.add_argument("--directory", type=Path, required=True, help="sandbox folder")
    parser.add_argument("--port-file", type=Path, required=True, help="file that receives addresses and credentials as JSON")
    parser.add_argument("--vendor", action="append", choices=list(VENDORS), help=f"a vendor to serve, repeatable; default: {' and '.join(DEFAULT_VENDORS)}")
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args(arguments)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    try:
        running = start_emulators(options.directory, options.vendor or DEFAULT_VENDORS, host=options.host)
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
