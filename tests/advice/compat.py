"""Advice of the drop-in for lime."""

import sys
import types

import numpy as np

import limelens.compat
from limelens.compat.lime_image import LimeImageExplainer

image = np.random.default_rng(0).random((16, 16, 3))
blocks = np.kron(np.arange(1, 5).reshape(2, 2), np.ones((8, 8), int))


def two(batch):
    score = batch[:, :8, :8].std(axis=(1, 2, 3))
    return np.column_stack([score, 1 - score])


def instance(segmentation_fn=None, **how):
    return LimeImageExplainer(random_state=0, **how).explain_instance(
        image, two, segmentation_fn=segmentation_fn, num_samples=50, progress_bar=False
    )


def with_lime(call):
    """Run code where a lime has been imported, and bring everything back."""
    sys.modules["lime"] = types.ModuleType("lime")
    try:
        exec(call, {"limelens": sys.modules["limelens"]})
    finally:
        limelens.compat.uninstall()
        del sys.modules["lime"]


CASES = [
    (
        "instance(lambda image: blocks + 0.5)",
        {
            "np.unique(labels, return_inverse=True)[1].reshape(labels.shape)": """
labels = blocks + 0.5
instance(lambda image: np.unique(labels, return_inverse=True)[1].reshape(labels.shape))
""",
        },
    ),
    (
        "instance(lambda image: blocks).get_image_and_mask(0, negative_only=True)",
        {
            "positive_only=False": """
instance(lambda image: blocks - 1).get_image_and_mask(
    0, positive_only=False, negative_only=True
)
""",
        },
    ),
    (
        """
e = instance(lambda image: blocks - 1)
e.local_exp[0][0] = (e.local_exp[0][0][0], 0.0)
e.get_image_and_mask(0, positive_only=False)
""",
        {
            "strict_lime=True": """
e = instance(lambda image: blocks - 1, strict_lime=True)
e.local_exp[0][0] = (e.local_exp[0][0][0], 0.0)
e.get_image_and_mask(0, positive_only=False)
""",
        },
    ),
    (
        "instance(lambda image: 3 * blocks)",
        {"strict_lime=True": "instance(lambda image: 3 * blocks, strict_lime=True)"},
    ),
    (
        "with_lime('limelens.compat.install()')",
        {
            "limelens.compat.install(replace=True)": """
with_lime('limelens.compat.install(replace=True)')
""",
        },
    ),
]
