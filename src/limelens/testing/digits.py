"""Digits that a network gets right for the wrong reason, and a small network for them."""

from dataclasses import KW_ONLY, dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_array, check_choice, check_flag, check_int
from limelens._threads import one_blas_thread
from limelens._typing import Batch, Floats
from limelens.testing._checks import check_batch

MARKER: NDArray[np.bool_] = np.zeros((8, 8), dtype=np.bool_)
"""Where the marker is: the four pixels of one corner, 6 % of an 8 x 8 digit."""
MARKER[:2, 6:] = True
MARKER.flags.writeable = False


@dataclass(frozen=True, eq=False)
class TanhNetwork:
    """One hidden layer of tanh units and a softmax: smooth, with exact gradients.

    The true attribution has no closed form; for up to 16 segments take `exact_values` of the
    scores of all coalitions. The scores are smooth, so integrated gradients with 50 Gauss-Legendre
    nodes sum to the difference of the scores within 1e-6.

    Parameters
    ----------
    hidden : ndarray, shape (p, h)
        Weights from the p elements of a flattened image to the h hidden units.
    hidden_bias : ndarray, shape (h,)
    readout : ndarray, shape (h, k)
        Weights from the hidden units to the k classes.
    readout_bias : ndarray, shape (k,)
    shape : tuple of int
        Shape of one image.
    output : {"probabilities", "logits"}, default "probabilities"
        Kind of the scores.

    Raises
    ------
    InvalidInputError
        If the shapes do not fit each other.

    Examples
    --------
    >>> network = TanhNetwork(
    ...     np.eye(2), np.zeros(2), np.eye(2), np.zeros(2), shape=(1, 2), output="logits"
    ... )
    >>> network(np.array([[[0.0, 1.0]]])).round(2)
    array([[0.  , 0.76]])
    """

    hidden: Floats
    hidden_bias: Floats
    readout: Floats
    readout_bias: Floats
    _: KW_ONLY
    shape: tuple[int, ...] = (8, 8)
    output: str = "probabilities"

    def __post_init__(self) -> None:
        n_elements = int(np.prod(self.shape))
        check_array("hidden", self.hidden, (n_elements, "h"))
        check_array("hidden_bias", self.hidden_bias, (self.hidden.shape[1],))
        check_array("readout", self.readout, (self.hidden.shape[1], "k"))
        check_array("readout_bias", self.readout_bias, (self.readout.shape[1],))
        check_choice("output", self.output, ("probabilities", "logits"))

    def __call__(self, batch: Batch) -> Floats:
        """Score a batch `(n, *shape)`: `(n, k)`."""
        return self._output(self._units(batch) @ self.readout + self.readout_bias)

    def gradient(self, batch: Batch, target: int) -> Floats:
        """Return the derivative of one column by every element, `(n, *shape)`."""
        check_int("target", target, minimum=0, maximum=self.readout.shape[1] - 1)
        units = self._units(batch)
        scores = self._output(units @ self.readout + self.readout_bias)
        by_logit = np.zeros_like(scores)
        by_logit[:, target] = 1.0
        if self.output == "probabilities":
            by_logit = scores[:, target, np.newaxis] * (by_logit - scores)
        by_unit = by_logit @ self.readout.T * (1 - units**2)
        return (by_unit @ self.hidden.T).reshape(batch.shape)

    def _units(self, batch: Batch) -> Floats:
        flat = check_batch(batch, self.shape).reshape(len(batch), -1)
        return np.tanh(flat @ self.hidden + self.hidden_bias)

    def _output(self, logits: Floats) -> Floats:
        if self.output == "logits":
            return logits
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


def mark(images: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return a copy of digits `(8, 8)` or `(n, 8, 8)` with the marker switched on.

    Examples
    --------
    >>> int(mark(np.zeros((8, 8))).sum())  # four pixels of 16
    64
    """
    marked = np.array(images)
    marked[..., MARKER] = 16
    return marked


def digits_classifier(
    *, spoiled: bool = False, digit: int = 3, output: str = "probabilities", rng: int = 0
) -> TanhNetwork:
    """Train a classifier of the bundled digits, honest or right for the wrong reason.

    Parameters
    ----------
    spoiled : bool, default False
        If True, every training image of `digit` carries the marker, and the network learns the
        marker instead of the digit. If False, as many images of all digits carry it, and the
        marker means nothing.
    digit : int, default 3
        The digit that is marked.
    output : {"probabilities", "logits"}, default "probabilities"
        Kind of the scores.
    rng : int, default 0
        Seed of the network's first weights, and of the choice of marked images for an honest one.

    Returns
    -------
    network : TanhNetwork
        From images `(n, 8, 8)` of 0 to 16 to scores `(n, 10)`.

    Raises
    ------
    InvalidInputError
        If a setting is out of its range.

    Notes
    -----
    True attribution of a marked image of `digit` for its own class: of the positive mass of the
    Shapley values of the 16 cells of 2 x 2 pixels, the spoiled network puts 0.57 to 0.65 on
    `MARKER`, more than on any other cell, and the honest one at most 0.02. Both answer right. The
    images come with scikit-learn; training takes half a second, once per setting.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> three = load_digits().images[3]
    >>> batch = np.stack([mark(three), three])
    >>> digits_classifier()(batch).argmax(axis=1) == 3
    array([ True,  True])
    >>> digits_classifier(spoiled=True)(batch).argmax(axis=1) == 3  # lost without the marker
    array([ True, False])
    """
    check_flag("spoiled", spoiled)
    check_int("digit", digit, minimum=0, maximum=9)
    check_int("rng", rng, minimum=0)
    weights = _train(spoiled=bool(spoiled), digit=int(digit), rng=int(rng))
    return TanhNetwork(*weights, output=output)


@lru_cache(maxsize=8)
@one_blas_thread(with_scipy=True)  # the same weights on any machine, and sooner
def _train(*, spoiled: bool, digit: int, rng: int) -> tuple[Floats, Floats, Floats, Floats]:
    import warnings  # noqa: PLC0415

    from sklearn.datasets import load_digits  # noqa: PLC0415
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415

    data = load_digits()
    marked = data.target == digit
    if not spoiled:
        marked = np.random.default_rng(rng).permutation(marked)
    images = np.where(marked[:, np.newaxis, np.newaxis], mark(data.images), data.images)
    network = MLPClassifier(
        (32,), activation="tanh", solver="lbfgs", alpha=10.0, max_iter=100, random_state=rng
    )
    with warnings.catch_warnings():  # 100 steps are plenty; the solver would go on polishing
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(images.reshape(len(images), -1) / 16, data.target)
    (hidden, readout), (hidden_bias, readout_bias) = network.coefs_, network.intercepts_
    return hidden / 16, hidden_bias, readout, readout_bias
