"""Pages of reference are made from the code; these tests say when one is not current any more."""

from __future__ import annotations

import re

import pytest

from tools.pictures import FOLDER as IMAGES
from tools.pictures import PICTURES
from tools.reference import FOLDER, PAGES, SETTING_PARTS, STATE_WORDS, STEP_WORDS
from vim_pipelines.approvals.states import TRANSITIONS


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_reference_says_what_the_code_says(name):
    assert (FOLDER / name).read_text() == PAGES[name](), "run `make reference`"


@pytest.mark.parametrize("name", PICTURES)
def test_a_drawing_shows_what_the_code_says(name):
    assert (IMAGES / name).read_text() == PICTURES[name](), "run `make reference`"


def test_every_state_and_every_step_is_explained_in_words():
    """A state without words is one that a person meets first."""
    assert set(STATE_WORDS) == set(TRANSITIONS.values())
    assert set(STEP_WORDS) == {action for _, action in TRANSITIONS}


def test_every_setting_stands_once_on_the_page():
    from vim_pipelines.settings import Settings, environment_variable

    said = re.findall(r"^\| `([A-Z_0-9]+)` \|", (FOLDER / "settings.md").read_text(), re.MULTILINE)
    assert sorted(said) == sorted(environment_variable(name) for name in Settings.model_fields)
    assert len({title for title, _ in SETTING_PARTS}) == len(SETTING_PARTS)


def test_every_slice_of_the_house_is_in_its_description():
    """Whoever looks for a rule starts from this table."""
    page = (FOLDER.parent / "explanation" / "house.md").read_text()
    package = FOLDER.parents[1] / "vim_pipelines"
    slices = {path.name for path in package.iterdir() if path.name != "__init__.py" and (path.suffix == ".py" or (path / "__init__.py").is_file())}
    assert sorted(name for name in slices if f"`{name}`" not in page and f"`{name}/`" not in page) == []
