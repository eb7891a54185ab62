"""Arrays that lie on a GPU, put under each other there: ONNX Runtime copies nothing on a device but in a graph.

The graph is a `Concat`, behind a `Pad` for each array where their lengths differ. It is written here as the few bytes
of a protobuf message that it takes (field numbers: `onnx.proto3` of the ONNX project), since the engine is without the
package onnx.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime as ort

from engine.runtimes.graphs import Array

_IR_VERSION, _OPSET = 8, 13
_INT64 = 7
_INT_ATTRIBUTE = 2


def joining_graph(kind: int, rank: int, count: int, padded: bool) -> bytes:
    """A model of `count` inputs `x0 …` whose output `y` is all of them one after the other along the first axis.

    Args:
        kind: their element type, as ONNX numbers it (`OrtValue.element_type()`).
        rank: how many axes they have.
        count: 1 or more.
        padded: also inputs `p0 …`: how many zeros to put before and behind each axis of each, `int64[2 · rank]`.
    """
    inputs = [_value(f"x{number}", kind, rank) for number in range(count)]
    nodes, names = b"", [f"x{number}" for number in range(count)]
    if padded:
        inputs += [_value(f"p{number}", _INT64, 1) for number in range(count)]
        nodes = b"".join(
            _part(1, _node("Pad", [f"x{number}", f"p{number}"], f"z{number}")) for number in range(count)
        )  # fmt: skip
        names = [f"z{number}" for number in range(count)]
    axis = _part(1, b"axis") + _number(3, 0) + _number(20, _INT_ATTRIBUTE)
    nodes += _part(1, _node("Concat", names, "y") + _part(5, axis))
    graph = (
        nodes + _part(2, b"joining") + b"".join(_part(11, one) for one in inputs) + _part(12, _value("y", kind, rank))
    )
    return _number(1, _IR_VERSION) + _part(7, graph) + _part(8, _number(2, _OPSET))


def _node(operator: str, inputs: Sequence[str], output: str) -> bytes:
    read = b"".join(_part(1, name.encode()) for name in inputs)
    return read + _part(2, output.encode()) + _part(4, operator.encode())


def _value(name: str, kind: int, rank: int) -> bytes:
    """A tensor of any lengths."""
    lengths = _part(1, b"") * rank
    return _part(1, name.encode()) + _part(2, _part(1, _number(1, kind) + _part(2, lengths)))


def _part(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


def joined_arrays(parts: Sequence[Array], axis: int | None, length: int) -> Array:
    """The same with arrays, where the device is the host; one that is alone and long enough is not copied.

    Raises:
        ValueError: one is longer than `length`, or their shapes do not fit together.
    """
    first = parts[0]
    if len(parts) == 1 and (axis is None or first.shape[axis] == length):
        return first
    shape = [sum(len(part) for part in parts), *first.shape[1:]]
    if axis is not None:
        shape[axis] = length
    made, row = np.zeros(shape, first.dtype), 0
    for part in parts:
        made[(slice(row, row + len(part)), *map(slice, part.shape[1:]))] = part
        row += len(part)
    return made


class Joining:
    """Makes such graphs as they are needed, one for each kind and number of arrays, and runs them.

    Args:
        device: where the arrays lie, as `OrtValue` names it.
        provider: what runs there.
        options: of a session.
    """

    def __init__(self, device: str, provider: str, options: ort.SessionOptions) -> None:
        self._device, self._provider, self._options = device, provider, options
        self._sessions: dict[tuple[int, int, int, bool], ort.InferenceSession] = {}

    def joined(self, parts: Sequence[ort.OrtValue], axis: int | None, length: int) -> ort.OrtValue:
        """See `Graphs.joined`."""
        short = [0 if axis is None else length - part.shape()[axis] for part in parts]
        if min(short) < 0:
            raise ValueError(f"an array is longer than {length}")  # `Pad` would cut it
        if len(parts) == 1 and not short[0]:
            return parts[0]
        padded = any(short)
        session = self._session(parts[0].element_type(), len(parts[0].shape()), len(parts), padded)
        binding = session.io_binding()
        for number, part in enumerate(parts):
            binding.bind_ortvalue_input(f"x{number}", part)
            if padded:
                pads = np.zeros(2 * len(part.shape()), np.int64)
                if axis is not None:
                    pads[len(part.shape()) + axis] = short[number]
                binding.bind_cpu_input(f"p{number}", pads)  # where `Pad` reads them
        shape = [sum(part.shape()[0] for part in parts), *parts[0].shape()[1:]]
        if axis is not None:
            shape[axis] = length
        # Not in the session's own memory, of which each would keep as much as it ever needed.
        made = ort.OrtValue.ortvalue_from_shape_and_type(shape, parts[0].element_type(), self._device, 0)
        binding.bind_ortvalue_output("y", made)
        session.run_with_iobinding(binding)
        return made

    def _session(self, kind: int, rank: int, count: int, padded: bool) -> ort.InferenceSession:
        key = (kind, rank, count, padded)
        if key not in self._sessions:
            graph = joining_graph(kind, rank, count, padded)
            self._sessions[key] = ort.InferenceSession(graph, self._options, providers=[self._provider])
        return self._sessions[key]
