"""A part written as an ONNX file."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import torch

from export.sam_audio.graphs import Graph, Sizes, dimensions

OPSET = 20
MADE_WITH = Sizes(batch=2, frames=7, tokens=5, anchors=3)
"""Free axes of the example that a graph is made from: none is 1, which torch would bake in, and no two are equal."""
ONE_FILE_BYTES = 2_000_000_000
"""A protobuf ends at 2 GiB: weights beyond lie in a file of their own beside it."""


def write_graph(graph: Graph, folder: Path) -> tuple[str, ...]:
    """Write `graph` into `folder`; the names of the files it lies in, the graph's own first.

    Raises:
        OSError: a file cannot be written.
    """
    example = graph.example(MADE_WITH, torch.Generator().manual_seed(0))
    for chatty in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own, about names that it does not use and its insides
        program = torch.onnx.export(
            graph.part,
            tuple(example.values()),
            input_names=list(example),
            output_names=list(graph.outputs),
            dynamic_shapes=tuple(dimensions(graph.axes).get(name) for name in example),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # where in which Python file it came from: half of a small graph
    size = sum(weight.numel() * weight.element_size() for weight in graph.part.parameters())
    path = folder / graph.file
    program.save(path, external_data=size > ONE_FILE_BYTES)
    beside = path.with_name(path.name + ".data")
    return (path.name, beside.name) if beside.exists() else (path.name,)
