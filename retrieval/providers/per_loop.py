"""One value for each event loop: what a loop owns cannot be used by another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")


class PerLoop(Generic[Value]):
    def __init__(self, make: Callable[[], Value]) -> None:
        self._make = make
        self._values: WeakKeyDictionary[asyncio.AbstractEventLoop, Value] = WeakKeyDictionary()

    def get(self) -> Value:
        """The running loop's own, made on first use."""
        loop = asyncio.get_running_loop()
        if loop not in self._values:
            self._values[loop] = self._make()
        return self._values[loop]

    def forget(self) -> Value | None:
        return self._values.pop(asyncio.get_running_loop(), None)
