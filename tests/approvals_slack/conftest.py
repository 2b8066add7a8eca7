import shutil
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

for _folder in ("store", "approvals", "approvals_slack"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / _folder))

from approval_drafts import NOW  # noqa: E402
from slack_house import APP_TOKEN, BOT_TOKEN, CHANNEL, PEOPLE, SIGNING_SECRET, House, members  # noqa: E402

from vim_pipelines.approvals.people import add_person  # noqa: E402
from vim_pipelines.approvals.policy import load_policy  # noqa: E402
from vim_pipelines.sandbox.emulators.faults import Fault  # noqa: E402
from vim_pipelines.sandbox.emulators.slack import Conversation, SlackEmulator, serve_slack  # noqa: E402
from vim_pipelines.settings import Settings  # noqa: E402
from vim_pipelines.store import open_store  # noqa: E402
from vim_pipelines.vendors.http import RetryPolicy  # noqa: E402
from vim_pipelines.vendors.slack import SlackClient  # noqa: E402


@pytest.fixture(scope="session")
def new_home(tmp_path_factory):
    """A home whose store is migrated and knows the people, to be copied: migrating one for each test costs more than the tests."""
    home, policy = tmp_path_factory.mktemp("slack_home"), load_policy()
    store = open_store(Settings(home=home))
    for login, (role, user) in PEOPLE.items():
        add_person(store, policy, login, name=login.capitalize(), role=role, slack_user_id=user, email=f"{login}@vendor.example", by="test", now=NOW)
    store.engine.dispose()
    return home


@pytest.fixture
def house(tmp_path, new_home):
    """Served in this process; interactions are handed over by each test's own door."""
    home = shutil.copytree(new_home, tmp_path / "home")
    everybody = members()
    slack = SlackEmulator(members=everybody, channels=[Conversation(CHANNEL, "approvals", {member.user for member in everybody})])
    with serve_slack(slack) as served:
        settings = Settings(
            home=home,
            slack_bot_token=SecretStr(BOT_TOKEN),
            slack_app_token=SecretStr(APP_TOKEN),
            slack_signing_secret=SecretStr(SIGNING_SECRET),
            slack_base_url=f"{served.url}/api/",
        )
        store = open_store(settings)
        retry = RetryPolicy(attempts=3, base_seconds=0.001)
        client = SlackClient(BOT_TOKEN, base_url=settings.slack_base_url, timeout_seconds=3, retry=retry, sleep=lambda _: None)
        yield House(store, served, settings, client, load_policy())
        store.engine.dispose()


@pytest.fixture
def plan(house):
    """Plan faults of the emulator, by the path that they meet."""

    def planned(method, **fault):
        house.slack.app.faults.append(Fault.parse({"path": f"/api/{method}$", **fault}))

    return planned
