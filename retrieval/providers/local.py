"""The embedding model that needs no network: all-MiniLM-L6-v2 on ONNX Runtime."""

from __future__ import annotations

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
    from collections.abc import Iterator, Sequence

    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

MODEL = "local:all-MiniLM-L6-v2"
# One question costs less CPU on one thread; a worker's batches are done sooner on two.
QUESTION_THREADS = 1
BATCH_THREADS = 2
# Small batches stay in the processor's cache; measured by benchmarks/embedding.py.
BATCH_TEXTS = 8
# How much of a batch may be padding before a new one is begun.
PADDING_SHARE = 0.1


class LocalEmbedder:
    """Loads nothing until first asked. A process that only asks questions loads one session."""

    model = MODEL
    dimension = minilm.DIMENSION
    max_tokens = minilm.MAX_TOKENS

    def __init__(self) -> None:
        self._loading = Lock()
        self._sessions: dict[int, InferenceSession] = {}
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="embed")
        self._batchers = PerLoop(lambda: MicroBatcher(self._run_questions, self._executor))

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
        return self._embed(texts, BATCH_THREADS)

    async def embed_questions(self, texts: Sequence[str]) -> np.ndarray:
        rows = await self._batchers.get().embed(texts)
        return np.stack(rows) if rows else self._no_rows(0)

    def _run_questions(self, texts: Sequence[str]) -> np.ndarray:
        return self._embed(texts, QUESTION_THREADS)

    def _embed(self, texts: Sequence[str], threads: int) -> np.ndarray:
        session = self._session(threads)
        token_ids = [self._token_ids(text) for text in texts]
        vectors = self._no_rows(len(texts))
        for rows in batches_by_length([len(ids) for ids in token_ids]):
            inputs = padded_inputs([token_ids[row] for row in rows])
            (vectors[rows],) = session.run(None, inputs)
        return vectors

    def _no_rows(self, count: int) -> np.ndarray:
        return np.empty((count, self.dimension), np.float32)

    def _token_ids(self, text: str) -> list[int]:
        ids = self.tokenizer.encode(text).ids
        if len(ids) > self.max_tokens:
            # The last one marks the end.
            ids = [*ids[: self.max_tokens - 1], ids[-1]]
        return ids

    def _session(self, threads: int) -> InferenceSession:
        with self._loading:
            if threads not in self._sessions:
                self._sessions[threads] = open_session(threads)
            return self._sessions[threads]


def open_session(threads: int) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # The arena keeps the largest batch's memory for ever.
    options.enable_cpu_mem_arena = False
    # Threads that spin between operators take the CPU from the web process beside them.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = minilm.ensure_model()
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ConfigurationError(
            f"The local embedding model in {path.parent} cannot be loaded: delete that folder, "
            "and it is built anew."
        ) from error


def batches_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Row numbers, longest first, in batches of texts of nearly the same length."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        too_short = batch and lengths[row] < lengths[batch[0]] * (1 - PADDING_SHARE)
        if too_short or len(batch) == BATCH_TEXTS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def padded_inputs(token_ids: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
    shape = (len(token_ids), max(map(len, token_ids)))
    inputs = np.zeros(shape, np.int32)
    mask = np.zeros(shape, np.int32)
    for row, ids in enumerate(token_ids):
        inputs[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return {"input_ids": inputs, "attention_mask": mask}
