"""A real cross-encoder of a few kilobytes, with its files as the hub has them.

Each word of the question is held against each of the passage: the score is the sum of each question
word's best cosine, over random word vectors. A word that the vocabulary lacks has the vector 0.
"""

from __future__ import annotations

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import BertProcessing

WIDTH = 64
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def write_cross_encoder(folder, words):
    """Of these words the score is made, of no others."""
    folder.mkdir(parents=True)
    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *words))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"model_max_length": 256, "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    onnx.save(_model(len(vocabulary)), folder / "model.onnx")
    return folder


def _model(size):
    vectors = np.random.default_rng(7).normal(size=(size, WIDTH)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[: len(SPECIAL)] = 0
    shape = ["texts", "tokens"]
    names = ("input_ids", "attention_mask", "token_type_ids")
    nodes = [
        helper.make_node("Gather", ["vectors", "input_ids"], ["words"]),
        helper.make_node("Cast", ["token_type_ids"], ["second"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["attention_mask"], ["present"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["second", "present"], ["is_passage"]),
        helper.make_node("Sub", ["present", "is_passage"], ["is_question"]),
        helper.make_node("Unsqueeze", ["is_passage", "last"], ["passage_mask"]),
        helper.make_node("Unsqueeze", ["is_question", "last"], ["question_mask"]),
        helper.make_node("Mul", ["words", "passage_mask"], ["passage"]),
        helper.make_node("Mul", ["words", "question_mask"], ["question"]),
        helper.make_node("Transpose", ["passage"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["question", "turned"], ["cosines"]),
        helper.make_node("ReduceMax", ["cosines", "last"], ["best"], keepdims=0),
        helper.make_node("ReduceSum", ["best", "one"], ["logits"], keepdims=1),
    ]
    graph = helper.make_graph(
        nodes,
        "cross-encoder",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in names],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", 1])],
        [
            numpy_helper.from_array(vectors, "vectors"),
            numpy_helper.from_array(np.array([-1], np.int64), "last"),
            numpy_helper.from_array(np.array([1], np.int64), "one"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model
