"""Logging in by a signed assertion: no secret to leak, and each of Salesforce's refusals sends a person to the right setting."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.sandbox.emulators.run import Running, start_emulators
from vim_pipelines.sandbox.emulators.salesforce import CLIENT_ID
from vim_pipelines.settings import Settings
from vim_pipelines.vendors.http import TransportOptions
from vim_pipelines.vendors.salesforce import SalesforceClient, client_from_settings
from vim_pipelines.vendors.salesforce_login import JwtBearer

USER = "audit@example.com"
Keys = tuple[Path, str]


def write_key(folder: Path, name: str) -> Keys:
    """An RSA key pair: the private key's file and the public key's text."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = folder / name
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return file, key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return write_key(tmp_path_factory.mktemp("keys"), "ours.pem")


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory, template: Path, keys: Keys) -> Iterator[Running]:
    folder = Path(shutil.copytree(template, tmp_path_factory.mktemp("org") / "sandbox"))
    with start_emulators(folder, ("salesforce",), options={"salesforce": {"public_key": keys[1], "username": USER}}) as running:
        yield running


def open_client(org: Running, options: TransportOptions, key: Path, **changed: Any) -> SalesforceClient:
    login = JwtBearer(**({"client_id": CLIENT_ID, "username": USER, "key_file": key} | changed))
    return SalesforceClient(org.url("salesforce"), CLIENT_ID, login=login, options=options)


def test_an_assertion_opens_the_org_and_a_spent_token_is_replaced(org: Running, options: TransportOptions, keys: Keys) -> None:
    import httpx

    with open_client(org, options, keys[0]) as client:
        assert len(list(client.query("SELECT Id FROM Account"))) == 4
        httpx.post(f"{org.url('salesforce')}/_sandbox/expire_tokens", trust_env=False)
        assert len(list(client.query("SELECT Id FROM Account"))) == 4
        assert client.request_count == 5, "token, query, refused query, token, query"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"audience": "https://example.com"}, "audience is invalid"),
        ({"username": "somebody@example.com"}, "hasn't approved"),
        ({"client_id": "another-app"}, "client identifier invalid"),
    ],
)
def test_a_refused_assertion_says_why_and_where_to_look(org: Running, options: TransportOptions, keys: Keys, changed: dict[str, str], said: str) -> None:
    with open_client(org, options, keys[0], **changed) as client, pytest.raises(VimError, match="VIM-E011") as caught:
        client.describe("Account")
    assert said in str(caught.value) and "SALESFORCE_PRIVATE_KEY_PATH" in str(caught.value)


def test_another_key_is_refused(org: Running, options: TransportOptions, tmp_path: Path) -> None:
    with open_client(org, options, write_key(tmp_path, "other.pem")[0]) as client, pytest.raises(VimError, match="VIM-E011 .*invalid assertion"):
        client.describe("Account")


@pytest.mark.parametrize(
    "spoil", [lambda file: file.unlink(), lambda file: file.write_text("-----BEGIN SECRET-----\nhunter2\n"), lambda file: file.write_bytes(b"\xff\x00")]
)
def test_a_key_file_that_is_none_is_one_message_without_its_content(
    org: Running, options: TransportOptions, tmp_path: Path, spoil: Callable[[Path], Any]
) -> None:
    file = write_key(tmp_path, "spoilt.pem")[0]
    spoil(file)
    with open_client(org, options, file) as client, pytest.raises(VimError, match="VIM-E002 The key file") as caught:
        client.describe("Account")
    assert "hunter2" not in str(caught.value) and "SALESFORCE_PRIVATE_KEY_PATH" in str(caught.value)


def test_the_settings_choose_the_flow(org: Running, options: TransportOptions, keys: Keys) -> None:
    """A key file is enough: an app that signs has no secret to give."""
    named = Settings(salesforce_base_url=org.url("salesforce"), salesforce_client_id=CLIENT_ID, salesforce_username=USER, salesforce_private_key_path=keys[0])
    with client_from_settings(named, options=options) as client:
        assert client.describe("Account")["name"] == "Account"
    with pytest.raises(VimError, match="VIM-E001 .*SALESFORCE_USERNAME"):
        client_from_settings(named.model_copy(update={"salesforce_username": None}))
    with pytest.raises(VimError, match="VIM-E001 .*SALESFORCE_CLIENT_SECRET"):
        client_from_settings(named.model_copy(update={"salesforce_private_key_path": None}))
