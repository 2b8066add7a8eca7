import shutil
from datetime import datetime

import pytest
from inbox_world import NOW, Browser, add_people

from vim_pipelines.approvals import people
from vim_pipelines.inbox.app import make_app
from vim_pipelines.settings import Settings
from vim_pipelines.store import open_store


class AtNow(Settings):
    """Settings whose clock stands, so that nothing expires while a test runs."""

    def now(self) -> datetime:
        return NOW


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch):
    """The work factor of scrypt is tested in tests/approvals; here it would be most of the time."""
    monkeypatch.setitem(people.SCRYPT, "n", 2**4)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """A store with its people, made once: the migrations take longer than a test."""
    home = tmp_path_factory.mktemp("migrated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(people.SCRYPT, "n", 2**4)
        store = open_store(AtNow(home=home))
        add_people(store)
        store.engine.dispose()  # the last connection folds the write-ahead log into the file
    return home / "operations.db"


@pytest.fixture
def settings(tmp_path):
    return AtNow(home=tmp_path)


@pytest.fixture
def store(settings, migrated):
    shutil.copy(migrated, settings.home / "operations.db")
    store = open_store(settings, migrate=False)
    yield store
    store.engine.dispose()


@pytest.fixture
def app(settings, store):
    return make_app(settings, store)


@pytest.fixture
def browser(app):
    return Browser(app)


@pytest.fixture
def ada(app):
    browser = Browser(app)
    assert browser.log_in("ada").status_code == 303
    return browser


@pytest.fixture
def dora(app):
    browser = Browser(app)
    assert browser.log_in("dora").status_code == 303
    return browser


@pytest.fixture
def sam(app):
    browser = Browser(app)
    assert browser.log_in("sam").status_code == 303
    return browser
