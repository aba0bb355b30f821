"""Segments of the pixels that count: cut out, divided, put back."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from limelens._statistics import label_sums
from limelens._typing import Image


def divided_within(
    image: Image,
    valid: NDArray[np.bool_],
    divide: Callable[[Image, NDArray[np.bool_]], NDArray[np.intp]],
) -> NDArray[np.intp]:
    """Divide the smallest box that holds all pixels that count; the others get the label -1.

    Parameters
    ----------
    image : ndarray
        Channels last.
    valid : ndarray of bool, shape (*spatial,)
        True where pixels count.
    divide : callable
        From the box's image and mask to labels of the box; what they are outside the mask does
        not matter.

    Examples
    --------
    >>> valid = np.array([[False, True, True, False]])
    >>> divided_within(np.zeros((1, 4)), valid, lambda image, valid: np.arange(2)[np.newaxis])
    array([[-1,  0,  1, -1]])
    """
    box = tuple(slice(int(where.min()), int(where.max()) + 1) for where in np.nonzero(valid))
    labels = np.full(valid.shape, -1, dtype=np.intp)
    labels[box] = np.where(valid[box], divide(image[box], valid[box]), -1)
    return labels


def without_gaps(labels: NDArray[np.intp], valid: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Give pixels that count, but got no label (-1), that of the nearest pixel that has one.

    Examples
    --------
    >>> without_gaps(np.array([[-1, 0, -1, -1]]), np.array([[True, True, True, False]]))
    array([[ 0,  0,  0, -1]])
    """
    from scipy.ndimage import distance_transform_edt  # noqa: PLC0415

    if not (valid & (labels < 0)).any() or (labels < 0).all():
        return np.where(valid, labels, -1)
    nearest = distance_transform_edt(labels < 0, return_distances=False, return_indices=True)
    return np.where(valid, labels[tuple(nearest)], -1)


def middles(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the number of each label, from 1 on, at its pixel nearest the middle; 0 elsewhere.

    Examples
    --------
    >>> middles(np.array([[0, 0, 0, 1, -1]]))
    array([[0, 1, 0, 2, 0]])
    """
    areas, away = np.maximum(label_sums(labels), 1), np.zeros(labels.shape)
    for index in [*np.indices(labels.shape)]:
        away += np.square(index - (label_sums(labels, index) / areas)[labels])
    order = np.lexsort([away.ravel(), labels.ravel()])  # by label, then by distance
    found, first = np.unique(labels.ravel()[order], return_index=True)
    seeds = np.zeros(labels.size, dtype=np.intp)
    seeds[order[first[found >= 0]]] = found[found >= 0] + 1
    return seeds.reshape(labels.shape)
