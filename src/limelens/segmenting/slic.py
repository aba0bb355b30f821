"""SLIC as scikit-image has it, and the same for small pictures without what these wait for."""

from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats

_SMALL = 2**12  # pixels; of larger pictures the seeds take a small part of the time
_MOST_STEPS = 10  # scikit-image's default


def divided(
    lab: Floats,
    n_segments: int,
    compactness: float,
    sigma: float,
    mask: NDArray[np.bool_] | None = None,
) -> NDArray[np.intp]:
    """Return the labels of `skimage.segmentation.slic`: from 0 on, in a mask from 1 on.

    Parameters
    ----------
    lab : ndarray of float64, shape (H, W, C) or (D, H, W, C)
    n_segments : int
    compactness, sigma : float
    mask : ndarray of bool, shape (*spatial,), optional
        Where seeds are placed by k-means, instead of on a grid.

    Notes
    -----
    If a mask holds all pixels, its seeds depend on the shape of the picture alone; `slic` computes
    them anew for every picture, which takes half of its time at 8 x 8 pixels, and its checks a
    third. So small pictures are given to the compiled parts of scikit-image, with seeds that are
    kept. This is done only if these parts are there and do the same as `slic` with two pictures on
    which both are tried first: they may change with any version of scikit-image.

    Examples
    --------
    >>> divided(np.zeros((2, 4, 1)), 2, 10.0, 0.0, np.ones((2, 4), np.bool_))
    array([[1, 1, 2, 2],
           [1, 1, 2, 2]])
    """
    if mask is not None and mask.size <= _SMALL and mask.all() and _is_known():
        return _by_parts(lab, n_segments, compactness, sigma)
    from skimage.segmentation import slic  # noqa: PLC0415

    labels: NDArray[np.intp] = slic(
        lab,
        n_segments=n_segments,
        compactness=compactness,
        sigma=sigma,
        max_num_iter=_MOST_STEPS,
        convert2lab=False,
        start_label=0 if mask is None else 1,  # 0 is outside the mask
        channel_axis=-1,
        mask=mask,
    )
    return labels


@cache
def _is_known() -> bool:
    """Return whether the compiled parts of this scikit-image do what `slic` does."""
    from skimage.segmentation import slic  # noqa: PLC0415

    rng = np.random.default_rng(0)
    for lab in (rng.random((7, 9, 3)), rng.random((3, 5, 4, 1))):
        mask = np.ones(lab.shape[:-1], np.bool_)
        whole = slic(lab, 20, 0.1, sigma=1, convert2lab=False, channel_axis=-1, mask=mask)
        try:
            parts = _by_parts(lab, 20, 0.1, 1.0)
        except (ImportError, AttributeError, TypeError, ValueError):
            return False
        if not np.array_equal(parts, whole):
            return False
    return True


@lru_cache(maxsize=8)
def _seeds(shape: tuple[int, ...], n_segments: int) -> tuple[Floats, float]:
    """Return the places of the seeds in a volume, shape (n, 3), and the step between them."""
    from skimage.segmentation import slic_superpixels  # noqa: PLC0415

    place: Any = slic_superpixels._get_mask_centroids
    places, steps = place(np.ones(shape, np.uint8), n_segments, True)  # noqa: FBT003
    return places, max(steps)


def _by_parts(lab: Floats, n_segments: int, compactness: float, sigma: float) -> NDArray[np.intp]:
    """Return the labels of a mask that holds all pixels, from 1 on."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415
    from skimage.segmentation import _slic  # noqa: PLC0415

    low, high = lab.min(), lab.max()
    image: Any = (lab - low) / (high - low if high > low else 1.0)
    image = image.reshape((1,) * (4 - lab.ndim) + lab.shape)
    if sigma > 0:
        image = gaussian_filter(image, [sigma, sigma, sigma, 0.0], mode="reflect")
    image = np.ascontiguousarray(image * (1.0 / compactness))
    places, step = _seeds(image.shape[:3], n_segments)
    seeds = np.zeros((len(places), 3 + image.shape[3]))
    seeds[:, :3] = places
    mask, spacing = np.ones(image.shape[:3], np.uint8), np.ones(3)
    rest: Any = (image, mask, seeds, step, _MOST_STEPS, spacing, False)
    _slic._slic_cython(*rest, ignore_color=True, start_label=1)  # moves the seeds
    labels = _slic._slic_cython(*rest, ignore_color=False, start_label=1)
    size = mask.size / len(places)
    sizes = int(0.5 * size), int(3 * size)
    labels = _slic._enforce_label_connectivity_cython(labels, *sizes, start_label=1)
    return np.asarray(labels).reshape(lab.shape[:-1])
