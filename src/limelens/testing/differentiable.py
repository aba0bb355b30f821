"""Toy classifiers with exact gradients: linear, powers, quadratic, a small convolution.

Each offers `gradient(batch, target)`, the derivative of score column `target` by every element
of every image, `(n, *image.shape)`; 1-D scores are column 0.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from limelens._checks.values import check_array, check_int, check_number, check_numeric
from limelens._typing import Batch, Floats, Image
from limelens.testing._axes import batch_axis, with_channels_last
from limelens.testing._checks import check_batch, check_matrix


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A weighted sum of the image's elements.

    True attribution of every method, if hidden elements show `background`: a segment or element
    gets the sum of its ``weights * (image - background)``. Integrated and expected gradients are
    ``weights * (image - baseline)``, whatever the quadrature.

    Parameters
    ----------
    weights : ndarray, shape (*image.shape,) or (t, *image.shape)
        With the second shape the scores have t columns, else they are 1-D.
    bias : float, default 0
        Added to every score.

    Raises
    ------
    InvalidInputError
        If `weights` is not an array of finite numbers.

    Examples
    --------
    >>> model = LinearModel([[1.0, -2.0]], bias=0.5)
    >>> model(np.array([[[3.0, 1.0]]]))
    array([1.5])
    >>> model.gradient(np.array([[[3.0, 1.0]]]), 0)
    array([[[ 1., -2.]]])
    """

    weights: ArrayLike
    _: KW_ONLY
    bias: float = 0.0

    def __post_init__(self) -> None:
        weights = check_numeric("weights", self.weights).astype(np.float64)
        object.__setattr__(self, "weights", weights)
        check_number("bias", self.bias)

    def __call__(self, batch: Batch) -> Floats:
        """Score a batch `(n, *image.shape)`."""
        weights = self._rows(batch)
        scores = batch.reshape(len(batch), -1) @ weights.reshape(len(weights), -1).T + self.bias
        return scores[:, 0] if np.ndim(self.weights) < batch.ndim else scores

    def gradient(self, batch: Batch, target: int) -> Floats:
        """Return the weights of one column for every image, `(n, *image.shape)`."""
        weights = self._rows(batch)
        check_int("target", target, minimum=0, maximum=len(weights) - 1)
        return np.repeat(weights[target][np.newaxis], len(batch), axis=0)

    def integrated_gradients(self, image: Image, baseline: ArrayLike, target: int = 0) -> Floats:
        """Return the exact attribution of every element of one image."""
        return self.gradient(image[np.newaxis], target)[0] * (image - np.asarray(baseline, float))

    def _rows(self, batch: Batch) -> Floats:
        """Return the weights with one row per column, `(t, *image.shape)`."""
        weights = np.asarray(self.weights)
        rows = weights[np.newaxis] if weights.ndim < batch.ndim else weights
        check_batch(batch, rows.shape[1:])
        return rows


@dataclass(frozen=True, eq=False)
class PowerModel:
    """A weighted sum of the elements' powers: no element interacts with another.

    True attribution of every method: that of `LinearModel` with ``image**power`` and
    ``background**power``. Integrated gradients are ``weights * (image**p - baseline**p)``. Their
    integrand has degree p - 1, so a quadrature rule that is exact to that degree is exact here.

    Parameters
    ----------
    weights : ndarray, shape (*image.shape,)
        One weight per element.
    power : int, default 2
        At least 1.

    Raises
    ------
    InvalidInputError
        If `weights` is not an array of finite numbers, or `power` is not an integer >= 1.

    Examples
    --------
    >>> model = PowerModel([[1.0, -2.0]], power=3)
    >>> model(np.array([[[2.0, 1.0]]]))
    array([6.])
    >>> model.gradient(np.array([[[2.0, 1.0]]]), 0)
    array([[[12., -6.]]])
    """

    weights: ArrayLike
    _: KW_ONLY
    power: int = 2

    def __post_init__(self) -> None:
        weights = check_numeric("weights", self.weights).astype(np.float64)
        object.__setattr__(self, "weights", weights)
        check_int("power", self.power, minimum=1)

    def __call__(self, batch: Batch) -> Floats:
        """Score a batch `(n, *image.shape)`."""
        batch = check_batch(batch, np.shape(self.weights)).astype(np.float64)
        return (batch**self.power * self.weights).reshape(len(batch), -1).sum(axis=1)

    def gradient(self, batch: Batch, target: int) -> Floats:
        """Return the derivative by every element, `(n, *image.shape)`."""
        check_int("target", target, minimum=0, maximum=0)
        batch = check_batch(batch, np.shape(self.weights)).astype(np.float64)
        return self.power * batch ** (self.power - 1) * np.asarray(self.weights)

    def integrated_gradients(self, image: Image, baseline: ArrayLike) -> Floats:
        """Return the exact attribution of every element of one image."""
        start = np.asarray(baseline, float)
        return np.asarray(self.weights) * (
            image.astype(np.float64) ** self.power - start**self.power
        )


@dataclass(frozen=True, eq=False)
class QuadraticModel:
    """A quadratic form of the flattened image, ``x @ matrix @ x``: every pair may interact.

    True attribution, with ``Q`` the symmetric part of the matrix: Shapley values of segments and
    integrated gradients agree, because both split interactions of pairs evenly. An element gets
    ``(x - b) * (Q @ (x + b))``, where b is the background or baseline; a segment gets the sum of
    its elements. Banzhaf values of segments are the same. `exact_values` gives all others.

    Parameters
    ----------
    matrix : ndarray, shape (p, p)
        p is the number of elements of an image, in C order.

    Raises
    ------
    InvalidInputError
        If `matrix` is not square and finite.

    Examples
    --------
    >>> model = QuadraticModel([[1.0, 2.0], [0.0, 0.0]])  # a**2 + 2 a b
    >>> model(np.array([[[3.0, 1.0]]]))
    array([15.])
    >>> model.integrated_gradients(np.array([[3.0, 1.0]]), 0.0)
    array([[12.,  3.]])
    """

    matrix: ArrayLike

    def __post_init__(self) -> None:
        object.__setattr__(self, "matrix", check_matrix("matrix", self.matrix))

    def __call__(self, batch: Batch) -> Floats:
        """Score a batch `(n, *image.shape)`."""
        flat = self._flat(batch)
        return ((flat @ np.asarray(self.matrix)) * flat).sum(axis=1)

    def gradient(self, batch: Batch, target: int) -> Floats:
        """Return the derivative by every element, `(n, *image.shape)`."""
        check_int("target", target, minimum=0, maximum=0)
        return (self._flat(batch) @ self._doubled()).reshape(batch.shape)

    def integrated_gradients(self, image: Image, baseline: ArrayLike) -> Floats:
        """Return the exact attribution of every element of one image."""
        start = np.broadcast_to(np.asarray(baseline, float), image.shape)
        slope = self.gradient((image + start)[np.newaxis], 0)[0] / 2
        return (image - start) * slope

    def _flat(self, batch: Batch) -> Floats:
        flat = np.asarray(batch, dtype=np.float64).reshape(len(batch), -1)
        return check_array("batch, flattened", flat, ("n", len(np.asarray(self.matrix))))

    def _doubled(self) -> Floats:
        matrix = np.asarray(self.matrix)
        return matrix + matrix.T


@dataclass(frozen=True, eq=False)
class ConvolutionModel:
    """Convolution, ReLU, global average pool, linear read-out: a network in four lines.

    ``score[t] = bias + sum over k of readout[t, k] * mean over positions of relu(kernel k)``

    True attribution. `gradient` is exact off the kinks of the ReLU. `features` returns what
    Grad-CAM needs: the activations after the ReLU and the score's derivative by them,
    ``readout[t, k] / n_positions`` everywhere, so the Grad-CAM map is
    ``relu(sum over k of readout[t, k] * activation k) / n_positions``. Without negative
    pre-activations the model is linear in the image.

    Parameters
    ----------
    kernels : ndarray, shape (k, kh, kw) or (k, kh, kw, c)
        Applied without padding; the first shape is for images without channels.
    readout : ndarray, shape (k,) or (t, k)
        With the second shape the scores have t columns, else they are 1-D.
    bias : float, default 0
        Added to every score.
    channel_axis : int or None, default -1
        As in `explain`; a 2-D image has none.

    Raises
    ------
    InvalidInputError
        If the shapes do not fit each other.

    Examples
    --------
    >>> model = ConvolutionModel([[[-1.0, 1.0]]], [1.0])  # steps upwards, left to right
    >>> model(np.array([[[0.0, 4.0, 2.0]]]))
    array([2.])
    >>> model.gradient(np.array([[[0.0, 4.0, 2.0]]]), 0)
    array([[[-0.5,  0.5,  0. ]]])
    """

    kernels: ArrayLike
    readout: ArrayLike
    _: KW_ONLY
    bias: float = 0.0
    channel_axis: int | None = -1

    def __post_init__(self) -> None:
        kernels = check_numeric("kernels", self.kernels).astype(np.float64)
        if kernels.ndim == 3:
            kernels = kernels[..., np.newaxis]
        check_array("kernels", kernels, ("k", "kh", "kw", "c"))
        readout = check_numeric("readout", self.readout).astype(np.float64)
        leading: tuple[Any, ...] = () if readout.ndim == 1 else ("t",)
        check_array("readout", readout, (*leading, len(kernels)))
        check_number("bias", self.bias)
        object.__setattr__(self, "kernels", kernels)
        object.__setattr__(self, "readout", readout)

    def __call__(self, batch: Batch) -> Floats:
        """Score a batch `(n, *image.shape)`."""
        pooled = self._activations(batch).mean(axis=(2, 3))
        return pooled @ np.asarray(self.readout).T + self.bias

    def gradient(self, batch: Batch, target: int) -> Floats:
        """Return the derivative by every element, `(n, *image.shape)`."""
        activations, slopes = self.features(batch, target)
        slopes = np.where(activations > 0, slopes, 0.0)
        kernels = np.asarray(self.kernels)
        rows, columns = slopes.shape[2:]
        result = np.zeros(with_channels_last(batch, self.channel_axis).shape)
        for i, j in np.ndindex(*kernels.shape[1:3]):
            part = np.einsum("nkhw,kc->nhwc", slopes, kernels[:, i, j])
            result[:, i : i + rows, j : j + columns] += part
        axis = batch_axis(batch, self.channel_axis)
        return result[..., 0] if axis is None else np.moveaxis(result, -1, axis)

    def features(self, batch: Batch, target: int) -> tuple[Floats, Floats]:
        """Return activations and the score's derivative by them, each `(n, k, h, w)`."""
        rows = np.atleast_2d(np.asarray(self.readout))
        check_int("target", target, minimum=0, maximum=len(rows) - 1)
        activations = self._activations(batch)
        n_positions = activations.shape[2] * activations.shape[3]
        slopes = rows[target][np.newaxis, :, np.newaxis, np.newaxis] / n_positions
        return activations, np.broadcast_to(slopes, activations.shape).copy()

    def _activations(self, batch: Batch) -> Floats:
        kernels = np.asarray(self.kernels)
        last = with_channels_last(batch, self.channel_axis).astype(np.float64)
        check_array("batch, channels last", last, ("n", "h", "w", kernels.shape[3]))
        views = np.lib.stride_tricks.sliding_window_view(last, kernels.shape[1:3], axis=(1, 2))
        return np.maximum(np.einsum("nhwcij,kijc->nkhw", views, kernels, optimize=True), 0.0)
