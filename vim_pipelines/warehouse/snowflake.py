"""Snowflake behind the same interface, through dagster-snowflake's own resource so that there is one way to connect.

Never reached in this project's development: tested through the real connector against the fakesnow server (docs/how-to/snowflake.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.warehouse.base import SCHEMAS, Session, Warehouse, Work

if TYPE_CHECKING:
    import pandas as pd
    from dagster_snowflake import SnowflakeResource

    from vim_pipelines.settings import Settings


#: Session parameters that a result could depend on, pinned so that an account's own defaults change nothing. Names, meanings and the
#: defaults they guard against are Snowflake's ('Parameters' in its reference); docs/how-to/snowflake.md says why each stands here.
SESSION_PARAMETERS: dict[str, str | int | bool] = {
    "TIMEZONE": "UTC",
    "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
    "WEEK_START": 1,
    "WEEK_OF_YEAR_POLICY": 0,
    "DEFAULT_NULL_ORDERING": "LAST",
    "DATE_INPUT_FORMAT": "AUTO",
    "TIMESTAMP_INPUT_FORMAT": "AUTO",
    "DATE_OUTPUT_FORMAT": "YYYY-MM-DD",
    "TIMESTAMP_NTZ_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF6",
    "ROWS_PER_RESULTSET": 0,
    "QUOTED_IDENTIFIERS_IGNORE_CASE": False,
}
#: Steps that may run on a virtual warehouse of their own, and the setting that names it.
STEP_WAREHOUSES = {
    "ingestion": "snowflake_warehouse_ingestion",
    "transform": "snowflake_warehouse_transform",
    "signals": "snowflake_warehouse_signals",
    "lifecycle": "snowflake_warehouse_signals",
    "operations": "snowflake_warehouse_signals",
}
#: Statements that open the session's transaction. Snowflake commits on every DDL statement, so tables are made before rows are written.
WRITING = ("insert", "delete", "update", "merge", "copy")
#: Statements that commit what the session wrote so far, also when there is nothing to create: refused once the transaction is open.
DDL = ("create", "alter", "drop")
#: Where Parquet files land before they are selected from: fixed columns of text, empty outside a transaction.
STAGING = "raw.vim_staging"
STAGING_COLUMNS = 60


class SnowflakeSession(Session):
    """A session over a connection of the Snowflake connector. Its transaction starts with the first row written.

    DDL commits in Snowflake, so that a session which failed later would leave a half behind: after the first write it is an error.
    """

    dialect = "snowflake"

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.is_in_transaction = False

    def _cursor(self, sql: str, parameters: Sequence[Any]) -> Any:
        if not self.is_in_transaction and sql.lstrip()[:6].lower().startswith(WRITING):
            self.connection.cursor().execute("begin")
            self.is_in_transaction = True
        if self.is_in_transaction and sql.lstrip()[:8].lower().startswith(DDL):
            raise VimError(
                "VIM-E099", "A table was to be made after rows were written", why=f"Snowflake would commit those rows at: {sql.strip()[:80]}",
                fix="Call ensure_table for every table before the first write of the session",
            )  # fmt: skip
        cursor = self.connection.cursor()
        cursor.execute(sql.replace("%", "%%").replace("?", "%s") if parameters else sql, list(parameters) or None)
        return cursor

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        self._cursor(sql, parameters).close()

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pd.DataFrame:
        import pandas as pd

        rows = self.rows(sql, parameters)
        return pd.DataFrame(rows)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        cursor = self._cursor(sql, parameters)
        names = [column[0].lower() for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def append(self, table: str, frame: pd.DataFrame) -> int:
        """Through `load_parquet`: the connector's own `write_pandas` makes a stage first, which is DDL and would commit what was written before."""
        if not len(frame):
            return 0
        import tempfile

        import pyarrow as pa
        import pyarrow.parquet as pq

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "rows.parquet"
            pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), file)
            return self.load_parquet(table, [file], f"select {', '.join(frame.columns)} from source")

    def load_parquet(self, table: str, files: Sequence[Path], select: str, parameters: Sequence[Any] = ()) -> int:
        """One upload and one COPY into the session's staging table, then `select` over it; the types are the Parquet files' own.

        Everything here is DML or PUT: a CREATE (even of a temporary stage) would commit what the session wrote so far. The values
        travel as text, because a timestamp without its logical type arrives as a number.
        """
        if not files:
            return 0
        import tempfile
        import uuid

        name = f"{uuid.uuid4().hex}.parquet"
        with tempfile.TemporaryDirectory() as folder:
            columns = _write_as_text(files, Path(folder) / name)
            self.execute(f"put 'file://{Path(folder).resolve() / name}' @raw.%vim_staging auto_compress = false overwrite = true")
        self.execute(f"copy into {STAGING} from @raw.%vim_staging/{name} file_format = (type = parquet) match_by_column_name = case_insensitive purge = true")
        typed = [f"cast(c{number:02d} as {_snowflake_type(kind)}) as {column}" for number, (column, kind) in enumerate(columns)]
        source = f"select {', '.join(typed)}, filename from {STAGING}"
        names = [column[0].lower() for column in self._cursor(f"with source as ({source}) {select} limit 0", parameters).description]
        before = self.scalar(f"select count(*) from {table}")
        self.execute(f"insert into {table} ({', '.join(names)}) with source as ({source}) {select}", parameters)
        self.execute(f"delete from {STAGING}")
        return int(self.scalar(f"select count(*) from {table}")) - int(before)

    def table_exists(self, table: str) -> bool:
        schema, name = table.split(".")
        return self.scalar("select count(*) from information_schema.tables where table_schema = ? and table_name = ?", [schema.upper(), name.upper()]) not in (
            0,
            None,
        )

    def column_names(self, table: str) -> set[str]:
        schema, name = table.split(".")
        found = self.rows("select column_name from information_schema.columns where table_schema = ? and table_name = ?", [schema.upper(), name.upper()])
        return {str(row["column_name"]).lower() for row in found}


class SnowflakeWarehouse(Warehouse):
    """The Snowflake database of the settings, for one piece of work. Login is by password (or access token) or by private key, never both."""

    dialect = "snowflake"

    def __init__(self, settings: Settings, work: Work = Work()) -> None:  # noqa: B008
        settings.require("snowflake_account", "snowflake_user", "snowflake_database")
        if settings.snowflake_private_key_path is None:
            settings.require("snowflake_password")
        elif settings.snowflake_password is not None:
            raise VimError(
                "VIM-E002", "SNOWFLAKE_PASSWORD and SNOWFLAKE_PRIVATE_KEY_PATH are both set", fix="Keep the one that this user logs in with and unset the other"
            )
        self.settings = settings
        self.work = work

    @property
    def virtual_warehouse(self) -> str | None:
        """The virtual warehouse of this piece of work; None is the user's default."""
        own = STEP_WAREHOUSES.get(self.work.step)
        return (getattr(self.settings, own) if own else None) or self.settings.snowflake_warehouse

    def session_parameters(self) -> dict[str, str | int | bool]:
        """What every session of ours sets: the query tag, the time limit, and what results could depend on."""
        return {"QUERY_TAG": self.work.tag(), "STATEMENT_TIMEOUT_IN_SECONDS": self.settings.snowflake_statement_timeout_seconds, **SESSION_PARAMETERS}

    def resource(self) -> SnowflakeResource:
        """The Dagster resource that opens connections (its import takes several seconds: only here)."""
        from dagster_snowflake import SnowflakeResource

        settings = self.settings
        options: dict[str, Any] = {"account": settings.snowflake_account, "user": settings.snowflake_user, "database": settings.snowflake_database}
        options |= self._login("private_key_password")
        options |= {key: value for key, value in {"warehouse": self.virtual_warehouse, "role": settings.snowflake_role}.items() if value}
        return SnowflakeResource(**options, additional_snowflake_connection_args=self._address() | {"session_parameters": self.session_parameters()})

    def _login(self, passphrase_key: str) -> dict[str, str]:
        """The secrets of a login as keyword arguments: `password`, or `private_key_path` and, where it is encrypted, its passphrase under `passphrase_key`."""
        settings = self.settings
        if settings.snowflake_private_key_path is None:
            assert settings.snowflake_password is not None
            return {"password": settings.snowflake_password.get_secret_value()}
        path = settings.snowflake_private_key_path.expanduser().resolve()
        passphrase = settings.snowflake_private_key_passphrase.get_secret_value() if settings.snowflake_private_key_passphrase else None
        check_private_key(path, passphrase)
        return {"private_key_path": str(path)} | ({passphrase_key: passphrase} if passphrase else {})

    def _address(self) -> dict[str, Any]:
        settings = self.settings
        address = {"host": settings.snowflake_host, "port": settings.snowflake_port, "protocol": settings.snowflake_protocol}
        return {key: value for key, value in address.items() if value is not None}

    @contextmanager
    def session(self, *, read_only: bool = False) -> Iterator[SnowflakeSession]:
        from snowflake.connector.errors import DatabaseError, OperationalError

        manager = self.resource().get_connection()
        try:
            connection = manager.__enter__()
        except (DatabaseError, OperationalError) as error:
            raise VimError(
                "VIM-E021", "Snowflake cannot be opened", why=str(error.msg or "").splitlines()[0] if error.msg else "", fix="Check the SNOWFLAKE_* settings"
            ) from None
        session = SnowflakeSession(connection)
        try:
            if not read_only:
                for schema in SCHEMAS:
                    session.execute(f"create schema if not exists {schema}")
                staged = ", ".join(f"c{number:02d} varchar" for number in range(STAGING_COLUMNS))
                session.execute(f"create table if not exists {STAGING} ({staged}, filename varchar)")
            try:
                yield session
            except BaseException:
                if session.is_in_transaction:
                    session.execute("rollback")
                raise
            if session.is_in_transaction:
                session.execute("commit")
        finally:
            manager.__exit__(None, None, None)

    def dbt_profile(self) -> dict[str, Any]:
        settings = self.settings
        profile: dict[str, Any] = {
            "type": "snowflake",
            "account": settings.snowflake_account,
            "user": settings.snowflake_user,
            "database": settings.snowflake_database,
            "schema": "base",
            "threads": 4,
            "warehouse": settings.snowflake_warehouse_transform or settings.snowflake_warehouse,
            "role": settings.snowflake_role,
            "query_tag": Work("transform").tag(),  # of what runs before and between models; each model's own tag names date and run (macros/session.sql)
        }
        return {key: value for key, value in (profile | self._login("private_key_passphrase") | self._address()).items() if value is not None}

    def dbt_session(self) -> str:
        """The parameters of `session_parameters` as the list of an ALTER SESSION SET: dbt-snowflake's profile takes none but the query tag."""
        return ", ".join(f"{name} = {_literal(value)}" for name, value in self.session_parameters().items())


def check_private_key(path: Path, passphrase: str | None) -> None:
    """Raise VIM-E002 unless `path` is a private key (PEM) that `passphrase` opens: what the connector says of either is a stack trace."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        content = path.read_bytes()
    except OSError as error:
        raise VimError(
            "VIM-E002",
            f"The private key file {path} cannot be read",
            why=error.strerror or "",
            fix="Correct SNOWFLAKE_PRIVATE_KEY_PATH, or give the pipeline's user the right to read the file",
        ) from None
    try:
        load_pem_private_key(content, passphrase.encode() if passphrase else None)
    except TypeError:  # cryptography's word for a passphrase too many or too few
        wanted = "is encrypted and no passphrase is set" if passphrase is None else "is not encrypted, but a passphrase is set"
        raise VimError(
            "VIM-E002",
            f"The private key file {path} {wanted}",
            fix="Set SNOWFLAKE_PRIVATE_KEY_PASSPHRASE" if passphrase is None else "Unset SNOWFLAKE_PRIVATE_KEY_PASSPHRASE",
        ) from None
    except Exception:
        raise VimError(
            "VIM-E002",
            f"The private key file {path} cannot be opened",
            why="It is not a PEM private key, or the passphrase is wrong",
            fix="Check SNOWFLAKE_PRIVATE_KEY_PASSPHRASE; docs/how-to/snowflake.md shows how to make a key",
        ) from None


def _literal(value: str | int | bool) -> str:
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value).lower()


def _write_as_text(files: Sequence[Path], target: Path) -> list[tuple[str, Any]]:
    """All rows of the Parquet files in one file with columns c00, c01, ... of text and `filename`; returns the columns' names and Arrow types."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {}
    for path in files:
        for field in pq.read_schema(path):
            columns.setdefault(field.name, field.type)
    if len(columns) > STAGING_COLUMNS:
        raise ValueError(f"{len(columns)} columns do not fit into {STAGING}")
    schema = pa.schema([*((f"c{number:02d}", pa.string()) for number in range(len(columns))), ("filename", pa.string())])
    with pq.ParquetWriter(target, schema) as writer:
        for path in files:
            table = pq.read_table(path)
            texts = [_text(table[name]) if name in table.column_names else pa.nulls(len(table), pa.string()) for name in columns]
            writer.write_table(pa.table([*texts, pa.array([str(path)] * len(table), pa.string())], schema=schema))
    return list(columns.items())


def _text(column: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", "UTC") if column.type.tz else pa.timestamp("us")).cast(pa.timestamp("us"))
    return column.cast(pa.string())


def _snowflake_type(arrow_type: Any) -> str:
    text = str(arrow_type)
    if text.startswith("decimal128"):
        return text.replace("decimal128", "number")
    for prefix, sql_type in (("timestamp", "timestamp_ntz"), ("date", "date"), ("int", "bigint"), ("double", "double"), ("bool", "boolean")):
        if text.startswith(prefix):
            return sql_type
    return "varchar"
