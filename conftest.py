"""What pytest needs to know of the frameworks that adapters are for, each of them optional."""

import os
import re
from importlib.util import find_spec

import pytest

NEEDS = {
    "torch": ("torch",),
    "timm": ("torch", "timm"),
    "transformers": ("torch", "transformers"),
    "keras": ("keras",),
    "onnx": ("onnx", "onnxruntime"),
}
"""What the examples of a module of adapters/ import besides limelens."""

OPERATORS = []  # PyTorch forgets a library of operators with its object


def declare_operators_of_torchvision():
    """Let torchvision be imported beside a PyTorch that its compiled operators do not fit.

    timm and transformers resize with its Python part. PyPI has its operators for CUDA only, so
    that beside PyTorch's CPU build the import stops at the first one that is missing. Those are
    declared here; nothing that is tested calls one.
    """
    import torch

    declared = []
    while True:
        try:
            import torchvision  # noqa: F401
        except RuntimeError as error:
            missing = re.search(r"operator torchvision::(\w+) does not exist", str(error))
            if missing is None or missing[1] in declared:
                raise
            declared.append(missing[1])
            OPERATORS.append(torch.library.Library("torchvision", "FRAGMENT"))
            OPERATORS[-1].define(f"{missing[1]}(Tensor a, Tensor b, float c) -> Tensor")
        else:
            return


def pytest_configure():
    if find_spec("torch"):
        os.environ.setdefault("KERAS_BACKEND", "torch")
        if find_spec("torchvision"):
            declare_operators_of_torchvision()


def pytest_collection_modifyitems(items):
    for item in items:
        if isinstance(item, pytest.DoctestItem) and item.path.parent.name == "adapters":
            missing = [name for name in NEEDS.get(item.path.stem, ()) if not find_spec(name)]
            if missing and item.name.endswith(f".from_{item.path.stem}"):
                item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(missing)}"))
