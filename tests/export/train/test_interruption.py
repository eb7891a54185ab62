from __future__ import annotations

import pickle
import signal

import pytest

from export.train.interruption import Stopped, heard, unheard, whole


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_with_the_status_that_tells_of_it(number: signal.Signals, status: int) -> None:
    with pytest.raises(Stopped) as stopped:
        with heard():
            signal.raise_signal(number)
    assert (stopped.value.code, stopped.value.status, stopped.value.by) == (status, status, number.name)
    again = pickle.loads(pickle.dumps(stopped.value))  # it comes out of another process
    assert (type(again), again.status) == (Stopped, status)


def test_what_is_whole_is_ended_first() -> None:
    done = []

    def work() -> None:
        with heard(), whole():
            signal.raise_signal(signal.SIGTERM)
            done.append("to the end")

    with pytest.raises(Stopped):
        work()
    assert done == ["to the end"]


def test_a_fault_after_a_signal_is_the_signals() -> None:
    def work() -> None:
        with heard(), whole():
            signal.raise_signal(signal.SIGTERM)
            raise RuntimeError("the other worker has got it too and is gone")

    with pytest.raises(Stopped):
        work()


def test_without_a_signal_a_fault_is_itself() -> None:
    with pytest.raises(ValueError, match="a bug"), heard(), whole():
        raise ValueError("a bug")


def test_further_signals_break_nothing_off() -> None:
    done = []

    def work() -> None:
        with heard():
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                signal.raise_signal(signal.SIGTERM)
                done.append("saved")

    with pytest.raises(Stopped) as stopped:
        work()
    assert (done, stopped.value.by) == (["saved"], "SIGINT")


def test_what_held_before_holds_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with heard():
            assert signal.getsignal(signal.SIGTERM) is not before
            signal.raise_signal(signal.SIGINT)  # as under nohup
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, ignored)
    assert signal.getsignal(signal.SIGTERM) is before
    with heard():
        pass  # nothing is left of a signal that came earlier


def test_ctrl_c_waits_while_processes_are_started() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with unheard():
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
