"""How the pipeline presents itself to Snowflake: login by key, what each session sets, and which virtual warehouse does the work.

The login is watched where it arrives, at an HTTP server in Snowflake's place that checks the token as Snowflake's documents say
(https://docs.snowflake.com/en/developer-guide/sql-api/authenticating: issuer ACCOUNT.USER.SHA256:fingerprint, subject ACCOUNT.USER).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fakesnow_shims import emulator

from vim_pipelines.core.errors import VimError
from vim_pipelines.settings import Settings
from vim_pipelines.transform.project import dbt_environment, write_profile
from vim_pipelines.warehouse import Work, open_warehouse
from vim_pipelines.warehouse.snowflake import SESSION_PARAMETERS, SnowflakeWarehouse

PASSPHRASE = "correct horse battery"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def write_key(key: rsa.RSAPrivateKey, path: Path, passphrase: str | None = None) -> Path:
    encryption = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    return path


def settings(home: Path, **options: Any) -> Settings:
    known = {"warehouse": "snowflake", "snowflake_account": "myorg-myaccount", "snowflake_user": "vim_pipeline", "snowflake_database": "VIM"}
    return Settings(home=home, **(known | options))  # type: ignore[arg-type]


@pytest.fixture
def logins() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Port of a server that refuses every login, as Snowflake refuses a wrong token, and the bodies of the logins that it saw."""
    seen: list[dict[str, Any]] = []

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(json.loads(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)["data"])
            answer = json.dumps({"success": False, "code": "390144", "message": "JWT token is invalid.", "data": {}}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], seen
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_key_login_sends_the_token_that_snowflake_documents(
    key: rsa.RSAPrivateKey, logins: tuple[int, list[dict[str, Any]]], tmp_path: Path, passphrase: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_CNXN_RETRY_ATTEMPTS", "1")
    port, seen = logins
    options = {"snowflake_host": "localhost", "snowflake_port": port, "snowflake_protocol": "http", "snowflake_private_key_passphrase": passphrase}
    reach = settings(tmp_path, snowflake_private_key_path=write_key(key, tmp_path / "key.p8", passphrase), **options)
    with pytest.raises(VimError, match="JWT token is invalid") as caught, open_warehouse(reach, Work("signals", "2026-06-28", "run-1")).session():
        pass
    assert caught.value.code == "VIM-E021"
    login = seen[0]
    assert login["AUTHENTICATOR"] == "SNOWFLAKE_JWT" and "PASSWORD" not in login
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(public).digest()).decode()
    claims = jwt.decode(login["TOKEN"], key.public_key(), algorithms=["RS256"], issuer=f"MYORG-MYACCOUNT.VIM_PIPELINE.{fingerprint}")
    assert claims["sub"] == "MYORG-MYACCOUNT.VIM_PIPELINE"
    parameters = login["SESSION_PARAMETERS"]
    assert {name: parameters[name] for name in SESSION_PARAMETERS} == SESSION_PARAMETERS
    assert json.loads(parameters["QUERY_TAG"]) == {"app": "value-in-motion", "step": "signals", "as_of": "2026-06-28", "run_id": "run-1"}
    assert parameters["STATEMENT_TIMEOUT_IN_SECONDS"] == 3600
    if passphrase:
        assert passphrase not in json.dumps(seen)


def test_a_night_can_be_run_with_a_key(key: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    """The emulator takes any login; here it matters that nothing on the way needs a password."""
    with emulator(tmp_path) as reach:
        options = {name: value for name, value in reach.items() if name not in ("warehouse", "snowflake_password")}
        reached = settings(tmp_path, **(options | {"snowflake_private_key_path": write_key(key, tmp_path / "key.p8")}))
        with open_warehouse(reached).session() as session:
            session.ensure_table("raw.numbers", {"n": "bigint"})
            session.execute("insert into raw.numbers values (1)")
            assert session.scalar("select count(*) from raw.numbers") == 1


@pytest.mark.parametrize(
    ("make", "given", "said"),
    [
        (None, None, "cannot be read"),
        ("not a key", None, "cannot be opened"),
        (PASSPHRASE, None, "is encrypted and no passphrase is set"),
        (PASSPHRASE, "wrong", "cannot be opened"),
        ("", "superfluous", "is not encrypted, but a passphrase is set"),
    ],
)
def test_a_key_that_does_not_open_is_one_error_with_the_fix(key: rsa.RSAPrivateKey, tmp_path: Path, make: str | None, given: str | None, said: str) -> None:
    """The connector's own word is a stack trace from the cryptography library, ten lines before the cause."""
    path = tmp_path / "key.p8"
    if make == "not a key":
        path.write_text("-----BEGIN PUBLIC KEY-----\nMIIB\n")
    elif make is not None:
        write_key(key, path, make or None)
    reach = settings(tmp_path, snowflake_private_key_path=path, snowflake_private_key_passphrase=given)
    for attempt in (lambda: open_warehouse(reach).session().__enter__(), lambda: write_profile(reach, open_warehouse(reach))):
        with pytest.raises(VimError, match=said) as caught:
            attempt()
        assert caught.value.code == "VIM-E002" and str(path) in str(caught.value)
        assert PASSPHRASE not in str(caught.value) and "superfluous" not in str(caught.value)


def test_a_passphrase_never_reaches_the_disk(key: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    path = write_key(key, tmp_path / "key.p8", PASSPHRASE)
    reach = settings(tmp_path, snowflake_private_key_path=path, snowflake_private_key_passphrase=PASSPHRASE)
    text = (write_profile(reach, open_warehouse(reach)) / "profiles.yml").read_text()
    assert PASSPHRASE not in text and "BEGIN" not in text
    output = yaml.safe_load(text)["value_in_motion"]["outputs"]["vim"]
    assert output["private_key_path"] == str(path)
    assert output["private_key_passphrase"] == "{{ env_var('DBT_ENV_SECRET_VIM_KEY_PASSPHRASE') }}"
    assert dbt_environment(reach)["DBT_ENV_SECRET_VIM_KEY_PASSPHRASE"] == PASSPHRASE
    assert "password" not in output


def test_password_and_key_together_are_refused(key: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    reach = settings(tmp_path, snowflake_private_key_path=write_key(key, tmp_path / "key.p8"), snowflake_password="secret-one")
    with pytest.raises(VimError, match="SNOWFLAKE_PRIVATE_KEY_PATH are both set") as caught:
        open_warehouse(reach)
    assert "secret-one" not in str(caught.value)


def test_neither_password_nor_key_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(VimError, match="SNOWFLAKE_PASSWORD"):
        open_warehouse(settings(tmp_path))


def test_each_step_works_on_its_own_virtual_warehouse_where_one_is_named(tmp_path: Path) -> None:
    reach = settings(
        tmp_path, snowflake_password="x", snowflake_warehouse="WH", snowflake_warehouse_ingestion="LOAD", snowflake_warehouse_signals="SMALL",
        snowflake_warehouse_transform="BIG", snowflake_warehouse_rollups="HUGE",
    )  # fmt: skip
    chosen = {
        step: SnowflakeWarehouse(reach, Work(step)).resource().warehouse for step in ("ingestion", "transform", "signals", "lifecycle", "operations", "other")
    }
    assert chosen == {"ingestion": "LOAD", "transform": "BIG", "signals": "SMALL", "lifecycle": "SMALL", "operations": "SMALL", "other": "WH"}
    assert SnowflakeWarehouse(reach).dbt_profile()["warehouse"] == "BIG"
    assert dbt_environment(reach)["VIM_DBT_ROLLUP_WAREHOUSE"] == "HUGE"
    plain = settings(tmp_path, snowflake_password="x", snowflake_warehouse="WH")
    assert {SnowflakeWarehouse(plain, Work(step)).virtual_warehouse for step in ("ingestion", "transform", "signals", "other")} == {"WH"}
    assert "VIM_DBT_ROLLUP_WAREHOUSE" not in dbt_environment(settings(tmp_path, snowflake_password="x"))


def test_the_list_for_alter_session_survives_quotes(tmp_path: Path) -> None:
    """A run id comes from outside this package; a quote in it must not end the literal."""
    text = SnowflakeWarehouse(settings(tmp_path, snowflake_password="x"), Work("transform", "2026-06-28", "a'; drop table x; --")).dbt_session()
    assert r"a\'; drop table x; --" in text and "a'; drop" not in text.replace(r"\'", "")
    assert "WEEK_START = 1" in text and "QUOTED_IDENTIFIERS_IGNORE_CASE = false" in text and "TIMEZONE = 'UTC'" in text


def test_a_manifest_does_not_change_with_the_date_of_the_query_tag(tmp_path: Path) -> None:
    """A tag in the profile that named the night would make dbt parse the whole project every night."""
    reach = settings(tmp_path, snowflake_password="x")
    folder = write_profile(reach, open_warehouse(reach, Work("transform", "2026-06-27")))
    before = (folder / "profiles.yml").stat().st_mtime_ns
    write_profile(reach, open_warehouse(reach, Work("transform", "2026-06-28")))
    assert (folder / "profiles.yml").stat().st_mtime_ns == before
