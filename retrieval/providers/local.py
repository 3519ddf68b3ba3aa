"""The embedding model that needs no network: all-MiniLM-L6-v2 on ONNX Runtime."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from ragadmin.errors import ConfigurationError
from retrieval.providers import minilm
from retrieval.providers.microbatch import MicroBatcher
from retrieval.providers.per_loop import PerLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

MODEL = "local:all-MiniLM-L6-v2"
# A run has one thread, which costs the least CPU; a worker's batches are run side by side instead.
BATCH_THREADS = min(os.cpu_count() or 1, 4)
# Texts share a run up to this many tokens: the values between layers then stay in the cache.
TOKENS_PER_RUN = 256
# A run reads all weights, which takes as long as computing about this many tokens of padding.
MOST_PADDING = 16


class LocalEmbedder:
    """Loads nothing until first asked."""

    model = MODEL
    dimension = minilm.DIMENSION
    max_tokens = minilm.MAX_TOKENS

    def __init__(self) -> None:
        self._loading = Lock()
        self._loaded: InferenceSession | None = None
        self._question_thread = ThreadPoolExecutor(1, thread_name_prefix="embed-question")
        self._batch_threads = ThreadPoolExecutor(BATCH_THREADS, thread_name_prefix="embed-batch")
        self._batchers = PerLoop(lambda: MicroBatcher(self._embed_here, self._question_thread))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Without truncation, so that it can count; without padding, so that nothing is wasted."""
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(minilm.package_folder() / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def count_tokens(self, text: str) -> int:
        """With the two that mark beginning and end, so that it can be held against `max_tokens`."""
        return len(self.tokenizer.encode(text).ids)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return self._embed(texts, self._batch_threads.map)

    async def embed_questions(self, texts: Sequence[str]) -> np.ndarray:
        rows = await self._batchers.get().embed(texts)
        return np.stack(rows) if rows else self._no_rows(0)

    async def close(self) -> None:
        """No connections: nothing to end."""

    def _embed_here(self, texts: Sequence[str]) -> np.ndarray:
        return self._embed(texts, map)

    def _embed(self, texts: Sequence[str], run_all: Callable[..., Iterable[None]]) -> np.ndarray:
        session = self._session()
        token_ids = [self._token_ids(text) for text in texts]
        vectors = self._no_rows(len(texts))

        def run(rows: list[int]) -> None:
            inputs = padded_inputs([token_ids[row] for row in rows])
            (vectors[rows],) = session.run(None, inputs)

        for _ in run_all(run, list(runs_by_length([len(ids) for ids in token_ids]))):
            pass
        return vectors

    def _no_rows(self, count: int) -> np.ndarray:
        return np.empty((count, self.dimension), np.float32)

    def _token_ids(self, text: str) -> list[int]:
        ids = self.tokenizer.encode(text).ids
        if len(ids) > self.max_tokens:
            # The last one marks the end.
            ids = [*ids[: self.max_tokens - 1], ids[-1]]
        return ids

    def _session(self) -> InferenceSession:
        with self._loading:
            if self._loaded is None:
                self._loaded = open_session()
            return self._loaded


def open_session() -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # The graph is as it should be; the extended level would fuse what is faster apart.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    path = minilm.ensure_model()
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ConfigurationError(
            f"The local embedding model in {path.parent} cannot be loaded: delete that folder, "
            "and it is built anew."
        ) from error


def runs_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Row numbers, longest first, in runs of texts of nearly the same length."""
    run: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        longest = lengths[run[0]] if run else lengths[row]
        too_many = (len(run) + 1) * longest > TOKENS_PER_RUN
        if run and (too_many or longest - lengths[row] > MOST_PADDING):
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def padded_inputs(token_ids: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
    shape = (len(token_ids), max(map(len, token_ids)))
    inputs = np.zeros(shape, np.int32)
    mask = np.zeros(shape, np.int32)
    for row, ids in enumerate(token_ids):
        inputs[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return {"input_ids": inputs, "attention_mask": mask}
