"""What a model's name asks of the stub.

mock                             0.3 s to the first token, then the best sentences at 20 ms a token
mock-<ttft_ms>-<tokens>-<delay_ms>   that pace, and exactly that many tokens
mock-error-<status>              an error of that HTTP status
mock-error-<status>-<seconds>    the same, with Retry-After
mock-garbage                     200 with something that is neither JSON nor a readable stream
mock-drop-<n>                    closes the connection after n tokens
mock-hang                        accepts the request and never answers
mock-mute                        begins a stream, and says nothing in it
mock-echo                        answers with the messages that it was sent, as JSON
mock-obey                        says what a passage orders with SAY:, as a model that is taken in would
mock-badcite                     cites [99] beside a passage that is there
mock-embedding-<ms>-<dimension>  vectors of that length, after that time; with -refusing at its end
                                 none for a text that holds the word unembeddable
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PACE = re.compile(r"mock-(\d+(?:\.\d+)?)-(\d+)-(\d+(?:\.\d+)?)")
FAILURE = re.compile(
    r"mock-(error|drop)-(\d+)(?:-(\d+))?|mock-(garbage|hang|mute|badcite|echo|obey)"
)
EMBEDDING = re.compile(r"mock-embedding-(\d+)-(\d+)(-refusing)?")
# The installation's default models among them: the stub stands in for those too.
LISTED = (
    "mock",
    "gpt-4o-mini",
    "gpt-4o",
    "mock-0-60-0",
    "mock-500-60-25",
    "mock-error-500",
    "mock-error-429",
    "mock-garbage",
    "mock-drop-10",
    "mock-hang",
    "mock-mute",
    "mock-echo",
    "mock-obey",
    "mock-badcite",
    "mock-embedding",
)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`tokens` None: as many as the answer needs. `failure`: how this model goes wrong, if it does."""

    first_token_s: float
    tokens: int | None
    delay_s: float
    failure: str = ""
    failure_value: int = 0
    retry_after_s: int = 0


def read_name(model: str) -> Behaviour:
    """An unknown name answers like `mock`, so that any configured model can be stood in for."""
    name = model.rsplit("/", 1)[-1]
    if pace := PACE.fullmatch(name):
        first, tokens, delay = pace.groups()
        return Behaviour(float(first) / 1000, int(tokens), float(delay) / 1000)
    if failure := FAILURE.fullmatch(name):
        kind, value, seconds, plain = failure.groups()
        return Behaviour(0, None, 0.005, kind or plain, int(value or 0), int(seconds or 0))
    return Behaviour(0.3, None, 0.02)


@dataclass(frozen=True, slots=True)
class EmbeddingBehaviour:
    """`dimension` 0: the usual one."""

    delay_s: float = 0.0
    dimension: int = 0
    is_refusing: bool = False


def read_embedding_name(model: str) -> EmbeddingBehaviour:
    found = EMBEDDING.fullmatch(model)
    if found is None:
        return EmbeddingBehaviour()
    milliseconds, dimension, refusing = found.groups()
    return EmbeddingBehaviour(float(milliseconds) / 1000, int(dimension), bool(refusing))
