"""Examples of adapters are run where their frameworks are installed, and skipped elsewhere."""

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the examples of `from_*` functions whose framework is missing, and say which."""
    for item in items:
        if isinstance(item, pytest.DoctestItem) and item.path.parent.name == "adapters":
            missing = [name for name in NEEDS.get(item.path.stem, ()) if not find_spec(name)]
            if missing and item.name.endswith(f".from_{item.path.stem}"):
                item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(missing)}"))
