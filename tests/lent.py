"""Connections that threads took from the pool. One that ends without giving its own back keeps it for
ever, silently: the pool has twelve, and whoever comes after the twelfth waits in vain."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from django.db.backends.signals import connection_created

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

_lent: dict[int, tuple[threading.Thread, BaseDatabaseWrapper]] = {}


def watch() -> None:
    connection_created.connect(_note, dispatch_uid="tests.lent")


def _note(connection: BaseDatabaseWrapper, **_: object) -> None:
    # Held here, because what a thread drops when it ends is gone for the pool.
    _lent[id(connection)] = threading.current_thread(), connection


def take_back() -> list[str]:
    """Gives back what threads that have ended left open. Their names."""
    left = []
    for key, (thread, connection) in list(_lent.items()):
        if thread.is_alive():
            continue
        del _lent[key]
        if connection.connection is not None:
            connection.inc_thread_sharing()
            connection.close()
            left.append(thread.name)
    return left
