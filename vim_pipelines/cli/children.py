"""Programs that a command runs beside itself and ends with itself: by the ids that it was given when it started them, never by a name.

Each child leads a process group of its own, so that Ctrl-C reaches this command alone and it can end them in order; what a child started, a
run of Dagster's daemon say, ends with its group.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from vim_pipelines.core.errors import VimError

#: What a child may take to end by itself before its group is ended.
GRACE_SECONDS = 15.0


@dataclass
class Child:
    """One running program and the file that holds what it prints."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None


@dataclass
class Children:
    """The programs of one command; a context manager that ends them, the last started first."""

    log_dir: Path
    running: list[Child] = field(default_factory=list)

    def start(self, name: str, command: Sequence[str], variables: Mapping[str, str]) -> Child:
        """Start `command` with `variables` added to the environment; its output goes to `<name>.log`."""
        self.log_dir.mkdir(parents=True, exist_ok=True)
        log = self.log_dir / f"demo-{name}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*command], env={**os.environ, **variables}, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
        child = Child(name, process, log)
        self.running.append(child)
        return child

    def stop(self) -> None:
        """Ask all to end, wait, and end what is left of their groups."""
        for child in reversed(self.running):
            _signal(child, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        for child in reversed(self.running):
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(timeout=max(0.1, deadline - time.monotonic()))
            _end_group(child)
            child.process.wait()
        self.running.clear()

    def __enter__(self) -> Children:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def _signal(child: Child, number: int) -> None:
    """To the leader of the group alone: it ends its own children."""
    if child.is_alive:
        child.process.send_signal(number)


def _end_group(child: Child) -> None:
    """What is left of the group that this command made; its id is the leader's."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.process.pid, signal.SIGKILL)


def free_port(wanted: int) -> int:
    """`wanted` on loopback if nobody has it, else any free port. Somebody may take it before it is used: the program that does not get it says so."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(listener.getsockname()[1])
    raise VimError("VIM-E137", "There is no free port on 127.0.0.1", fix="End some programs that listen there")


def listens(port: int) -> bool:
    """Whether something on this machine takes connections at `port`."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(1.0)
        return client.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str) -> bool:
    """Whether something answers there at all, whatever it says."""
    import httpx

    try:
        httpx.get(url, timeout=5.0, trust_env=False, follow_redirects=False)
    except httpx.HTTPError:
        return False
    return True


def wait_for(child: Child, url: str, seconds: float, *, is_up: Callable[[str], bool] = answers, pause: float = 0.25) -> None:
    """Return when `url` answers. VIM-E137 with the last line of its log if the program ends before, or not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not is_up(url):
        if not child.is_alive or time.monotonic() > deadline:
            lines = child.log.read_text(errors="replace").strip().splitlines() if child.log.is_file() else []
            what = f"{child.name} did not start" if not child.is_alive else f"{child.name} did not answer within {seconds:.0f} s"
            raise VimError("VIM-E137", what, why=lines[-1][:300] if lines else "", fix=f"Read {child.log}, then run vimotion demo again")
        time.sleep(pause)
