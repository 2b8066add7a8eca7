"""The Snowflake emulator of the tests: fakesnow's own server, plus what it lacks.

fakesnow stands on DuckDB. What it gets wrong beside real Snowflake is papered over here and nowhere else, one function per shim, each
with what it papers over and a test that it is still needed (test_fakesnow_shims.py). Run as a program it is the server.

    python fakesnow_shims.py PORT [without=NAME ...]
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Where the server writes each ALTER SESSION it accepted, one JSON object a line: our stand-in for Snowflake's query history.
LOG_VARIABLE = "FAKESNOW_SHIMS_LOG"
#: Where it writes each comment and grant it was told.
STATEMENTS_VARIABLE = "FAKESNOW_SHIMS_STATEMENTS"

#: Session parameters that Snowflake knows (its reference, 'Parameters') and that we set, by the type of their value.
PARAMETERS: dict[str, type] = {
    "QUERY_TAG": str, "STATEMENT_TIMEOUT_IN_SECONDS": int, "TIMEZONE": str, "TIMESTAMP_TYPE_MAPPING": str, "WEEK_START": int, "WEEK_OF_YEAR_POLICY": int, "DEFAULT_NULL_ORDERING": str,
    "DATE_INPUT_FORMAT": str, "TIMESTAMP_INPUT_FORMAT": str, "DATE_OUTPUT_FORMAT": str, "TIMESTAMP_NTZ_OUTPUT_FORMAT": str, "ROWS_PER_RESULTSET": int,
    "QUOTED_IDENTIFIERS_IGNORE_CASE": bool,
}  # fmt: skip


def null_timestamps() -> None:
    """A NULL timestamp arrives as 1970-01-01: fakesnow sends the pair (epoch, fraction) without the mask that says the pair is NULL."""
    import fakesnow.arrow as arrow
    import pyarrow as pa
    import pyarrow.compute as pc

    original = arrow.timestamp_to_sf_struct

    def masked(column: Any) -> Any:
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        pair = original(whole.fill_null(0)) if whole.null_count else original(whole)
        if not whole.null_count:
            return pair
        return pa.StructArray.from_arrays(pair.flatten(), fields=list(pair.type), mask=pc.is_null(whole))

    arrow.timestamp_to_sf_struct = masked


def session_parameters() -> None:
    """`ALTER SESSION SET` of anything but two parameters is 'not implemented', which the connector takes for an outage and retries for ever.

    Accepted here are the parameters that we set, with a value of the right type; another name stays an error, as a wrong name is on Snowflake.
    The values change nothing in the emulator: it is in UTC, its weeks begin on Monday.
    """
    import fakesnow.transforms as transforms
    from sqlglot import exp

    original = transforms.alter_session

    def accepting(expression: Any) -> Any:
        found = expression.find(exp.AlterSession) if isinstance(expression, exp.Alter) and expression.kind == "SESSION" else None
        if found is None or found.args.get("unset"):
            return original(expression)
        values: dict[str, Any] = {}
        for item in found.args.get("expressions") or []:
            name, value = item.this.this.name.upper(), item.this.expression
            plain = bool(value.this) if isinstance(value, exp.Boolean) else value.this if value.is_string else int(value.this)
            if type(plain) is not PARAMETERS.get(name):
                return original(expression)
            values[name] = plain
        if log := os.environ.get(LOG_VARIABLE):
            with Path(log).open("a") as file:
                file.write(json.dumps(values) + "\n")
        return transforms.SUCCESS_NOP

    transforms.alter_session = accepting


def star_in_create_table() -> None:
    """`create table t (columns) as (select * from (...) order by k)`, dbt's form for a clustered table, fails on every DuckDB function with an
    argument order of its own: fakesnow writes the query in sqlglot's neutral dialect when it asks DuckDB which columns the star stands for.
    """
    import fakesnow.transforms as transforms
    from sqlglot import exp

    original = transforms.create_table_as

    def expanding(expression: Any, connection: Any) -> Any:
        if isinstance(expression, exp.Create) and expression.kind == "TABLE" and isinstance(expression.this, exp.Schema) and expression.this.expressions:
            body = expression.expression
            query = body.unnest() if isinstance(body, exp.Subquery) else body
            if isinstance(query, exp.Select) and any(isinstance(column, exp.Star) for column in query.expressions):
                names = [row[0] for row in connection.execute(f"describe {query.sql(dialect='duckdb')}").fetchall()]
                query.set("expressions", [exp.Column(this=exp.Identifier(this=name, quoted=False)) for name in names])
        return original(expression, connection)

    transforms.create_table_as = expanding


#: Statements that only describe or grant: Snowflake answers one row of text. The emulator has neither comments on tables nor roles.
DESCRIBING = re.compile(
    r"\s*(comment\s+on\s+(table|view)\s|alter\s+(table|view)\s+\S+\s+alter\s+\"[^\"]+\"\s+comment\s|grant\s|create\s+role\s|show\s+grants\s+to\s+role\s)",
    re.IGNORECASE,
)


def descriptions_and_grants() -> None:
    """A comment with an apostrophe breaks the emulator's own SQL, comments on several columns at once and every GRANT are syntax errors to it.

    They are written to a file instead, so that a test can read what a real Snowflake would have been told. `show grants` has no rows.
    """
    from fakesnow.cursor import FakeSnowflakeCursor

    original = FakeSnowflakeCursor.execute

    def describing(self: Any, command: str, params: Any = None, *args: Any, **kwargs: Any) -> Any:
        if not DESCRIBING.match(command):
            return original(self, command, params, *args, **kwargs)
        if log := os.environ.get(STATEMENTS_VARIABLE):
            with Path(log).open("a") as file:
                file.write(json.dumps(" ".join(command.split())) + "\n")
        shown = "select 'USAGE' as \"privilege\", 'SCHEMA' as \"granted_on\", 'X' as \"name\" where false"
        return original(
            self, shown if command.lstrip()[:4].lower() == "show" else "select 'Statement executed successfully.' as \"status\"", None, *args, **kwargs
        )

    FakeSnowflakeCursor.execute = describing  # type: ignore[method-assign]


SHIMS: dict[str, Callable[[], None]] = {shim.__name__: shim for shim in (null_timestamps, session_parameters, star_in_create_table, descriptions_and_grants)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def emulator(folder: Path, *, without: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """A server of its own, empty; yields the settings (field names of `Settings`) that reach it. Its log is `folder/fakesnow.log`.

    `without`: names of shims to leave out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    environment = os.environ | {LOG_VARIABLE: str(folder / "sessions.jsonl"), STATEMENTS_VARIABLE: str(folder / "statements.jsonl")}
    with (folder / "fakesnow.log").open("w") as log:
        server = subprocess.Popen([sys.executable, __file__, str(port), *without], stdout=log, stderr=log, env=environment)
        try:
            deadline = time.monotonic() + 90
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert server.poll() is None and time.monotonic() < deadline, (folder / "fakesnow.log").read_text()[-2000:]
                    time.sleep(0.1)
            yield {
                "warehouse": "snowflake", "snowflake_account": "fakesnow", "snowflake_user": "fake", "snowflake_password": "snow", "snowflake_database": "VIM",
                "snowflake_warehouse": "WH", "snowflake_host": "localhost", "snowflake_port": port, "snowflake_protocol": "http",
            }  # fmt: skip
        finally:
            # Its data are gone with the test; on a busy machine it takes its time over closing them.
            server.kill()
            server.wait()


def sessions(folder: Path) -> list[dict[str, Any]]:
    """The parameters of every ALTER SESSION that the server of `folder` accepted, in order."""
    log = folder / "sessions.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []


def statements(folder: Path) -> list[str]:
    """Every comment and grant that the server of `folder` was told, in order, white space folded."""
    log = folder / "statements.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []


def serve(port: int, without: list[str]) -> int:
    for name, shim in SHIMS.items():
        if name not in without:
            shim()
    from fakesnow.cli import main

    return main(["-s", "-p", str(port)])


if __name__ == "__main__":
    sys.exit(serve(int(sys.argv[1]), sys.argv[2:]))
