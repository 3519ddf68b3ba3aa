"""What a door is. A new one is a function under `@door`, or under `@survey` when it is not about
one visitor and one canary; it joins the matrix by being imported in retrieval.canaries.run."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from retrieval.canaries.cast import Attempt, Cast

OK, LEAK, ERROR = "ok", "leak", "error"


@dataclass(frozen=True, slots=True)
class Sight:
    """What came out of a door. The canary's word in `text` is a leak, and so is whatever `granted`
    names: something done for a visitor who should have been refused. `broken` says why it could not
    be tried."""

    text: str = ""
    granted: str = ""
    broken: str = ""
    tried: int = 1

    def __add__(self, other: Sight) -> Sight:
        return add_up((self, other))


def add_up(sights: Iterable[Sight]) -> Sight:
    """All that came out, as one."""
    every = tuple(sights)
    return Sight(
        text="\n".join(sight.text for sight in every if sight.text),
        granted="; ".join(sight.granted for sight in every if sight.granted),
        broken="; ".join(sight.broken for sight in every if sight.broken),
        tried=sum(sight.tried for sight in every),
    )


NOTHING = Sight(tried=0)


@dataclass(frozen=True, slots=True)
class Verdict:
    status: str
    detail: str
    tried: int


@dataclass(frozen=True, slots=True)
class Door:
    """`shows_own`: owners find their own canary through it, or the door proves nothing.
    `within`: it also keeps access levels apart inside one tenant. `every_pair`: tried between all
    canaries, not once for each pair of isolation levels."""

    section: str
    title: str
    about: str
    probe: Callable[[Cast, Attempt], Sight]
    shows_own: bool = True
    within: bool = True
    every_pair: bool = True

    def try_foreign(self, cast: Cast, attempt: Attempt) -> Verdict:
        sight = self._look(cast, attempt)
        if sight.granted:
            return Verdict(LEAK, sight.granted, sight.tried)
        if attempt.target.shown_in(sight.text):
            return Verdict(LEAK, "The canary's secret word came out.", sight.tried)
        if sight.broken:
            return Verdict(ERROR, sight.broken, sight.tried)
        return Verdict(OK, "", sight.tried)

    def try_own(self, cast: Cast, attempt: Attempt) -> Verdict:
        sight = self._look(cast, attempt)
        if sight.broken:
            return Verdict(ERROR, f"Its own owner: {sight.broken}", sight.tried)
        if not attempt.target.shown_in(sight.text):
            return Verdict(ERROR, "Its own owner did not find the canary either.", sight.tried)
        return Verdict(OK, "", sight.tried)

    def _look(self, cast: Cast, attempt: Attempt) -> Sight:
        return _guarded(lambda: self.probe(cast, attempt))


@dataclass(frozen=True, slots=True)
class Survey:
    """Asked once, of the installation. Needs no canaries, so it comes before they are touched."""

    section: str
    title: str
    about: str
    look: Callable[[], Sight]

    def run(self) -> Verdict:
        sight = _guarded(self.look)
        status = LEAK if sight.granted else ERROR if sight.broken else OK
        return Verdict(status, sight.granted or sight.broken, sight.tried)


DOORS: list[Door] = []
SURVEYS: list[Survey] = []


def door(
    section: str,
    title: str,
    *,
    shows_own: bool = True,
    within: bool = True,
    every_pair: bool = True,
) -> Callable[[Callable[[Cast, Attempt], Sight]], Callable[[Cast, Attempt], Sight]]:
    """The function's docstring says on the page what is tried."""

    def register(probe: Callable[[Cast, Attempt], Sight]) -> Callable[[Cast, Attempt], Sight]:
        DOORS.append(Door(section, title, _about(probe), probe, shows_own, within, every_pair))
        return probe

    return register


def survey(section: str, title: str) -> Callable[[Callable[[], Sight]], Callable[[], Sight]]:
    def register(look: Callable[[], Sight]) -> Callable[[], Sight]:
        SURVEYS.append(Survey(section, title, _about(look), look))
        return look

    return register


def _about(function: Callable[..., Sight]) -> str:
    return " ".join(inspect.getdoc(function).split()) if function.__doc__ else ""  # type: ignore[union-attr]


def _guarded(look: Callable[[], Sight]) -> Sight:
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - whatever it is, the door was not tried
        lines = str(error).strip().splitlines()
        return Sight(broken=f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}")
