"""`demo`: all of it on simulated customers, in one command, without a question and without a key.

The demo is deaf to the settings of the folder it is called in: with the keys of a real installation in the environment it would spend their money
and write to their Slack. It works in a folder of its own, drafts offline, and everything it opens listens on loopback.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import own_name, say, served_settings

if TYPE_CHECKING:
    from datetime import date

    from vim_pipelines.cli.children import Child, Children
    from vim_pipelines.cli.tour import Places, Tour
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store

INBOX_PORT, DAGSTER_PORT = 8321, 3000
#: Dagster loads the code before it answers; on a busy machine that takes minutes.
START_SECONDS = 300.0
WORKSPACE = """\
load_from:
  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: vim_pipelines}}
"""


@main.command(short_help="See all of it on 200 simulated customers: no key, no question.")
@click.option("--walk", "--yes", "walks", is_flag=True, help="Do the walk, too: approve one plan as the director, write it to the emulated CRM, read it back.")
@click.option("--once", is_flag=True, help="End when everything was shown, instead of serving until Ctrl-C.")
@click.option("--dagster/--no-dagster", "with_dagster", default=True, show_default=True, help="Open Dagster, too.")
@click.option("--port", type=click.IntRange(1, 65535), default=INBOX_PORT, show_default=True, help="Port of inbox and book; a free one if it is taken.")
@click.option("--dagster-port", type=click.IntRange(1, 65535), default=DAGSTER_PORT, show_default=True, help="Port of Dagster; a free one if it is taken.")
@click.pass_obj
def demo(state: dict[str, Any], walks: bool, once: bool, with_dagster: bool, port: int, dagster_port: int) -> None:
    """Simulate 200 customers, run the night, open inbox, book and Dagster, and lead through one account from the signal to the CRM.

    Keys and portfolios of the environment are left alone: the demo drafts offline, on a sandbox in the home folder. A second demo in the same
    folder opens the night that is there. Ctrl-C ends everything that it started; the folder stays.
    """
    from vim_pipelines.cli.children import Children, free_port

    started = time.monotonic()
    command = own_name() + (f" --home {state['overrides']['home']}" if state["overrides"].get("home") else "")
    home = _own_world(state["overrides"].get("home"))
    inbox_port = free_port(port)
    os.environ["VIMOTION_INBOX_URL"] = f"http://127.0.0.1:{inbox_port}"
    overrides = {"home": home}
    with ended_by_signals(), Children(home / "logs") as children:
        parsing = _parse_beside(children, overrides)
        say(f"1 of 3  Simulating customers and their CRM in {home} ...")
        with served_settings(overrides, serve=True) as settings, _slack(settings, once=once) as with_slack:
            variables = _variables(settings)
            if parsing is not None:
                parsing.process.wait()
            places = _Opened(children, variables, home, inbox_port, free_port(dagster_port) if with_dagster else None)
            places.start_code()
            _night(settings, state, places)
            say("3 of 3  Opening inbox, book and Dagster ...")
            _show(settings, with_slack, places.wait(command), time.monotonic() - started, walks=walks, once=once)
            if once:
                return
            say("Serving until you press Ctrl-C.")
            _serve(children)


def _own_world(home: Path | None) -> Path:
    """The folder of the demo, made; from here on no setting of the environment or of a `.env` file but the sandbox's own counts."""
    from vim_pipelines.core.errors import VimError
    from vim_pipelines.settings import Settings, environment_variable

    place = (home or Path(os.environ.get("VIMOTION_HOME") or ".vimotion")).absolute()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VimError("VIM-E002", f"The folder {place} cannot be made", why=error.strerror or "", fix="Name another with --home") from None
    for name in Settings.model_fields:
        if not name.startswith("sandbox_"):
            os.environ.pop(environment_variable(name), None)
    os.environ.pop("DAGSTER_HOME", None)
    os.environ |= {"VIMOTION_HOME": str(place), "VIMOTION_DRAFTER": "offline", "VIMOTION_NIGHT_NICENESS": "0", "PYTHONWARNINGS": "ignore"}
    os.chdir(place)  # where no `.env` of another project is read, by the children either
    return place


def _slack(settings: Settings, *, once: bool) -> AbstractContextManager[Settings]:
    """Settings with a Slack of the demo's own, which nobody could look at after `--once`. Dagster and inbox do not know it: its sensor would take a run of
    Dagster, ten seconds, for messages that cost this process half a second of CPU."""
    from vim_pipelines.sandbox.night import slack_beside

    return nullcontext(settings) if once else slack_beside(settings)


def tell_in_slack(settings: Settings, store: Store) -> str | None:
    """Send what waits to the demo's people in its Slack; the address where it can be looked at, None where nothing was sent."""
    from vim_pipelines.night import run_deliveries

    if settings.slack_bot_token is None or not run_deliveries(settings, store).sent:
        return None
    return settings.slack_base_url.removesuffix("api/")


def _parse_beside(children: Children, overrides: dict[str, Any]) -> Child | None:
    """dbt reads its project while the customers are simulated: two cores, and neither needs the other. None where that was done before."""
    from vim_pipelines.settings import load_settings

    if (load_settings(**overrides).dbt_target_dir / "manifest.sha256").is_file():
        return None
    code = (
        "from vim_pipelines.settings import load_settings; from vim_pipelines.transform.project import ensure_manifest, write_profile;"
        "from vim_pipelines.warehouse import open_warehouse; s = load_settings(); write_profile(s, open_warehouse(s)); ensure_manifest(s)"
    )
    return children.start("dbt", [sys.executable, "-c", code], {})


def _variables(settings: Settings) -> dict[str, str]:
    from vim_pipelines.night import prepare_dagster_home
    from vim_pipelines.sandbox.night import environment

    prepare_dagster_home(settings)
    return environment(settings) | {"DAGSTER_HOME": str(settings.dagster_home.resolve())}


class _Opened:
    """What the demo opens, and when: the code location while the night runs, inbox, webserver and daemon when there are requests."""

    def __init__(self, children: Children, variables: dict[str, str], home: Path, inbox_port: int, dagster_port: int | None) -> None:
        self.children, self.variables, self.home, self.inbox_port, self.dagster_port = children, variables, home, inbox_port, dagster_port
        self.inbox: Child | None = None
        self.workspace = home / "dagster" / "workspace.yaml"
        self.code_port = 0
        self.code: Child | None = None
        self.dagster: Child | None = None

    def start_code(self) -> None:
        """The code location; it loads on the second core while the night runs on the first.

        Dagster's parts one by one, as a production installs them: `dagster dev` starts two more processes around them, which cost 8 s of CPU.
        """
        if self.dagster_port is None:
            return
        from vim_pipelines.cli.children import free_port

        self.code_port = free_port(0)
        self.workspace.write_text(WORKSPACE.format(port=self.code_port))
        where = ["--module-name", "vim_pipelines.definitions", "--location-name", "vim_pipelines"]
        self.code = self._dagster("code", "dagster", "api", "grpc", "--host", "127.0.0.1", "--port", str(self.code_port), *where)

    def start_dagster(self) -> None:
        """Webserver and daemon, once the code location answers: a webserver that finds none shows an error until somebody reloads it."""
        from vim_pipelines.cli.children import listens

        if self.code is None or self.dagster is not None or not listens(self.code_port):
            return
        workspace = ["--workspace", str(self.workspace)]
        self.dagster = self._dagster("dagster", "dagster_webserver", "--host", "127.0.0.1", "--port", str(self.dagster_port), *workspace)
        self._dagster("daemon", "dagster._daemon", "run", *workspace)

    def _dagster(self, name: str, module: str, *arguments: str) -> Child:
        return self.children.start(name, [sys.executable, "-m", module, *arguments], self.variables)

    def start_inbox(self) -> None:
        """The inbox with the book behind its login."""
        if self.inbox is None:
            command = [sys.executable, "-m", "vim_pipelines.cli", "--home", str(self.home), "inbox", "serve", "--port", str(self.inbox_port)]
            self.inbox = self.children.start("inbox", command, self.variables)

    def wait(self, command: str) -> Places:
        """Where all is, once all answers. VIM-E137 if something does not."""
        from vim_pipelines.cli.children import listens, wait_for
        from vim_pipelines.cli.tour import Places

        self.start_inbox()
        assert self.inbox is not None
        inbox = f"http://127.0.0.1:{self.inbox_port}"
        wait_for(self.inbox, f"{inbox}/health", START_SECONDS)
        dagster = None
        if self.code is not None:
            wait_for(self.code, f"127.0.0.1:{self.code_port}", START_SECONDS, is_up=lambda _: listens(self.code_port))
            self.start_dagster()
            assert self.dagster is not None
            dagster = f"http://127.0.0.1:{self.dagster_port}"
            wait_for(self.dagster, f"{dagster}/server_info", START_SECONDS)
        book = f"{inbox}/book/" if (self.home / "book" / "index.html").is_file() else None
        return Places(inbox, book, dagster, command)


def _night(settings: Settings, state: dict[str, Any], places: _Opened) -> None:
    """Tonight's audit, unless it is there."""
    from vim_pipelines.cli.progress import NightProgress
    from vim_pipelines.core.progress import listening
    from vim_pipelines.night import run_audit
    from vim_pipelines.portfolio.file import last_data_day, load_portfolio

    newest = last_data_day(load_portfolio(None, settings), settings)
    if _published_for(settings) == newest:
        say(f"2 of 3  The night of {newest} is there.")
        return
    say("2 of 3  Running the night: sources, gates, dbt, signals, phases, drafts, requests ...")
    with NightProgress() as progress, listening(progress.drafts):

        def heard(name: str, is_done: bool, steps: tuple[str, ...]) -> None:
            progress.step(name, is_done, steps)
            if name == "dbt_ops" and not is_done:  # the requests are there; what follows copies them for analysts
                places.start_inbox()
                places.start_dagster()

        run_audit(settings, newest, say=lambda _: None, debug=state["debug"], on_step=heard)


def _published_for(settings: Settings) -> date | None:
    from vim_pipelines.core.errors import VimError
    from vim_pipelines.reporting.reading import reading_marts

    try:
        with reading_marts(settings) as session:
            day: date | None = session.scalar("select max(as_of_date) from marts.fct_portfolio_daily")
            return day
    except VimError:
        return None


def _show(settings: Settings, with_slack: Settings, places: Places, seconds: float, *, walks: bool, once: bool) -> None:
    """The addresses, the logins, and the walk."""
    from vim_pipelines.cli.tour import numbered, prepare, step_lines, walk
    from vim_pipelines.inbox.serve import demo_people
    from vim_pipelines.store import open_store

    store = open_store(settings)
    tour: Tour = prepare(settings, store)
    people = demo_people(settings, store)
    slack = tell_in_slack(with_slack, store)
    click.echo(f"\nReady after {seconds:.0f} s.\n")
    click.echo(f"  Inbox    {places.inbox}")
    click.echo(f"  Book     {places.book or 'not rendered by this night'}")
    click.echo(f"  Dagster  {places.dagster or 'not opened (--no-dagster)'}")
    click.echo(f"  Slack    {slack}   what both were told there; it is the demo's own\n" if slack else "")
    for login, password in people.items():
        click.echo(f"  log in as  {login:<10} password  {password}")
    click.echo(f"\nOne account, from the signal to the CRM ({tour.account_name}, as of {tour.as_of}):\n")
    click.echo("\n".join(numbered(step_lines(tour, places))))
    if walks:
        click.echo("\nWalking it:")
        walk(settings, store, tour, lambda line: click.echo(f"    {line}"))
        tell_in_slack(with_slack, store)  # the message says how the question ended
    click.echo(f"\nEverything is in {settings.home}. Next: {f'{places.command} demo' if once else f'open {places.inbox}/requests/{tour.request_id}'}")


def _serve(children: Children) -> None:
    """Until interrupted, or until a child ends by itself. VIM-E137 if one does."""
    from vim_pipelines.core.errors import VimError

    try:
        while True:
            time.sleep(1.0)
            for child in children.running:
                if child.name != "dbt" and not child.is_alive:
                    raise VimError("VIM-E137", f"{child.name} ended by itself", fix=f"Read {child.log}, then run vimotion demo again")
    except KeyboardInterrupt:
        say("Stopping what the demo started ...")


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does: its children must not outlive it.

    SIGINT, too: a script that starts the demo with `&` hands it down ignored, and Dagster gives SIGTERM the handler of SIGINT while a job runs.
    """

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
