"""Checks of models; errors name the adapter for an object of a framework."""

import os
from pathlib import PurePath
from typing import Any

from limelens._checks.values import check_callable
from limelens.errors import InvalidInputError

FRAMEWORKS = (
    # A base class by module and name, what its objects are called, and the call to use. The first
    # base class that fits is taken.
    ("keras.", "Layer", "a Keras model", "from_keras(model)"),
    ("tf_keras.", "Layer", "a Keras model", "from_keras(model), of Keras 3"),
    ("transformers.", "Pipeline", "a pipeline of transformers", "from_transformers(pipeline)"),
    (
        "transformers.",
        "PreTrainedModel",
        "a model of transformers",
        "from_transformers(model, processor)",
    ),
    ("onnxruntime.", "InferenceSession", "a session of ONNX Runtime", "from_onnx(session)"),
    ("onnx.", "ModelProto", "an ONNX graph", "from_onnx(graph)"),
    ("torch.", "Module", "a PyTorch network", "from_torch(net)"),
)

FILES = {
    ".onnx": "from_onnx({!r})",
    ".keras": "from_keras(keras.saving.load_model({!r}))",
    ".h5": "from_keras(keras.saving.load_model({!r}))",
    ".pt": "from_torch(net), with the network loaded first: net = torch.load({!r})",
    ".pth": "from_torch(net), with the network loaded first: net = torch.load({!r})",
    ".joblib": "from_sklearn(joblib.load({!r}))",
}


def check_model(name: str, value: object, returns: str = "scores") -> Any:
    """Return `value` if it is a function from a batch to scores, or to what `returns` names.

    Raises
    ------
    InvalidInputError
        Otherwise. For a network, an estimator, a file or an address, the message names the adapter
        that makes a model of it.

    Examples
    --------
    >>> check_model("predict_fn", "net.onnx")
    Traceback (most recent call last):
    limelens.errors.InvalidInputError: `predict_fn` must be a callable (batch) -> scores; got
    'net.onnx'. Make a model of it: limelens.from_onnx('net.onnx').
    """
    kind, call = adapter_of(value)
    if call is not None:
        msg = f"`{name}` must be a callable (batch) -> {returns}; got {kind}. "
        msg += f"Make a model of it: limelens.{call}."
        if returns != "scores":
            msg += " Its argument `output` says what it is to return."
        if callable(value):
            msg += f" If it takes NumPy batches itself, pass {name}=lambda batch: model(batch)."
        raise InvalidInputError(msg)
    return check_callable(name, value, f"(batch) -> {returns}")


def adapter_of(value: object) -> tuple[str, str | None]:
    """Return the kind of a framework's object in words, and the call of its adapter.

    For anything else this is "" and None. It is not described, because the repr of a large model
    can take longer than a small explanation. Frameworks are recognised by the names of their
    classes, so that none has to be imported.

    Examples
    --------
    >>> adapter_of("http://127.0.0.1/predict")
    ("'http://127.0.0.1/predict'", "from_http('http://127.0.0.1/predict')")
    """
    if isinstance(value, type):
        return "", None
    if isinstance(value, (str, os.PathLike)):
        return repr(value), _call_for_path(os.fspath(value))
    for base in type(value).__mro__:
        for module, name, kind, call in FRAMEWORKS:
            if base.__name__ == name and f"{base.__module__}.".startswith(module):
                made_by_timm = name == "Module" and getattr(value, "pretrained_cfg", None)
                call = "from_timm(net)" if made_by_timm else call
                return f"{kind}, {type(value).__name__}", call
    if hasattr(value, "fit") and any(hasattr(value, name) for name in ("predict", "predict_proba")):
        return f"an estimator, {type(value).__name__}", "from_sklearn(estimator)"
    return "", None


def _call_for_path(path: str | bytes) -> str | None:
    text = os.fsdecode(path)
    if text.startswith(("http://", "https://")):
        return f"from_http({text!r})"
    suffix = PurePath(text).suffix.lower()
    return FILES[suffix].format(text) if suffix in FILES else None
