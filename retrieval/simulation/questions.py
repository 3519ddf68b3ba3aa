"""What is asked next: popular questions again and again, in the same words and in others, follow-ups,
and what no document answers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from retrieval.simulation.material import Material
    from retrieval.simulation.topics import Topic

PARAPHRASED, FOLLOWED_UP, ELSEWHERE, READS_ALL = 0.35, 0.1, 0.07, 0.7
# The nth most popular is asked 1/n as often as the first (Breslau et al. 1999 found about this of
# requests to the web).
ZIPF = 1.0
SOON = 3
FOLLOW_UPS = (
    "Can you give an example of that?",
    "Why is that?",
    "Are there exceptions to it?",
    "What else is there to know about it?",
    "Who can change that?",
)


@dataclass(frozen=True, slots=True)
class Planned:
    """`kind`: new, repeat, paraphrase, follow_up or elsewhere. `follows`: the number of a question that
    was planned before, whose conversation it goes on with."""

    number: int
    question: str
    kind: str
    access_levels: tuple[str, ...]
    is_followed: bool = False
    follows: int | None = None


class QuestionMaker:
    """The questions of one tenant's readers. The same for the same material and random numbers."""

    def __init__(self, material: Material, access_levels: Sequence[str], random: Random) -> None:
        self._random = random
        self._elsewhere = material.elsewhere
        self._levels = tuple(access_levels)
        # Popularity has nothing to do with the order of the documents.
        self._topics = random.sample(material.topics, len(material.topics))
        self._weights: dict[tuple[str, ...], tuple[list[Topic], list[float]]] = {}
        self._asked: dict[Topic, list[str]] = {}
        self._follow_ups: deque[tuple[int, Planned]] = deque()
        self._next = 0

    @property
    def has_topics(self) -> bool:
        return any(self._known_to(levels)[0] for levels in self._readers())

    def next(self) -> Planned:
        """Raises IndexError where no reader has anything to ask about."""
        number, self._next = self._next, self._next + 1
        if self._follow_ups and self._follow_ups[0][0] <= number:
            return self._follow_up(number, self._follow_ups.popleft()[1])
        levels = self._reader()
        if self._elsewhere and self._random.random() < ELSEWHERE:
            return Planned(number, self._random.choice(self._elsewhere), "elsewhere", levels)
        question, kind = self._word(self._choose(levels))
        is_followed = self._random.random() < FOLLOWED_UP
        planned = Planned(number, question, kind, levels, is_followed)
        if is_followed:
            self._follow_ups.append((number + self._random.randint(1, SOON), planned))
        return planned

    def _follow_up(self, number: int, before: Planned) -> Planned:
        question = self._random.choice(FOLLOW_UPS)
        levels = before.access_levels
        return Planned(number, question, "follow_up", levels, follows=before.number)

    def _reader(self) -> tuple[str, ...]:
        everything, first = self._readers()
        reads_all = self._random.random() < READS_ALL or not self._known_to(first)[0]
        return everything if reads_all else first

    def _readers(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Those who read everything, and those who read the first level only."""
        return self._levels, self._levels[:1]

    def _known_to(self, levels: tuple[str, ...]) -> tuple[list[Topic], list[float]]:
        """With the weights added up."""
        if levels not in self._weights:
            topics = [topic for topic in self._topics if topic.access_level in levels]
            weights = accumulate(1 / (rank + 1) ** ZIPF for rank in range(len(topics)))
            self._weights[levels] = topics, list(weights)
        return self._weights[levels]

    def _choose(self, levels: tuple[str, ...]) -> Topic:
        topics, cumulated = self._known_to(levels)
        return self._random.choices(topics, cum_weights=cumulated)[0]

    def _word(self, topic: Topic) -> tuple[str, str]:
        asked = self._asked.setdefault(topic, [])
        others = [wording for wording in topic.wordings if wording not in asked]
        if not asked:
            asked.append(topic.wordings[0])
            return asked[0], "new"
        if others and self._random.random() < PARAPHRASED:
            asked.append(others[0])
            return others[0], "paraphrase"
        return self._random.choice(asked), "repeat"
