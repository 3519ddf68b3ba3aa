"""No test leaves the pool of connections smaller than it found it."""

from __future__ import annotations

import threading

from django.db import connection

from tests import lent


def test_what_a_thread_left_open_is_given_back_and_told():
    def ask():
        connection.ensure_connection()

    thread = threading.Thread(target=ask, name="forgetful")
    thread.start()
    thread.join()
    free = connection.pool.get_stats()["pool_available"]
    assert lent.take_back() == ["forgetful"]
    assert connection.pool.get_stats()["pool_available"] == free + 1
    assert lent.take_back() == []
