"""What every command shares: the first screen, how failures end, and that a pipe, Ctrl-C and NO_COLOR are honoured."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from vim_pipelines.cli import main
from vim_pipelines.cli.exit_codes import MEANINGS
from vim_pipelines.cli.root import OTHERS, SECTIONS
from vim_pipelines.core.errors import CODES, VimError, error_page

REPOSITORY = Path(__file__).resolve().parents[2]


def commands(group: click.Group, path: tuple[str, ...] = ()):
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def cpu_of(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.fixture
def broken():
    """A command of the root that fails as a test wants."""
    made: list[str] = []

    def make(failure: BaseException) -> str:
        @main.command("fails-for-a-test", hidden=True)
        def fails() -> None:
            raise failure

        made.append("fails-for-a-test")
        return made[0]

    yield make
    for name in made:
        main.commands.pop(name, None)


def test_help_costs_no_more_than_a_few_bare_interpreters():
    """Half a second on a machine of one's own. CPU against CPU on the same machine, the best of three, so that neighbours do not decide."""
    bare = min(cpu_of("-c", "import click") for _ in range(3))
    asked = min(cpu_of("-m", "vim_pipelines.cli", "--help") for _ in range(3))
    assert asked < max(0.5, 5 * bare), f"{asked:.2f} s of CPU beside {bare:.2f} s for click alone"


def test_every_command_of_the_first_screen_has_a_place_and_is_not_cut_short():
    said = CliRunner().invoke(main, ["--help"], terminal_width=80).output
    placed = {name for names in SECTIONS.values() for name in names}
    assert set(main.commands) <= placed, "name the new command in SECTIONS"
    assert f"\n{OTHERS}:" not in said and "..." not in said.split("\n", 1)[1]
    assert said.index("First steps") < said.index("Engineers") < said.index("Customer Success") < said.index("Analysts") < said.index("Options:")
    assert said.count("vimotion ") >= 3 and said.index("Examples:") < said.index("First steps")


def test_every_command_and_option_says_what_it_is():
    for path, command in commands(main):
        assert command.get_short_help_str(240), path
        silent = [option.name for option in command.params if isinstance(option, click.Option) and not option.help]
        assert not silent, (path, silent)


def test_what_is_shown_can_be_had_as_json():
    """A command that shows something is read by scripts too."""
    showing = {"show", "list", "status", "verify", "check", "words", "alerts", "cost", "doctor", "audit", "backtest", "evals", "publish", "rerun"}
    for path, command in commands(main):
        if path[-1] in showing and not isinstance(command, click.Group):
            assert any({"--json", "--format"} & set(option.opts) for option in command.params), path


def test_a_typo_is_answered_with_what_was_meant():
    done = CliRunner().invoke(main, ["inbox", "aproove", "req-1"])
    assert done.exit_code == 2 and "No such command 'aproove'. Did you mean 'approve'?" in done.output


def test_a_known_failure_is_one_line_with_its_page(broken):
    done = CliRunner().invoke(main, [broken(VimError("VIM-E024", "Nothing is there", fix="Run vimotion audit first"))])
    assert done.exit_code == 5 == CODES["VIM-E024"].exit_code
    assert done.stderr.splitlines() == ["Error: VIM-E024 Nothing is there. Run vimotion audit first.", f"       {error_page('VIM-E024')}"]
    assert (REPOSITORY / error_page("VIM-E024").split("#")[0]).is_file()


def test_an_unknown_failure_is_one_line_and_debug_shows_the_rest(broken):
    name = broken(ValueError("the third\nwheel"))
    done = CliRunner().invoke(main, [name])
    assert done.exit_code == 1 and done.stderr == "Error: unexpected: ValueError: the third wheel. Run again with --debug to see where.\n"
    for arguments in ([name, "--debug"], ["--debug", name]):
        shown = CliRunner().invoke(main, arguments)
        assert isinstance(shown.exception, ValueError) and "unexpected" not in shown.output


def test_debug_behind_two_dashes_belongs_to_the_other_program(monkeypatch):
    """`sandbox up -- dbt --debug run`: the word is dbt's."""
    seen = []
    monkeypatch.setattr(click.Group, "main", lambda self, args, *rest, **options: seen.append(list(args)))
    main.main(["sandbox", "up", "--", "dbt", "--debug"])
    main.main(["audit", "--debug"])
    assert seen == [["sandbox", "up", "--", "dbt", "--debug"], ["--debug", "audit"]]


def test_ctrl_c_is_130_without_a_trace(broken):
    done = CliRunner().invoke(main, [broken(KeyboardInterrupt())])
    assert done.exit_code == 130 and done.stderr == "Interrupted.\n"


def test_ctrl_c_in_a_real_process(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "vim_pipelines.cli", "--home", str(tmp_path / "home"), "sandbox", "up"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"VIMOTION_SANDBOX_ACCOUNTS": "20", "VIMOTION_SANDBOX_WEEKS": "40"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell in the background starts its children deaf to it
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith("export ")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (0, 130) and "Traceback" not in said


def test_a_closed_pipe_says_nothing():
    """`vimotion inbox list | head -1` printed a stack trace of the flush at exit."""
    reader, writer = os.pipe()
    process = subprocess.Popen([sys.executable, "-m", "vim_pipelines.cli", "--help"], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(reader)  # before anything can have been written: the interpreter takes longer to start
    os.close(writer)
    _, said = process.communicate(timeout=60)
    assert said == ""


def test_no_color_is_honoured_on_a_terminal(monkeypatch):
    @main.command("paints-for-a-test", hidden=True)
    def paints() -> None:
        click.echo(click.style("red", fg="red"))

    try:
        monkeypatch.delenv("NO_COLOR", raising=False)
        assert "\x1b[" in CliRunner().invoke(main, ["paints-for-a-test"], color=True).output
        monkeypatch.setenv("NO_COLOR", "1")
        assert CliRunner().invoke(main, ["paints-for-a-test"]).output == "red\n"
        context = main.make_context("vimotion", ["paints-for-a-test"])
        with context:
            main.callback(home=None, debug=False)
            assert context.color is False
    finally:
        main.commands.pop("paints-for-a-test", None)


def test_every_exit_status_of_an_error_code_has_a_meaning():
    """The page itself is compared with the code by tests/docs."""
    assert {entry.exit_code for entry in CODES.values()} <= set(MEANINGS)


def test_a_bench_needs_the_repository_and_says_so(monkeypatch, tmp_path):
    from vim_pipelines import settings

    monkeypatch.setattr(settings, "PACKAGE_ROOT", tmp_path / "site-packages" / "vim_pipelines")
    for name in ("bench", "calibrate"):
        done = CliRunner().invoke(main, [name])
        assert done.exit_code == 2 and "VIM-E189" in done.stderr and "checkout of the repository" in done.stderr


def test_a_bench_is_the_module_of_the_repository_with_its_own_arguments(monkeypatch):
    from vim_pipelines.cli import benchmarks

    called = []
    monkeypatch.setattr(benchmarks, "run_module", lambda module, arguments: called.append((module, arguments)) or 3)
    assert CliRunner().invoke(main, ["bench", "at-scale", "--", "--accounts", "50"]).exit_code == 3
    assert CliRunner().invoke(main, ["calibrate", "--parts", "metrics", "--seeds", "2"]).exit_code == 3
    assert called == [("at_scale", ("--accounts", "50")), ("calibrate", ("--parts", "metrics", "--seeds", "2"))]
    assert all((REPOSITORY / "benchmarks" / f"{command[0]}.py").is_file() for command, _ in benchmarks.BENCHES.values())


def test_calibrate_runs_from_any_folder(tmp_path):
    """The module is found by the package's place, not by the folder where the user stands."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "vim_pipelines.cli", "calibrate", "--", "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert done.returncode == 0 and "--account-years" in done.stdout, (done.stderr, time.monotonic() - started)


def test_the_audit_trail_is_read_as_json(tmp_path):
    from vim_pipelines.settings import load_settings
    from vim_pipelines.store import open_store

    open_store(load_settings(home=tmp_path)).engine.dispose()
    done = CliRunner().invoke(main, ["--home", str(tmp_path), "audit-trail", "verify", "--json"])
    assert done.exit_code == 0 and json.loads(done.output) == {"is_whole": True, "broken": []}
