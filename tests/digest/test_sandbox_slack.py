"""The Slack that `vimotion sandbox up` serves: anybody can be written to, and what they get can be looked at."""

import httpx
from pydantic import SecretStr

from vim_pipelines.reporting.digest.content import digest_of
from vim_pipelines.reporting.digest.slack import digest_blocks
from vim_pipelines.sandbox.night import environment, slack_beside
from vim_pipelines.settings import Settings
from vim_pipelines.vendors.slack import slack_client


def test_whoever_is_written_to_can_be_looked_at(tmp_path, night):
    with slack_beside(Settings(home=tmp_path)) as settings:
        client = slack_client(settings)
        address = settings.slack_base_url.removesuffix("api/")
        assert client.is_local and "Nobody was written to yet" in httpx.get(address, trust_env=False).text
        client.post(
            client.open_dm("U0ANYBODY"), "x", digest_blocks(digest_of(night, inbox_url=settings.inbox_url)), metadata={"event_type": "x", "event_payload": {}}
        )
        page = httpx.get(address, trust_env=False).text
        assert "D0ANYBODY" in page and "Briar &amp; Sons" in page and "Open inbox" in page and "&amp;amp;" not in page


def test_another_process_gets_its_address_and_a_workspace_that_is_set_up_is_left_alone(tmp_path):
    with slack_beside(Settings(home=tmp_path)) as settings:
        variables = environment(settings)
        assert variables["SLACK_BASE_URL"] == settings.slack_base_url and variables["SLACK_BOT_TOKEN"].startswith("xoxb-")
    own = Settings(home=tmp_path, slack_bot_token=SecretStr("xoxb-own"))
    with slack_beside(own) as settings:
        assert settings is own and "SLACK_BOT_TOKEN" not in environment(settings)
