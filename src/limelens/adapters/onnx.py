"""ONNX graphs, run by ONNX Runtime."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from limelens._checks.extras import needed
from limelens._checks.values import check_callable, check_choice, describe
from limelens._typing import Batch, ClassNames
from limelens.adapters.onnx_graph import DTYPES, LAYOUTS, Graph, Session, start_session
from limelens.adapters.outputs import Output, check_output_choice
from limelens.adapters.pixels import check_pixel_size, check_pixels, refuse_beside_preprocess
from limelens.engine.model import Model
from limelens.errors import InvalidInputError


def from_onnx(
    model: Any,
    *,
    preprocess: Callable[[Batch], Any] | None = None,
    scale: float | None = None,
    mean: ArrayLike | None = None,
    std: ArrayLike | None = None,
    size: int | Sequence[int] | None = None,
    output: Output = "softmax",
    layout: Literal["channels_first", "channels_last"] | None = None,
    channel_axis: int | None = -1,
    class_names: ClassNames = None,
) -> Model:
    """Make a model of an ONNX graph.

    Images keep the caller's layout and dtype; those of the graph, and its batch size, are read from
    the graph. If the batch size is fixed, the last batch is padded. The graph gets
    ``(image * scale - mean) / std``, resized to `size`. Scaling is done once for an image, not for
    every masked copy of it.

    Parameters
    ----------
    model : str, path, bytes, onnx.ModelProto or onnxruntime.InferenceSession
        A graph with one input. A session computes on its own device, anything else on the best
        device that ONNX Runtime has.
    preprocess : callable, optional
        Takes a batch `(n, *image.shape)` of the caller's own values and returns the graph's input.
        It replaces `scale`, `mean`, `std`, `size` and `layout`.
    scale : float, optional
        Factor of the pixels. None is 1/255 for uint8, 1/65535 for uint16, and 1 for floats and
        booleans. A graph that takes integers gets the pixels as they are.
    mean, std : float or sequence of float, optional
        Mean and deviation of every channel, in units of the scaled pixels.
    size : int or (int, int), optional
        Height and width of the graph's input. Images are resized bilinearly with antialiasing.
    output : str or callable
        "softmax", "sigmoid" or "raw" of the graph's first output, or a callable (list of all
        outputs) -> scores.
    layout : str, optional
        "channels_first" or "channels_last". None finds it from the shape of the graph's input.
    channel_axis : int or None
        Where images have their channels, as in `explain`; None for a volume without channels.
    class_names : sequence of str or mapping from int to str, optional
        Names of the score columns.

    Returns
    -------
    Model

    Raises
    ------
    InvalidInputError
        If an argument cannot be used, or the graph has several inputs.
    ImportError
        If ONNX Runtime is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from onnx import TensorProto, helper
    >>> pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 1, 1, 2])
    >>> scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 2])
    >>> node = helper.make_node("Flatten", ["pixels"], ["scores"])
    >>> graph = helper.make_graph([node], "flatten", [pixels], [scores])
    >>> graph = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    >>> model = from_onnx(graph, output="raw")
    >>> model(np.array([[[0, 255]]], np.uint8))
    array([[0., 1.]], dtype=float32)
    """
    if preprocess is not None:
        check_callable("preprocess", preprocess, "(batch) -> array")
        beside = {"scale": scale, "mean": mean, "std": std, "size": size, "layout": layout}
        refuse_beside_preprocess(beside)
    if layout is not None:
        check_choice("layout", layout, LAYOUTS)
    pixels, size = check_pixels(channel_axis, scale, mean, std), check_pixel_size(size)
    check_output_choice(output)
    session = _session(model)
    name, shape, dtype = _input_of(session.session)
    graph = Graph(
        session=session,
        name=name,
        shape=shape,
        dtype=dtype,
        pixels=pixels,
        preprocess=preprocess,
        size=size,
        layout=layout,
        output=output,
    )
    return Model(
        predict_fn=graph.predict,
        prepare=graph.prepare if preprocess is None else None,
        predict_prepared=graph.predict_prepared if preprocess is None else None,
        class_names=class_names,
    )


def _session(model: Any) -> Session:
    """Return a session of ONNX Runtime for a session, a graph or a file."""
    onnxruntime = needed("onnxruntime", "ONNX graphs need ONNX Runtime", "onnx")
    if isinstance(model, onnxruntime.InferenceSession):
        return Session(source=None, session=model)
    if hasattr(model, "SerializeToString"):
        source: str | bytes = model.SerializeToString()
    elif isinstance(model, (str, os.PathLike)) and Path(model).is_file():
        source = os.fspath(Path(model).resolve())
    elif isinstance(model, bytes):
        source = model
    else:
        raise InvalidInputError(
            "`model` must be the path of an ONNX file, a graph or an onnxruntime.InferenceSession; "
            f"got {describe(model)}" + (", where no file is." if isinstance(model, str) else ".")
        )
    try:
        return Session(source=source, session=start_session(source))
    except Exception as error:
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        raise InvalidInputError(
            f"`model` must be a graph that ONNX Runtime can load; {error}"
        ) from error


def _input_of(session: Any) -> tuple[str, tuple[int | None, ...], np.dtype[Any]]:
    """Return the name, the shape and the dtype of the graph's only input."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = [each.name for each in inputs]
        raise InvalidInputError(
            f"`model` must have one input; got {names}. Write predict_fn yourself: "
            "lambda batch: session.run(None, {...})[0]."
        )
    (only,) = inputs
    if only.type not in DTYPES:
        raise InvalidInputError(
            f"`model` must take an array of numbers; its input {only.name!r} is {only.type}."
        )
    shape = tuple(side if isinstance(side, int) else None for side in only.shape)
    return only.name, shape, np.dtype(DTYPES[only.type])
