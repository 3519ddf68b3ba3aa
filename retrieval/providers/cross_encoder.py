"""Cross-encoders by fastembed: they read question and passage together, which orders better."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from ragadmin.errors import ConfigurationError
from retrieval.providers.fastembed_embeddings import cache_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastembed.rerank.cross_encoder import TextCrossEncoder

# Pairs of like length share a run; in larger ones they would only be padded to the longest.
BATCH_PAIRS = 8
MODEL_FILES = ("model.onnx", "onnx/model.onnx", "model_quantized.onnx", "onnx/model_quantized.onnx")


class CrossEncoder:
    """Reads question and passage together. From fastembed's cache, or a folder with the ONNX model.

    Loads nothing until first asked, and downloads nothing ever.
    """

    is_free = True
    provider = "fastembed"

    def __init__(self, name: str) -> None:
        self.name = name
        self._loading = Lock()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="rerank")

    async def score(self, question: str, texts: Sequence[str]) -> list[float]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._score, question, texts)

    async def close(self) -> None:
        """No connections: nothing to end."""

    def _score(self, question: str, texts: Sequence[str]) -> list[float]:
        with self._loading:
            encoder = self._encoder
        by_length = sorted(range(len(texts)), key=lambda n: len(texts[n]))
        ordered = [texts[n] for n in by_length]
        scores = encoder.rerank(question, ordered, batch_size=BATCH_PAIRS)
        return [score for _, score in sorted(zip(by_length, scores, strict=True))]

    @cached_property
    def _encoder(self) -> TextCrossEncoder:
        from fastembed.rerank.cross_encoder import TextCrossEncoder

        folder = Path(self.name)
        try:
            if folder.is_absolute():
                return _from_folder(folder)
            return TextCrossEncoder(
                self.name, cache_dir=str(cache_folder()), threads=1, local_files_only=True
            )
        except Exception as error:
            raise ConfigurationError(
                f"The reranker {self.name!r} cannot be loaded: {_advice(self.name)}"
            ) from error


def _from_folder(folder: Path) -> TextCrossEncoder:
    """With the files as the hub has them: the ONNX model, tokenizer.json, tokenizer_config.json."""
    from fastembed.common.model_description import ModelSource
    from fastembed.rerank.cross_encoder import TextCrossEncoder

    file = next((name for name in MODEL_FILES if (folder / name).is_file()), None)
    if file is None:
        raise FileNotFoundError(folder / MODEL_FILES[0])
    known = {model["model"].lower() for model in TextCrossEncoder.list_supported_models()}
    if str(folder).lower() not in known:
        TextCrossEncoder.add_custom_model(
            str(folder), sources=ModelSource(url=folder.as_uri()), model_file=file
        )
    return TextCrossEncoder(str(folder), specific_model_path=str(folder), threads=1)


def _advice(name: str) -> str:
    if Path(name).is_absolute():
        return f"the folder must hold {' or '.join(MODEL_FILES[:2])}, tokenizer.json and tokenizer_config.json."
    folder = cache_folder()
    return (
        f"it is not in {folder}. Where there is a network, fetch it with: python -c "
        f'"from fastembed.rerank.cross_encoder import TextCrossEncoder; '
        f"TextCrossEncoder('{name}', cache_dir='{folder}')\""
    )
