import shutil
import sys
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

for _folder in ("store", "approvals", "approvals_slack", "channels", "reporting"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / _folder))

from small_marts import BEFORE, NIGHT, fill, make_marts  # noqa: E402
from test_mail_channel import Mailbox, free_port  # noqa: E402

from vim_pipelines.approvals.people import add_person  # noqa: E402
from vim_pipelines.approvals.policy import load_policy  # noqa: E402
from vim_pipelines.reporting.figures import read_figures  # noqa: E402
from vim_pipelines.sandbox.emulators.faults import Fault  # noqa: E402
from vim_pipelines.sandbox.emulators.slack import BOT_TOKEN, Conversation, Member, SlackEmulator, serve_slack  # noqa: E402
from vim_pipelines.settings import Settings  # noqa: E402
from vim_pipelines.store import open_store  # noqa: E402
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse  # noqa: E402

NOW = datetime(2026, 6, 29, 6, 0)
DIRECTORS, SHARED = ("dora", "elif"), "C0DIGEST"


@pytest.fixture(scope="session")
def marts_file(tmp_path_factory):
    """Two nights of five customers: the sums fit on paper."""
    path = tmp_path_factory.mktemp("digest") / "night.duckdb"
    make_marts(path)
    fill(DuckDBWarehouse(path), nights=(BEFORE, NIGHT))
    return path


@pytest.fixture
def marts(marts_file, tmp_path):
    """A copy that a test may change."""
    return DuckDBWarehouse(Path(shutil.copy(marts_file, tmp_path / "night.duckdb")))


@pytest.fixture
def night(marts):
    with marts.session(read_only=True) as session:
        return read_figures(session)


@pytest.fixture(scope="session")
def new_digest_home(tmp_path_factory):
    """A store with two directors, a third who answers for one segment only, and a CSM."""
    home, policy = tmp_path_factory.mktemp("digest_home"), load_policy()
    store = open_store(Settings(home=home))
    for login, role, segments in (("dora", "director", ()), ("elif", "director", ()), ("simon", "director", ("smb",)), ("carl", "csm", ())):
        add_person(
            store, policy, login, name=login.title(), role=role, segments=segments, email=f"{login}@vendor.example", slack_user_id=f"U0{login.upper()}", by="test",
            now=NOW,
        )  # fmt: skip
    store.engine.dispose()
    return home


@pytest.fixture
def mailbox():
    from aiosmtpd.controller import Controller

    box = Mailbox()
    box.controller = Controller(box, hostname="127.0.0.1", port=free_port())
    box.controller.start()
    yield box
    box.controller.stop()


@pytest.fixture
def slack():
    members = [Member(f"U0{login.upper()}", login, f"{login}@vendor.example") for login in ("dora", "elif", "simon", "carl")]
    emulator = SlackEmulator(members=members, channels=[Conversation(SHARED, "digest", {member.user for member in members})])
    with serve_slack(emulator) as served:
        yield served


@pytest.fixture
def settings(tmp_path, new_digest_home, mailbox, slack):
    home = shutil.copytree(new_digest_home, tmp_path / "home")
    return Settings(
        home=home, smtp_host="127.0.0.1", smtp_port=mailbox.controller.port, smtp_security="none", mail_from="Value in Motion <vim@vendor.example>",
        smtp_timeout_seconds=5, slack_bot_token=SecretStr(BOT_TOKEN), slack_base_url=f"{slack.url}/api/", inbox_url="https://inbox.example/vim", digest_weekly="never",
    )  # fmt: skip


@pytest.fixture
def store(settings):
    store = open_store(settings)
    yield store
    store.engine.dispose()


@pytest.fixture
def plan_fault(slack):
    """Plan faults of the emulator, by the method that they meet."""

    def planned(method, **fault):
        slack.app.faults.append(Fault.parse({"path": f"/api/{method}$", **fault}))

    return planned
