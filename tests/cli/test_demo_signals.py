"""The demo can be ended, however it was started."""

from __future__ import annotations

import signal

import pytest

from vim_pipelines.cli.demo import ended_by_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_of_a_script_hears_both_signals_after_its_night(number):
    """A shell without job control starts `demo &` deaf to SIGINT; Dagster then hands that deafness to SIGTERM."""
    from dagster._utils.interrupts import setup_interrupt_handlers

    before = {one: signal.signal(one, handler) for one, handler in ((signal.SIGINT, signal.SIG_IGN), (signal.SIGTERM, signal.SIG_DFL))}
    try:
        with ended_by_signals():
            setup_interrupt_handlers()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
