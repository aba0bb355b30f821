"""How an image is divided into segments: the units that are hidden and shown together."""

from dataclasses import KW_ONLY, dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limelens._typing import Image
from limelens._validation import (
    check_array,
    check_int,
    check_number,
    check_planar,
    check_segments,
    check_size,
    size_in_pixels,
)
from limelens.errors import InvalidInputError
from limelens.segmenting.view import segmenting_view

_N_CELLS = 49


@dataclass(frozen=True)
class Slic:
    """Compact superpixels of similar size that follow edges: the default, and rarely wrong.

    Clusters pixels by colour and position together. Also divides volumes.

    Parameters
    ----------
    n_segments : int, optional
        About how many segments; where the image is plain, fewer come out.
    compactness : float, optional
        Weight of distance against colour, whose full contrast is 100. Higher is squarer.
    sigma : float, optional
        Width of the smoothing before, in pixels of the reduced image.
    max_side : int or None, optional
        Longer images are segmented at this size and the labels enlarged; None turns it off.

    Raises
    ------
    InvalidInputError
        If a setting is out of its range.

    See Also
    --------
    segment_preview : look at the segments before any model call.

    References
    ----------
    Achanta, Shaji, Smith, Lucchi, Fua and Süsstrunk (2012). SLIC superpixels compared to
    state-of-the-art superpixel methods. IEEE TPAMI 34(11). :doi:`10.1109/TPAMI.2012.120`

    Examples
    --------
    >>> image = np.zeros((4, 6))
    >>> image[:, 3:] = 1
    >>> Slic(2, sigma=0)(image)
    array([[0, 0, 0, 1, 1, 1],
           [0, 0, 0, 1, 1, 1],
           [0, 0, 0, 1, 1, 1],
           [0, 0, 0, 1, 1, 1]])
    """

    n_segments: int = 50
    _: KW_ONLY
    compactness: float = 10
    sigma: float = 1
    max_side: int | None = 512

    def __post_init__(self) -> None:
        check_int("n_segments", self.n_segments, minimum=2)
        check_number("compactness", self.compactness, minimum=0, open_minimum=True)
        check_number("sigma", self.sigma, minimum=0)
        _check_max_side(self.max_side)

    def __call__(self, image: Image) -> NDArray[np.intp]:
        """Return the label image of an image or volume, channels last."""
        from skimage.segmentation import slic  # noqa: PLC0415

        view = segmenting_view(image, self.max_side)
        lab = view.lab()
        labels = slic(
            lab,
            n_segments=self.n_segments,
            compactness=self.compactness / (np.ptp(lab) or 1),  # slic stretches lab to [0, 1]
            sigma=self.sigma,
            convert2lab=False,
            start_label=0,
            channel_axis=-1,
        )
        return view.enlarge(labels)


@dataclass(frozen=True)
class Quickshift:
    """Irregular superpixels from mode seeking, the choice of the original LIME.

    Follows fine detail more than `Slic` and takes about ten times as long. The number of
    segments follows from the image. Pictures only.

    Parameters
    ----------
    kernel_size : float, optional
        Width of the density's kernel, in pixels of the reduced image; higher gives fewer segments.
    max_dist : float, optional
        Longest step to a denser pixel; higher gives fewer segments.
    ratio : float, optional
        Weight of colour against distance, from 0 to 1.
    rng : int, optional
        Seed that breaks ties.
    max_side : int or None, optional
        Longer images are segmented at this size and the labels enlarged; None turns it off.

    Raises
    ------
    InvalidInputError
        If a setting is out of its range, or the image is a volume.

    References
    ----------
    Vedaldi and Soatto (2008). Quick shift and kernel methods for mode seeking. ECCV.
    :doi:`10.1007/978-3-540-88693-8_52`

    Examples
    --------
    >>> image = np.zeros((30, 30))
    >>> image[:, 15:] = 1
    >>> len(np.unique(Quickshift()(image)))
    2
    """

    _: KW_ONLY
    kernel_size: float = 4
    max_dist: float = 200
    ratio: float = 0.2
    rng: int = 42
    max_side: int | None = 512

    def __post_init__(self) -> None:
        check_number("kernel_size", self.kernel_size, minimum=1)
        check_number("max_dist", self.max_dist, minimum=0, open_minimum=True)
        check_number("ratio", self.ratio, minimum=0, maximum=1)
        check_int("rng", self.rng, minimum=0)
        _check_max_side(self.max_side)

    def __call__(self, image: Image) -> NDArray[np.intp]:
        """Return the label image of an image, channels last."""
        from skimage.segmentation import quickshift  # noqa: PLC0415

        check_planar(np.ndim(image), "Quickshift")
        view = segmenting_view(image, self.max_side)
        labels = quickshift(  # type: ignore[no-untyped-call]
            view.lab(),
            kernel_size=self.kernel_size,
            max_dist=self.max_dist,
            ratio=self.ratio,
            rng=self.rng,
            convert2lab=False,
            channel_axis=-1,
        )
        return view.enlarge(labels)


@dataclass(frozen=True)
class Felzenszwalb:
    """Regions of very different size, cut where neighbours differ more than a region does inside.

    Large plain areas stay whole and textured ones are cut finely. The number of segments follows
    from the image, so look at `segment_preview` first. Pictures only.

    Parameters
    ----------
    scale : float, optional
        How much contrast a border needs; higher gives fewer and larger segments.
    sigma : float, optional
        Width of the smoothing before, in pixels of the reduced image.
    min_size : int, optional
        Smallest segment, in pixels of the reduced image.
    max_side : int or None, optional
        Longer images are segmented at this size and the labels enlarged; None turns it off.

    Raises
    ------
    InvalidInputError
        If a setting is out of its range, or the image is a volume.

    References
    ----------
    Felzenszwalb and Huttenlocher (2004). Efficient graph-based image segmentation. International
    Journal of Computer Vision 59. :doi:`10.1023/B:VISI.0000022288.19776.77`

    Examples
    --------
    >>> image = np.zeros((4, 6))
    >>> image[:, 4:] = 1
    >>> Felzenszwalb(sigma=0, min_size=2)(image)[0]
    array([0, 0, 0, 0, 1, 1])
    """

    scale: float = 100
    _: KW_ONLY
    sigma: float = 0.5
    min_size: int = 50
    max_side: int | None = 512

    def __post_init__(self) -> None:
        check_number("scale", self.scale, minimum=0, open_minimum=True)
        check_number("sigma", self.sigma, minimum=0)
        check_int("min_size", self.min_size, minimum=1)
        _check_max_side(self.max_side)

    def __call__(self, image: Image) -> NDArray[np.intp]:
        """Return the label image of an image, channels last."""
        from skimage.segmentation import felzenszwalb  # noqa: PLC0415

        check_planar(np.ndim(image), "Felzenszwalb")
        view = segmenting_view(image, self.max_side)
        labels = felzenszwalb(
            view.pixels,
            scale=self.scale,
            sigma=self.sigma,
            min_size=self.min_size,
            channel_axis=-1,
        )
        return view.enlarge(labels)


@dataclass(frozen=True)
class Watershed:
    """Basins of the image's gradient, grown from evenly spaced seeds: edges first, fast.

    Holds on to strong edges more than `Slic`, at the price of less even sizes. Pictures only.

    Parameters
    ----------
    n_segments : int, optional
        About how many segments: the seeds form a regular grid.
    compactness : float, optional
        Weight of the distance to the seed against the gradient. Higher is squarer.
    max_side : int or None, optional
        Longer images are segmented at this size and the labels enlarged; None turns it off.

    Raises
    ------
    InvalidInputError
        If a setting is out of its range, or the image is a volume.

    References
    ----------
    Neubert and Protzel (2014). Compact watershed and preemptive SLIC: on improving trade-offs of
    superpixel segmentation algorithms. ICPR. :doi:`10.1109/ICPR.2014.181`

    Examples
    --------
    >>> image = np.zeros((6, 10))
    >>> image[:, 7:] = 1
    >>> labels = Watershed(2)(image)
    >>> np.unique(labels[:, :6]), np.unique(labels[:, 7:])
    (array([0]), array([1]))
    """

    n_segments: int = 50
    _: KW_ONLY
    compactness: float = 0.003
    max_side: int | None = 512

    def __post_init__(self) -> None:
        check_int("n_segments", self.n_segments, minimum=2)
        check_number("compactness", self.compactness, minimum=0)
        _check_max_side(self.max_side)

    def __call__(self, image: Image) -> NDArray[np.intp]:
        """Return the label image of an image, channels last."""
        from scipy.ndimage import sobel  # noqa: PLC0415
        from skimage.segmentation import watershed  # noqa: PLC0415

        check_planar(np.ndim(image), "Watershed")
        view = segmenting_view(image, self.max_side)
        channels = np.moveaxis(view.pixels, -1, 0)
        slopes = [sobel(channel, axis=axis) / 8 for channel in channels for axis in (0, 1)]
        labels = watershed(  # type: ignore[no-untyped-call]
            np.linalg.norm(slopes, axis=0), markers=self.n_segments, compactness=self.compactness
        )
        return view.enlarge(labels - 1)


@dataclass(frozen=True)
class Grid:
    """Rectangular cells, nearly square, whatever the image shows: MATLAB's choice for any shape.

    Importances on a grid form a small regular map, which enlarges smoothly. Also divides volumes.

    Parameters
    ----------
    n_segments : int or None, optional
        About how many cells; their sides then differ by at most one pixel. None with `cell`.
    cell : int, float or tuple of them, optional
        Size of a cell instead of their number: pixels if an int, a share of the side if a float;
        one for all sides or one for each. The last cells of a side are cut by the image's edge.

    Raises
    ------
    InvalidInputError
        If both are given, or one is out of its range.

    Examples
    --------
    >>> Grid(6)(np.zeros((4, 7)))
    array([[0, 0, 0, 1, 1, 2, 2],
           [0, 0, 0, 1, 1, 2, 2],
           [3, 3, 3, 4, 4, 5, 5],
           [3, 3, 3, 4, 4, 5, 5]])
    >>> Grid(cell=(3, 4))(np.zeros((4, 7)))
    array([[0, 0, 0, 0, 1, 1, 1],
           [0, 0, 0, 0, 1, 1, 1],
           [0, 0, 0, 0, 1, 1, 1],
           [2, 2, 2, 2, 3, 3, 3]])
    """

    n_segments: int | None = _N_CELLS
    _: KW_ONLY
    cell: int | float | tuple[int | float, ...] | None = None

    def __post_init__(self) -> None:
        if self.cell is None:
            check_int("n_segments", self.n_segments, minimum=2)
            return
        check_size("cell", self.cell)
        if self.n_segments not in (None, _N_CELLS):
            msg = f"`n_segments` must not be given with `cell`; got {self.n_segments}."
            raise InvalidInputError(msg)
        object.__setattr__(self, "n_segments", None)

    def __call__(self, image: Image) -> NDArray[np.intp]:
        """Return the label image of an image or volume, channels last."""
        spatial = _spatial(image)
        if self.cell is None:
            counts = _cell_counts(spatial, self.n_segments or _N_CELLS)
            lines = [np.arange(side) * n // side for side, n in zip(spatial, counts, strict=True)]
        else:
            cell = size_in_pixels("cell", self.cell, spatial)
            lines = [np.arange(side) // step for side, step in zip(spatial, cell, strict=True)]
        shape = tuple(int(line[-1]) + 1 for line in lines)
        return np.arange(prod(shape)).reshape(shape)[np.ix_(*lines)]


@dataclass(frozen=True, eq=False, repr=False)
class LabelImage:
    """Segments that are known already: organs, objects, fields, another library's superpixels.

    Parameters
    ----------
    labels : array_like of int, shape (H, W) or (D, H, W)
        One id per pixel, of the shape of the images that will be explained. Any ids; copied.

    Raises
    ------
    InvalidInputError
        If the labels are not integers of two or three axes with at least two different ids, or
        the image has another shape.

    Examples
    --------
    >>> halves = LabelImage([[7, 7, 9, 9]])
    >>> halves
    LabelImage(<2 segments of shape (1, 4)>)
    >>> halves(np.zeros((1, 4, 3)))
    array([[7, 7, 9, 9]])
    """

    labels: ArrayLike
    n_segments: int = field(init=False)

    def __post_init__(self) -> None:
        labels = np.array(self.labels)
        check_int("labels.ndim", labels.ndim, minimum=2, maximum=3)
        _, ids = check_segments(labels, labels.shape, name="labels")
        labels.flags.writeable = False
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "n_segments", len(ids))

    def __repr__(self) -> str:
        shape = np.shape(self.labels)
        return f"LabelImage(<{self.n_segments} segments of shape {shape}>)"

    def __call__(self, image: Image) -> NDArray[Any]:
        """Return the labels as they were given, for an image of their shape."""
        return check_array("labels", self.labels, _spatial(image))


def _check_max_side(max_side: int | None) -> None:
    if max_side is not None:
        check_int("max_side", max_side, minimum=2)


def _spatial(image: Image) -> tuple[int, ...]:
    """Return the spatial shape of a channels-last image."""
    check_int("image.ndim", np.ndim(image), minimum=2, maximum=4)
    shape = np.shape(image)
    return shape if len(shape) == 2 else shape[:-1]


def _cell_counts(spatial: tuple[int, ...], n_segments: int) -> tuple[int, ...]:
    """Return how many cells lie along each axis: nearly square ones, nearly `n_segments` in all.

    Shortest axis first, so that what a thin axis cannot take goes to the others.
    """
    counts = [1] * len(spatial)
    axes = sorted(range(len(spatial)), key=spatial.__getitem__)
    left = float(n_segments)
    for position, axis in enumerate(axes):
        rest = axes[position:]
        side = (prod(spatial[other] for other in rest) / left) ** (1 / len(rest))
        counts[axis] = min(spatial[axis], max(1, round(spatial[axis] / side)))
        left = max(1.0, left / counts[axis])
    return tuple(counts)
