"""How close a coalition is to the intact image, and the weight that closeness earns."""

import numpy as np

from limelens._checks.values import check_number
from limelens._typing import Coalitions, Floats


def cosine_distance(coalitions: Coalitions) -> Floats:
    """Return the cosine distance of each coalition to the intact image.

    Parameters
    ----------
    coalitions : ndarray of bool, shape (n, d)
        True where a segment is kept.

    Returns
    -------
    ndarray, shape (n,)
        ``1 - sqrt(kept / d)``: 0 for the intact image, 1 where everything is hidden.

    Examples
    --------
    >>> cosine_distance(np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]], dtype=bool))
    array([0. , 0.5, 1. ])
    """
    coalitions = np.asarray(coalitions, dtype=np.bool_)
    # The cosine of a 0/1 vector z with all ones is |z| / (sqrt(|z|) sqrt(d)).
    return 1.0 - np.sqrt(np.count_nonzero(coalitions, axis=1) / coalitions.shape[1])


def kernel_weights(distances: Floats, width: float) -> Floats:
    r"""Return LIME's exponential kernel, :math:`\exp(-D^2 / (2\,\mathrm{width}^2))`.

    Parameters
    ----------
    distances : ndarray, shape (n,)
        Distances to the intact image.
    width : float
        The kernel's width. At 0.25 a half-hidden image weighs about a half; a width far above 1
        gives all rows about the same weight.

    Returns
    -------
    ndarray, shape (n,)
        Weights in (0, 1]; 1 for the intact image.

    Raises
    ------
    InvalidInputError
        If `width` is not a positive number.

    References
    ----------
    Ribeiro, Singh and Guestrin (2016). "Why should I trust you?" Explaining the predictions of
    any classifier. KDD. :doi:`10.1145/2939672.2939778`

    Examples
    --------
    >>> kernel_weights(np.array([0.0, 0.25, 1.0]), width=0.25).round(4)
    array([1.000e+00, 6.065e-01, 3.000e-04])
    """
    # The published code writes sqrt(exp(-D^2 / width^2)), which is the same number.
    width = check_number("kernel_width", width, minimum=0, open_minimum=True)
    return np.exp(-0.5 * np.square(np.asarray(distances, dtype=np.float64) / width))
