"""Grad-CAM: a layer's activation maps, weighted by their effect on the score."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from limelens._axes import spatial_shape
from limelens._checks.values import check_flag, check_int, check_numeric, describe
from limelens._typing import Background, Floats, Image, Segments, Valid
from limelens.engine.gradients import ask_features, score_columns
from limelens.engine.query import Query
from limelens.errors import InvalidInputError
from limelens.explainers.base import Attribution, Explainer
from limelens.results.units import ACTIVATION
from limelens.results.upsampling import upsample


@dataclass(frozen=True, kw_only=True, eq=False)
class GradCam(Explainer):
    """Gradient-weighted class activation map of one layer.

    With activations A_k of the layer's maps k and the score f::

        map = relu( sum_k w_k A_k ),    w_k = mean over cells of df / dA_k

    The map is interpolated bicubically from the layer's cells to pixels. The model must offer
    ``features(batch, target) -> (activations, gradients)``, (n, maps, *cells) each; see
    `with_gradient`. It takes one model call, and one call of `features` per target. Without `relu`
    negative values show where the layer lowers the score.

    Parameters
    ----------
    relu : bool
        Whether negative values are cut to zero, as published.

    Notes
    -----
    ``details["cells"]`` is the map before interpolation, (t, *cells); ``details["unit"]`` is
    "activation". Nothing is hidden, so `hidden_scores` are NaN.

    References
    ----------
    Selvaraju et al. (2017), "Grad-CAM: visual explanations from deep networks via gradient-based
    localization", ICCV. arXiv:1610.02391

    Examples
    --------
    >>> import numpy as np
    >>> from limelens import GradCam, with_gradient
    >>> def features(batch, target):  # one map: the image itself
    ...     return batch[:, np.newaxis], np.full_like(batch, 0.5)[:, np.newaxis]
    >>> model = with_gradient(lambda batch: batch.sum(axis=(1, 2)) / 2, features_fn=features)
    >>> GradCam().explain(np.array([[1.0, -3.0]]), model).importances
    array([[[0.5, 0. ]]])
    """

    relu: bool = True

    def __post_init__(self) -> None:
        check_flag("relu", self.relu)

    def _background(
        self, image: Image, channel_axis: int | None, segments: Segments | None, valid: Valid
    ) -> Background:
        return np.empty((0, *image.shape), dtype=image.dtype)

    def _attribute(self, query: Query, rng: np.random.Generator) -> Attribution:
        sides = spatial_shape(query.image.shape, query.channel_axis)
        maps, cells = [], []
        columns = score_columns(query)
        for number, column in enumerate(columns, 1):
            activations, gradients = ask_features(query, query.image[np.newaxis].copy(), column)
            cells.append(_combine(activations[0], gradients[0], relu=self.relu))
            maps.append(_enlarge(cells[-1], sides, relu=self.relu, name="features"))
            if query.report is not None:
                query.report(number, len(columns))
        details = {"cells": np.stack(cells), "unit": ACTIVATION}
        return Attribution(importances=np.stack(maps), details=details)


def grad_cam(
    activations: ArrayLike, gradients: ArrayLike, shape: tuple[int, ...], *, relu: bool = True
) -> Floats:
    """Return the Grad-CAM map of given activations and gradients.

    Parameters
    ----------
    activations, gradients : array_like, shape (maps, *cells)
        A layer's activations for one image, and the score's derivatives by them.
    shape : tuple of int
        Spatial shape of the map; at least as large as the cells along each axis.
    relu : bool
        Whether negative values are cut to zero.

    Returns
    -------
    ndarray of float64, shape (*shape,)

    Raises
    ------
    InvalidInputError
        If the arrays differ in shape, or have more cells than `shape` has pixels.

    Examples
    --------
    Two maps of two cells, weighted 1 and -1:

    >>> maps = [[[3.0, 1.0]], [[1.0, 2.0]]]
    >>> slopes = [[[1.0, 1.0]], [[-1.0, -1.0]]]
    >>> grad_cam(maps, slopes, (1, 2))
    array([[2., 0.]])
    """
    a = check_numeric("activations", activations).astype(np.float64)
    g = check_numeric("gradients", gradients).astype(np.float64)
    check_flag("relu", relu)
    if a.ndim < 2 or a.shape != g.shape:
        raise InvalidInputError(
            "`activations` and `gradients` must both be (maps, *cells); got "
            f"{describe(a)} and {describe(g)}."
        )
    if not isinstance(shape, Sequence) or isinstance(shape, str):
        raise InvalidInputError(f"`shape` must be a tuple of side lengths; got {describe(shape)}.")
    sides = tuple(check_int("shape", side, minimum=1) for side in shape)
    return _enlarge(_combine(a, g, relu=relu), sides, relu=relu, name="shape")


def _combine(activations: Floats, gradients: Floats, *, relu: bool) -> Floats:
    # Selvaraju et al., equations 1 and 2: w_k is the mean gradient, the map is relu(sum_k w_k A_k).
    weights = gradients.reshape(len(gradients), -1).mean(axis=1)
    combined = np.tensordot(weights, activations, axes=1)
    return np.maximum(combined, 0) if relu else combined


def _enlarge(cells: Floats, sides: tuple[int, ...], *, relu: bool, name: str) -> Floats:
    if cells.ndim != len(sides) or any(n > m for n, m in zip(cells.shape, sides, strict=True)):
        raise InvalidInputError(
            f"`{name}` must give cells and pixels as many axes, and no more cells than pixels "
            f"along any; got {cells.shape} cells for {sides} pixels."
        )
    if cells.size == 1:
        return np.full(sides, cells.item())
    # The cell of every pixel along each axis.
    rows = [np.arange(m) * n // m for n, m in zip(cells.shape, sides, strict=True)]
    labels = np.asarray(np.ravel_multi_index(np.meshgrid(*rows, indexing="ij"), cells.shape))
    heatmap = upsample(cells.ravel(), labels, "bicubic")
    return np.maximum(heatmap, 0) if relu else heatmap  # bicubic curves overshoot
