"""Writes all-MiniLM-L6-v2 as an ONNX graph: its architecture (BERT) is here, its weights come from a safetensors file.

The sizes are the model card's: 6 layers of 12 heads, 384 numbers for each token, and word pieces of an English
vocabulary. The same weights give the same bytes: nothing of the machine or the time is in them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

WIDTH: Final = 384
LAYERS: Final = 6
MIDDLE: Final = 4
"""The layer whose states are told beside the last one's: it knows more of words and less of the whole."""
_HEADS: Final = 12
_MOST_TOKENS: Final = 256
_EPSILON: Final = 1e-12
_OPSET: Final = 20  # the first with Gelu
_IR: Final = 10

Weights = Mapping[str, NDArray[Any]]


def write_graph(weights_file: Path, target: Path) -> None:
    """Write the graph.

    It maps ``ids`` and ``mask`` (texts x tokens, int64) to ``vectors`` (texts x 384, of length 1), and to the states of
    each token after the layers 4 (``middle``) and 6 (``last``).
    """
    graph = _Graph(load_file(weights_file))
    state = graph.embeddings()
    for layer in range(LAYERS):
        state = graph.layer(state, f"encoder.layer.{layer}.", "middle" if layer + 1 == MIDDLE else "")
    graph.node("Identity", [state], "last")
    graph.pooled("last")
    shape = ["texts", "tokens"]
    made = helper.make_graph(
        graph.nodes,
        "all-MiniLM-L6-v2",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("ids", "mask")],
        [
            helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", WIDTH]),
            *(helper.make_tensor_value_info(n, TensorProto.FLOAT, [*shape, WIDTH]) for n in ("middle", "last")),
        ],
        list(graph.constants.values()),
    )
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR, producer_name="tuneyard"
    )
    target.write_bytes(model.SerializeToString(deterministic=True))


class _Graph:
    """Nodes and constants, one method for each part of the architecture; each returns the name of what it makes."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def node(self, kind: str, inputs: list[str], name: str = "", **attributes: Any) -> str:
        output = name or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self._weights[name])

    def ints(self, *values: int) -> str:
        return self.constant("i" + "_".join(map(str, values)), np.array(values, dtype=np.int64))

    def embeddings(self) -> str:
        """Sum up the embeddings of words and of places; all tokens are of the one text, so its type is a constant."""
        table = self._weights["embeddings.position_embeddings.weight"][:_MOST_TOKENS]
        places = self.constant("places", table + self._weights["embeddings.token_type_embeddings.weight"][0])
        count = self.node("Shape", ["ids"], start=1, end=2)
        here = self.node("Slice", [places, self.ints(0), count, self.ints(0)])
        words = self.node("Gather", [self.weight("embeddings.word_embeddings.weight"), "ids"])
        return self.normed(self.node("Add", [words, here]), "embeddings.LayerNorm")

    def layer(self, state: str, name: str, output: str) -> str:
        query, key, value = (
            self.parted(self.linear(state, f"{name}attention.self.{part}")) for part in ("query", "key", "value")
        )
        scores = self.node("MatMul", [query, self.node("Transpose", [key], perm=[0, 1, 3, 2])])
        scale = self.constant("scale", np.array((WIDTH // _HEADS) ** -0.5, dtype=np.float32))
        weights = self.node("Softmax", [self.node("Add", [self.node("Mul", [scores, scale]), self.hidden()])], axis=-1)
        seen = self.node("Transpose", [self.node("MatMul", [weights, value])], perm=[0, 2, 1, 3])
        seen = self.node("Reshape", [seen, self.ints(0, 0, WIDTH)])
        added = self.node("Add", [self.linear(seen, f"{name}attention.output.dense"), state])
        state = self.normed(added, f"{name}attention.output.LayerNorm")
        inner = self.node("Gelu", [self.linear(state, f"{name}intermediate.dense")])
        added = self.node("Add", [self.linear(inner, f"{name}output.dense"), state])
        return self.normed(added, f"{name}output.LayerNorm", output)

    def parted(self, state: str) -> str:
        """Part each token's numbers among the heads: texts x heads x tokens x 32."""
        heads = self.node("Reshape", [state, self.ints(0, 0, _HEADS, WIDTH // _HEADS)])
        return self.node("Transpose", [heads], perm=[0, 2, 1, 3])

    def hidden(self) -> str:
        """Make what is added to the scores: nothing for tokens, so much less for padding that it is not seen."""
        if not any("hidden" in node.output for node in self.nodes):
            padding = self.node("Sub", [self.ints(1), "mask"])
            wide = self.node("Unsqueeze", [self.node("Cast", [padding], to=TensorProto.FLOAT), self.ints(1, 2)])
            self.node("Mul", [wide, self.constant("far", np.array(-1e9, dtype=np.float32))], "hidden")
        return "hidden"

    def linear(self, state: str, name: str) -> str:
        turned = self.constant(f"{name}.turned", self._weights[f"{name}.weight"].T)
        return self.node("Add", [self.node("MatMul", [state, turned]), self.weight(f"{name}.bias")])

    def normed(self, state: str, name: str, output: str = "") -> str:
        inputs = [state, self.weight(f"{name}.weight"), self.weight(f"{name}.bias")]
        return self.node("LayerNormalization", inputs, output, axis=-1, epsilon=_EPSILON)

    def pooled(self, state: str) -> str:
        """Take the mean of a text's tokens, and give it length 1."""
        mask = self.node("Unsqueeze", [self.node("Cast", ["mask"], to=TensorProto.FLOAT), self.ints(2)])
        total = self.node("ReduceSum", [self.node("Mul", [state, mask]), self.ints(1)], keepdims=0)
        mean = self.node("Div", [total, self.node("ReduceSum", [mask, self.ints(1)], keepdims=0)])
        length = self.node("ReduceL2", [mean, self.ints(1)], keepdims=1)
        least = self.constant("least", np.array(_EPSILON, dtype=np.float32))
        return self.node("Div", [mean, self.node("Max", [length, least])], "vectors")
