"""How an emulated model or LangSmith is served: in a thread of this process for tests and evaluations, or as a process of its own for a bench."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from vim_pipelines.sandbox.model_answers import MODES


class Served(Protocol):
    """An emulated API."""

    def app(self) -> Any:
        """Its ASGI application."""
        ...


def start_emulator(emulator: Served, *, host: str = "127.0.0.1", port: int = 0) -> Any:
    """The emulator in a thread of this process; `.url` (for OpenAI's SDK add `/v1`) and `.stop()`. Refuses an address that is not loopback."""
    from vim_pipelines.sandbox.emulators.run import Server

    return Server(emulator.app(), host=host, port=port)


def serve_model(about: str | None, make: Callable[..., Served]) -> None:
    """The command line of an emulated model: prints its address and serves until stopped. `make(mode=..., latency_seconds=..., keeps_journal=...)` makes it."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mode", choices=MODES, default="good")
    parser.add_argument("--latency", type=float, default=0.0, help="Seconds before each answer.")
    parser.add_argument("--no-journal", action="store_true", help="Remember no requests, for a long run.")
    parser.add_argument("--port-file", type=Path)
    options = parser.parse_args()
    server = start_emulator(make(mode=options.mode, latency_seconds=options.latency, keeps_journal=not options.no_journal), port=options.port)
    if options.port_file:
        options.port_file.write_text(server.url)
    sys.stdout.write(server.url + "\n")
    sys.stdout.flush()
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        server.stop()
