"""A batch changes how often Python collects, and leaves no trace of it."""

import gc

import pytest

from vim_pipelines.core.garbage import YOUNG, rare_collections


def test_thresholds_are_those_of_before_whatever_happens_inside():
    before = gc.get_threshold()
    with pytest.raises(RuntimeError), rare_collections():
        assert gc.get_threshold()[0] == YOUNG
        with rare_collections():
            pass
        assert gc.get_threshold()[0] == YOUNG
        raise RuntimeError
    assert gc.get_threshold() == before and before[0] != YOUNG


def test_a_decorated_batch_can_be_called_again():
    @rare_collections()
    def batch():
        return gc.get_threshold()[0]

    assert [batch(), batch()] == [YOUNG, YOUNG] and gc.get_threshold()[0] != YOUNG
