"""Advice of the adapter for ONNX graphs."""

import pickle

import numpy as np
import onnx
from networks import onnx_graph as graph
from networks import started

import limelens as ll

NEEDS = ("onnx", "onnxruntime")
ROOMS = ("adapters/onnx.py", "adapters/onnx_graph.py")

helper, FLOAT, UINT8 = onnx.helper, onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8
rng = np.random.default_rng(0)
photo = rng.integers(0, 256, (6, 5, 3)).astype(np.uint8)
square = rng.integers(0, 256, (3, 5, 3)).astype(np.uint8)
large = rng.integers(0, 256, (12, 10, 3)).astype(np.uint8)


def labelled():
    """Return a graph with a label before the scores."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=FLOAT),
        helper.make_node("Flatten", ["floats"], ["scores"]),
        helper.make_node("Constant", [], ["label"], value_string="cat"),
    ]
    both = graph([None, 3, 6, 5], nodes=nodes)
    both.graph.output.insert(
        0, helper.make_tensor_value_info("label", onnx.TensorProto.STRING, None)
    )
    return both


def of(model, picture=photo, **how):
    return explain(picture, model, ll.Ablation(segmenter=ll.Grid(4)), **how)


made = graph([None, 3, 6, 5])
paired = graph(
    [None, 3, 6, 5],
    n_inputs=2,
    nodes=[
        helper.make_node("Add", ["pixels", "pixels1"], ["sum"]),
        helper.make_node("Flatten", ["sum"], ["scores"]),
    ],
)

CASES = [
    (
        "explain(photo, 'net.onnx')",
        {
            "limelens.from_onnx('net.onnx')": """
onnx.save(made, 'net.onnx')
of(limelens.from_onnx('net.onnx'))
"""
        },
    ),
    (
        "session = started(made); explain(photo, session)",
        {
            "limelens.from_onnx(session)": """
session = started(made)
of(limelens.from_onnx(session))
"""
        },
    ),
    (
        "explain(photo, made)",
        {
            "limelens.from_onnx(graph)": """
graph = made
of(limelens.from_onnx(graph))
"""
        },
    ),
    (
        "pickle.dumps(from_onnx(started(made)))",
        {
            'from_onnx("model.onnx")': """
onnx.save(made, 'model.onnx')
pickle.dumps(from_onnx("model.onnx"))
""",
        },
    ),
    (
        "from_onnx(paired)",
        {
            "session.run(None, {...})[0]": """
session = started(paired)
of(lambda batch: session.run(None, {name: np.moveaxis(batch, -1, 1).astype(np.float32)
                                    for name in ("pixels", "pixels1")})[0])
""",
        },
    ),
    (
        "of(from_onnx(graph([None, None, None, None])), square)",
        {
            'layout="channels_first"': """
of(from_onnx(graph([None, None, None, None]), layout="channels_first"), square)
""",
            'layout="channels_last"': """
of(from_onnx(graph([None, None, None, None]), layout="channels_last"), square)
""",
        },
    ),
    (
        "of(from_onnx(made), large)",
        {"size=(6, 5)": "of(from_onnx(made, size=(6, 5)), large)"},
    ),
    (
        "of(from_onnx(graph([None, 90])))",
        {
            "preprocess=lambda batch: ...": """
of(from_onnx(graph([None, 90]), preprocess=lambda batch: batch.reshape(len(batch), -1) / np.float32(255)))
""",
        },
    ),
    (
        "of(from_onnx(graph([None, 3, 6, 5], UINT8), scale=2.0))",
        {
            "preprocess=...": """
of(from_onnx(graph([None, 3, 6, 5], UINT8), preprocess=lambda batch: np.moveaxis(batch, -1, 1)))
""",
        },
    ),
    (
        "of(from_onnx(labelled()))",
        {
            "output=lambda outputs: outputs[1]": """
of(from_onnx(labelled(), output=lambda outputs: outputs[1]))
""",
        },
    ),
]
