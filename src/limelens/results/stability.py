"""How far an explanation can be trusted to stay what it is."""

import numpy as np

from limelens._typing import Floats


def predicted_correlation(importances: Floats, standard_errors: Floats) -> Floats:
    """Predict the correlation of the importances with those of infinitely many samples.

    Parameters
    ----------
    importances : ndarray, shape (t, d)
    standard_errors : ndarray, shape (t, d)
        Of each importance, from the same fit.

    Returns
    -------
    correlations : ndarray of float64, shape (t,)
        In (0, 1]; NaN for a target whose importances are all equal, or whose standard errors are
        not known.

    Notes
    -----
    Per target sqrt(v / (v + S)), with v the variance of the importances over the segments and S
    the mean squared standard error. Two runs with other seeds correlate with each other by about
    the square of it; they share their bias, which this figure does not see.

    Examples
    --------
    >>> importances = np.array([[-2.0, 2.0], [1.0, 1.0]])
    >>> predicted_correlation(importances, np.full((2, 2), 1.5))
    array([0.8, nan])
    """
    # Relative to the largest importance: squares of tiny scores would underflow.
    largest = np.abs(importances).max(axis=1, keepdims=True)
    scale = np.where(largest > 0, largest, 1.0)
    variance = (importances / scale).var(axis=1)
    noise = np.mean((standard_errors / scale) ** 2, axis=1)
    constant = np.ptp(importances, axis=1) == 0
    total = np.where(constant, 1.0, variance + noise)
    return np.where(constant, np.nan, np.sqrt(variance / total))
