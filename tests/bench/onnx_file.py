"""The router's product as an ONNX file, for onnxruntime alone: the yardstick of one prediction.

Written in protobuf's wire format by hand: the graph has four nodes, and a library to build it would be one more to pin.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

_FLOAT: Final = 1
_INT64: Final = 7
_IR_VERSION: Final = 8
_OPSET: Final = 17


def router_graph(weights: NDArray[np.float32], bias: NDArray[np.float32]) -> bytes:
    """Return softmax(values @ weights[places] + bias).

    Inputs are ``places`` (n, int64) and ``values`` (1 x n, float32), the output is 1 x labels.
    """
    nodes = [
        _node("Gather", ["weights", "places"], "rows"),
        _node("MatMul", ["values", "rows"], "product"),
        _node("Add", ["product", "bias"], "scores"),
        _node("Softmax", ["scores"], "shares"),
    ]
    graph = b"".join(
        [
            *(_field(1, node) for node in nodes),
            _field(2, b"router"),
            _field(5, _tensor("weights", weights)),
            _field(5, _tensor("bias", bias)),
            _field(11, _value("places", _INT64, ["n"])),
            _field(11, _value("values", _FLOAT, [1, "n"])),
            _field(12, _value("shares", _FLOAT, [1, len(bias)])),
        ]
    )
    return _number(1, _IR_VERSION) + _field(7, graph) + _field(8, _field(1, b"") + _number(2, _OPSET))


def _node(operator: str, inputs: Sequence[str], output: str) -> bytes:
    names = b"".join(_field(1, name.encode()) for name in inputs)
    return names + _field(2, output.encode()) + _field(4, operator.encode())


def _tensor(name: str, values: NDArray[np.float32]) -> bytes:
    dims = b"".join(_number(1, size) for size in values.shape)
    return dims + _number(2, _FLOAT) + _field(8, name.encode()) + _field(9, values.astype("<f4").tobytes())


def _value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    sizes = [_number(1, size) if isinstance(size, int) else _field(2, size.encode()) for size in shape]
    dims = b"".join(_field(1, size) for size in sizes)
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, kind) + _field(2, dims)))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
