"""The ONNX graph of a linear core: one `If` whose branches share every weight.

For a single hop (`T = 1`, the live case) the recurrences are three element-wise nodes each and all else runs on
`[B, n]`, so that products and biases fuse; for more hops everything is `[T, B, n]` and the recurrences are Scans. Both
do the same arithmetic in the same order.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper
from torch import nn

from export.graph import MICROSOFT, Float32, GraphWriter, Shape, array, described, finished
from export.models import phase
from export.models.bands import BAND_OF_BIN, BANDS, GROUPS
from export.models.linear import COMPRESSION, FLOOR, KEPT, LANES, LinearBlock, LinearCore

BLOCK = 64
"""Weights that share a scale, and inputs that do."""

_Film = tuple[str, str]
"""Names of scale and shift, `[B, width]` each."""


def linear_graph(core: LinearCore, *, int8: bool = False) -> onnx.ModelProto:
    """See `export.to_onnx.separator_graph`; `state [B, rows · width]`. `int8`: weights of 8 bits.

    Raises:
        onnx.checker.ValidationError: the graph is not valid (a fault of this file).
    """
    config, outer = core.config, GraphWriter()
    outer.add("Shape", ["spectrum"], "hops", start=1, end=2)
    outer.add("Equal", ["hops", outer.weight("one_hop", [1], np.int64)], "is_one_hop")
    rows, width = config.state_shape
    state: Shape = ["B", rows * width]
    outputs: dict[str, Shape] = {"mask": ["B", "T", config.bins], "active": ["B", "T"], "state_out": state}
    branches = {}
    for name, hopwise in (("then_branch", True), ("else_branch", False)):
        writer = outer.branch()
        mark = "_one" if hopwise else "_many"
        _Network(core, writer, mark, hopwise, int8).write()
        shapes = {key + mark: shape for key, shape in outputs.items()}
        branches[name] = helper.make_graph(writer.nodes, name, [], described(shapes))
    first, *others = outputs
    outer.add("If", ["is_one_hop"], first, *others, **branches)
    inputs: dict[str, Shape] = {
        "spectrum": ["B", "T", config.bins, 2], "query": ["B", config.query], "hint": ["B", 2], "state": state,
    }  # fmt: skip
    return finished(outer, "separator", inputs, outputs)


def quantised(weight: Float32) -> tuple[npt.NDArray[np.uint8], Float32]:
    """`[N, K]` → bytes `[N, blocks, BLOCK]` around 128 and scales `[N, blocks]`, as MatMulNBits wants them."""
    rows, columns = weight.shape
    padded = np.zeros((rows, -(-columns // BLOCK) * BLOCK), np.float32)
    padded[:, :columns] = weight
    blocks = padded.reshape(rows, -1, BLOCK)
    scales = np.abs(blocks).max(-1) / 127 + np.float32(1e-12)
    return (np.round(blocks / scales[..., None]) + 128).astype(np.uint8), scales.astype(np.float32)


def _interleaved(ones: list[Any], others: list[Any]) -> list[Any]:
    """one, other, one, other …; the ones alone where there are no others."""
    return [item for pair in zip(ones, others, strict=True) for item in pair] if others else list(ones)


def _tail_sizes(width: int) -> list[int]:
    """Of the row of slow means (filled to the width) and the row of the last bands."""
    fill = width - BANDS - 2 * LANES
    return [BANDS, LANES, LANES, *([fill] if fill else []), BANDS, width - BANDS]


@dataclass(slots=True)
class _Network:
    """Writes the network once, for one hop or for many; `mark` keeps the names of the two apart."""

    core: LinearCore
    graph: GraphWriter
    mark: str
    hopwise: bool
    int8: bool

    def write(self) -> None:
        core, config = self.core, self.core.config
        width = config.state_shape[1]
        firsts = [self._name(f"first_{index}") for index in range(config.blocks)]
        slow = [self._name(name) for name in ("old_bands", "old_levels", "old_weights")]
        filled = [self._name("slow_fill")] if width > BANDS + 2 * LANES else []
        last = [self._name("last_bands"), self._name("spare")]
        low = config.phase_bins
        past = [self._name("last_real"), self._name("last_imaginary")] if low else []
        past_fill = [self._name("low_fill")] if low and width > 2 * low else []
        used = [config.width] * config.blocks
        fills = [self._name(f"fill_{index}") for index in range(config.blocks)] if width > config.width else []
        sizes = _interleaved(used, [width - config.width] * len(fills)) + _tail_sizes(width)
        sizes += [low] * len(past) + [width - 2 * low] * len(past_fill)
        self._split("state", _interleaved(firsts, fills) + slow + filled + last + past + past_fill, sizes)
        features, relative_level, remembered = self._features([*slow, last[0], *past])
        modulation = self._modulation()
        x = self._linear(features, "bands_in", self._weights_in())
        level_in = self._weight("level_in", array(core.level_in.weight)[:, 0])
        level = self._node("Mul", [relative_level, level_in], "levels")
        x = self._node("Add", [x, level], "heard")
        lasts = []
        for index, block in enumerate(core.blocks):
            assert isinstance(block, LinearBlock)
            film = None if index < config.free_blocks else modulation[index - config.free_blocks]
            x, hidden = self._block(index, block, x, film, firsts[index])
            lasts.append(hidden)
        self._heads(self._modulated(x, modulation[-1], "out"))
        # what fills up a row was zero and stays so
        tail = [*remembered[:3], *filled, remembered[3], last[1], *remembered[4:], *past_fill]
        self._node("Concat", _interleaved(lasts, fills) + tail, "state_out", axis=-1)

    # --- small parts

    def _name(self, name: str) -> str:
        return name + self.mark

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        return self.graph.add(kind, inputs, self._name(output), **attributes)

    def _weight(self, name: str, value: object, dtype: type = np.float32) -> str:
        return self.graph.weight(name, value, dtype)  # type: ignore[arg-type]

    def _split(self, value: str, parts: list[str], sizes: list[int]) -> None:
        name = "sizes_" + "_".join(map(str, sizes))
        self.graph.add("Split", [value, self._weight(name, sizes, np.int64)], parts[0], *parts[1:], axis=-1)

    def _linear(self, value: str, name: str, layer: nn.Linear, *, rank_two: bool = False) -> str:
        if self.int8:
            return self._linear_int8(value, name, layer)
        weight = self._weight(name, array(layer.weight).T)
        bias = self._weight(f"{name}_bias", array(layer.bias))
        if self.hopwise or rank_two:
            return self._node("Gemm", [value, weight, bias], f"{name}_out")
        return self._node("Add", [self._node("MatMul", [value, weight], f"{name}_product"), bias], f"{name}_out")

    def _linear_int8(self, value: str, name: str, layer: nn.Linear) -> str:
        weights, scales = quantised(array(layer.weight))
        inputs = [value, self._weight(f"{name}_int8", weights, np.uint8), self._weight(f"{name}_scales", scales)]
        inputs += ["", "", self._weight(f"{name}_bias", array(layer.bias))]
        return self._node("MatMulNBits", inputs, f"{name}_out", domain=MICROSOFT, bits=8, block_size=BLOCK,
                          accuracy_level=4, K=layer.in_features, N=layer.out_features)  # fmt: skip

    def _scan(self, share: str, new: str, first: str, name: str) -> tuple[str, str]:
        """`h = h + share · (new - h)` from `first [B, n]`: all of it, and the last."""
        if self.hopwise:
            now = self._towards(self.graph, first, share, new, self._name(name))
            return now, now
        inner = GraphWriter()
        after = self._towards(inner, "before_t", "share_t", "new_t", "hop_t")
        inner.add("Identity", [after], "out_t")
        inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("before_t", "share_t", "new_t")]
        results = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in (after, "out_t")]
        body = helper.make_graph(inner.nodes, f"{name}_hop", inputs, results)
        last, every = self._name(f"{name}_last"), self._name(f"{name}_all")
        self.graph.add("Scan", [first, share, new], last, every, body=body, num_scan_inputs=2)
        return every, last

    @staticmethod
    def _towards(graph: GraphWriter, old: str, share: str, new: str, name: str) -> str:
        part = graph.add("Mul", [share, graph.add("Sub", [new, old], f"{name}_apart")], f"{name}_step")
        return graph.add("Add", [old, part], f"{name}_now")

    def _slow_mean(self, new: str, first: str, name: str) -> tuple[str, str]:
        """The same with a share of 1 - KEPT at every hop."""
        share = self._weight("slow_share", 1 - KEPT)
        if not self.hopwise:  # a Scan wants it once a hop
            zeros = self._node("Mul", [new, self._weight("zero", 0.0)], f"{name}_zeros")
            share = self._node("Add", [zeros, share], f"{name}_share")
        return self._scan(share, new, first, name)

    # --- parts of the network, as `export/models/linear.py` has them

    def _band_power(self) -> tuple[str, str]:
        """`spectrum [B, T, bins, 2]` → `[T, B, bands]` (one hop: `[B, bands]`), and the bins that are bands of their
        own, `[T, B, 2 · bins]`, real and imaginary parts in turn."""
        lead = [0] if self.hopwise else [0, 0]
        flat = self._weight(f"flat{self.mark}", [*lead, 2 * len(BAND_OF_BIN)], np.int64)
        if self.hopwise:
            spectrum = self._node("Reshape", ["spectrum", flat], "flat_spectrum")
        else:
            spectrum = self._node("Reshape", ["spectrum", flat], "flat_spectrum_bt")
            spectrum = self._node("Transpose", [spectrum], "flat_spectrum", perm=[1, 0, 2])
        groups = [self._name(f"group_{index}") for index in range(len(GROUPS))]
        self._split(spectrum, groups, [2 * count * width for count, width in GROUPS])
        sums = []
        for index, (count, width) in enumerate(GROUPS):
            shape = self._weight(f"group_shape_{index}{self.mark}", [*lead, count, 2 * width], np.int64)
            parts = self._node("Reshape", [groups[index], shape], f"parts_{index}")
            sums.append(self._node("ReduceSumSquare", [parts], f"sums_{index}", axes=[-1], keepdims=0))
        return self._node("Concat", sums, "power", axis=-1), groups[0]

    def _advance(self, low: str, now: str, past: list[str]) -> tuple[list[str], list[str]]:
        """`export.models.phase.advance` of `low [T, B, 2 · bins]` after the parts `past`, each `[B, bins]`: cosines and
        sines as long as the magnitudes `now` (their sign is left to the weights, see `_weights_in`), and the parts that
        are past after it."""
        bins = self.core.config.phase_bins
        real, imaginary = (self._every(low, at, 2 * bins, 2, f"low_{at}") for at in (0, 1))
        real_before, last_real = self._before(real, past[0], "real")
        imaginary_before, last_imaginary = self._before(imaginary, past[1], "imaginary")
        # (a + bi)(c - di) = (ac + bd) + (bc - ad)i
        products = [
            self._node("Mul", [one, other], f"phase_product_{number}")
            for number, (one, other) in enumerate(
                [(real, real_before), (imaginary, imaginary_before), (imaginary, real_before), (real, imaginary_before)]
            )
        ]
        turned = [
            self._node("Add", products[:2], "turned_real"),
            self._node("Sub", products[2:], "turned_imaginary"),
        ]
        squares = [self._node("Mul", [part, part], f"turned_square_{number}") for number, part in enumerate(turned)]
        floored = self._node("Add", [squares[0], self._weight("no_phase", phase.TINY)], "turned_floored")
        root = self._node("Sqrt", [self._node("Add", [floored, squares[1]], "turned_power")], "turned_length")
        wanted = self._node("Div", [self._every(now, 0, bins, 1, "now_low"), root], "wanted_length")
        advance = [self._node("Mul", [part, wanted], f"advance_{number}") for number, part in enumerate(turned)]
        return advance, [last_real, last_imaginary]

    def _every(self, value: str, first: int, stop: int, step: int, name: str) -> str:
        """Of the last axis `first`, `first + step`, … below `stop`."""
        axes = [self._weight(f"at_{at}", [at], np.int64) for at in (first, stop, -1, step)]
        return self._node("Slice", [value, *axes], name)

    def _weights_in(self) -> nn.Linear:
        """`bands_in` for phases that were not set against what a bin's centre turns by."""
        layer = copy.deepcopy(self.core.bands_in)
        with torch.no_grad():
            layer.weight[:, 3 * BANDS :] *= phase.turns(self.core.config.phase_bins).repeat(2)
        return layer

    def _features(self, old: list[str]) -> tuple[str, str, list[str]]:
        """Features, the level over its slow mean, and the pieces of state that follow `old`."""
        power, low = self._band_power()
        floored = self._node("Add", [power, self._weight("floor", FLOOR)], "floored")
        log_power = self._node("Log", [floored], "log_power")
        half = self._weight("half_compression", 0.5 * COMPRESSION)
        magnitude = self._node("Exp", [self._node("Mul", [log_power, half], "log_magnitude")], "magnitude")
        mean = self._node("ReduceMean", [magnitude], "mean", axes=[-1], keepdims=1)
        # one number a stream would be computed by other instructions alone than in a batch of sixteen
        means = self._node("Add", [mean, self._weight("lanes", np.zeros(LANES))], "mean_lanes")
        level = self._node("Log", [means], "level")
        ones = self._node("Add", [self._node("Mul", [means, self._weight("zero", 0.0)], "no_lanes"),
                                  self._weight("one", 1.0)], "one_lanes")  # fmt: skip
        levels, last_levels = self._slow_mean(level, old[1], "levels_sum")
        weights, last_weights = self._slow_mean(ones, old[2], "weights_sum")
        slow_level = self._node("Div", [levels, weights], "slow_level")
        gains = self._node("Exp", [self._node("Neg", [slow_level], "minus_level")], "gain_lanes")
        now = self._node("Mul", [magnitude, self._lane(gains, "gain")], "now")
        band_sums, last_sums = self._slow_mean(now, old[0], "bands_sum")
        slow_bands = self._node("Div", [band_sums, self._lane(weights, "weight")], "means")
        before, last_now = self._before(now, old[3], "bands")
        advance, lows = self._advance(low, now, old[4:]) if old[4:] else ([], [])
        stacked = self._node("Concat", [now, before, slow_bands, *advance], "stacked", axis=-1)
        centre = np.repeat([1.0, 0.0], [3 * BANDS, 2 * self.core.config.phase_bins])
        features = self._node("Sub", [stacked, self._weight("centre", centre)], "features")
        relative = self._lane(self._node("Sub", [level, slow_level], "relative_lanes"), "relative_level")
        return features, relative, [last_sums, last_levels, last_weights, last_now, *lows]

    def _lane(self, value: str, name: str) -> str:
        """The first of the lanes, all of which are the same."""
        self._split(value, [self._name(name), self._name(f"{name}_others")], [1, LANES - 1])
        return self._name(name)

    def _before(self, now: str, before: str, name: str) -> tuple[str, str]:
        """`now [T, B, n]` one hop earlier, and `[B, n]` of the last hop."""
        if self.hopwise:
            return before, now
        axis = self._weight("first_axis", [0], np.int64)
        first = self._node("Unsqueeze", [before, axis], f"{name}_before_first_hop")
        joined = self._node("Concat", [first, now], f"{name}_with_before", axis=0)
        start, stop = self._weight("from_0", [0], np.int64), self._weight("to_last", [-1], np.int64)
        earlier = self._node("Slice", [joined, start, stop, axis], f"{name}_before")
        final = self._node("Gather", [now, self._weight("last_index", -1, np.int64)], f"{name}_last", axis=0)
        return earlier, final

    def _modulation(self) -> list[_Film]:
        """(scale, shift) of every asked norm, each `[B, width]`; the 1 of "1 + scale" is folded into the bias, the hint
        into the shifts of the blocks."""
        core, width = self.core, self.core.config.width
        squares = self._node("Mul", ["query", "query"], "query_squares")
        mean = self._node("ReduceMean", [squares], "query_power", axes=[-1], keepdims=1)
        floored = self._node("Add", [mean, self._weight("tiny", 1e-6)], "query_floored")
        unit = self._node("Div", ["query", self._node("Sqrt", [floored], "query_root")], "unit_query")
        layer = copy.deepcopy(core.film)
        with torch.no_grad():
            layer.bias.unflatten(0, (core.asked, 2, width))[:, 0] += 1
        asked = self._linear(unit, "film", layer, rank_two=True)
        hint = np.zeros((core.asked, 2, width, 2), np.float32)
        hint[:-1, 1] = array(core.hint_in.weight)
        hinted = self._node("MatMul", ["hint", self._weight("hint_in", hint.reshape(-1, 2).T)], "hinted")
        both = self._node("Add", [asked, hinted], "modulation")
        names = [self._name(f"{kind}_{index}") for index in range(core.asked) for kind in ("scale", "shift")]
        self._split(both, names, [width] * len(names))
        return [(names[2 * index], names[2 * index + 1]) for index in range(core.asked)]

    def _normed(self, value: str, name: str) -> str:
        width = self.core.config.width
        ones, zeros = self._weight("norm_ones", np.ones(width)), self._weight("norm_zeros", np.zeros(width))
        return self._node("LayerNormalization", [value, ones, zeros], name, axis=-1, epsilon=1e-5)

    def _modulated(self, value: str, film: _Film, name: str) -> str:
        normed = self._normed(value, f"{name}_normed")
        scaled = self._node("Mul", [normed, film[0]], f"{name}_scaled")
        return self._node("Add", [scaled, film[1]], f"{name}_shifted")

    def _silu(self, value: str, name: str) -> str:
        return self._node("Mul", [value, self._node("Sigmoid", [value], f"{name}_sigmoid")], name)

    def _block(self, index: int, block: LinearBlock, x: str, film: _Film | None, first: str) -> tuple[str, str]:
        config, at = self.core.config, f"block_{index}"
        asked = self._normed(x, f"{at}_normed") if film is None else self._modulated(x, film, at)
        gates = self._linear(asked, f"{at}_recur_in", block.recur_in)
        gate, candidate, output = (self._name(f"{at}_{part}") for part in ("gate", "candidate", "output"))
        self._split(gates, [gate, candidate, output], [config.width] * 3)
        pass_in = self._node("Sigmoid", [gate], f"{at}_pass")
        heard, last = self._scan(pass_in, candidate, first, at)
        let_out = self._node("Mul", [heard, self._silu(output, f"{at}_open")], f"{at}_let_out")
        x = self._node("Add", [x, self._linear(let_out, f"{at}_recur_out", block.recur_out)], f"{at}_middle")
        inner = self._linear(self._normed(x, f"{at}_mlp_normed"), f"{at}_mlp_in", block.mlp_in)
        left, right = self._name(f"{at}_left"), self._name(f"{at}_right")
        self._split(inner, [left, right], [config.inner] * 2)
        gated = self._node("Mul", [self._silu(left, f"{at}_left_open"), right], f"{at}_gated")
        return self._node("Add", [x, self._linear(gated, f"{at}_mlp_out", block.mlp_out)], f"{at}_stream"), last

    def _heads(self, out: str) -> None:
        """Gains and activity by one product; the rows of a wide band stand once for each of its bins, which is cheaper
        than to spread its gain afterwards."""
        core, bins = self.core, self.core.config.bins
        both = nn.Linear(core.config.width, bins + 1)
        with torch.no_grad():
            both.weight.copy_(torch.cat([core.mask_out.weight[BAND_OF_BIN], core.active_out.weight]))
            both.bias.copy_(torch.cat([core.mask_out.bias[BAND_OF_BIN], core.active_out.bias]))
        heads = self._node("Sigmoid", [self._linear(out, "heads", both)], "heads")
        gains, active = self._name("gains"), self._name("sounding")
        if self.hopwise:
            self._split(heads, [gains, self._name("active")], [bins, 1])
            self._node("Unsqueeze", [gains, self._weight("hop_axis", [1], np.int64)], "mask")
        else:
            self._split(
                self._node("Transpose", [heads], "heads_bt", perm=[1, 0, 2]), [self._name("mask"), active], [bins, 1]
            )
            self._node("Squeeze", [active, self._weight("last_axis", [-1], np.int64)], "active")
