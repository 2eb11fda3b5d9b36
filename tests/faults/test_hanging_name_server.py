"""A name server that never answers: a look-up cannot be interrupted, and `live` ends in time all the same."""

import threading
import time

import pytest
from curl_cffi import CurlOpt

from r2k_pipeline.sources.http import FetchError, within
from r2k_pipeline.sources.yahoo import YahooSession


def test_what_cannot_be_interrupted_is_left_behind_a_moment_after_the_deadline() -> None:
    let_go, began = threading.Event(), time.monotonic()
    with pytest.raises(FetchError, match=r"no answer before the deadline.*name server"):
        within(began + 0.2, let_go.wait)
    assert time.monotonic() - began < 3
    (left,) = (thread for thread in threading.enumerate() if thread.name == "fetch")
    assert left.daemon, "it must not keep the process from ending"
    let_go.set()
    left.join(10)


def test_curl_does_not_wait_for_a_look_up_when_it_is_closed() -> None:
    """Its time limit ends a request; closing the handle waited for the look-up, wherever Python did it."""
    assert YahooSession().curl_options[CurlOpt.QUICK_EXIT] == 1
