"""Segments that follow what the image shows."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from limelens._checks.images import check_planar
from limelens._checks.sizes import Sizes, check_offset
from limelens._checks.values import check_int, check_number
from limelens._typing import Image
from limelens.segmenting.counting import a_seed_each, closest, is_about, n_labels, or_cells
from limelens.segmenting.fixed import Grid
from limelens.segmenting.remembered import key_of, recall, remember
from limelens.segmenting.slic import divided
from limelens.segmenting.view import View, segmenting_view
from limelens.segmenting.within import divided_within, middles, without_gaps

_SQUARER = (1, 2, 4, 8, 16, 32)  # by then the segments of any texture are squares
MIDDLING = 50  # cells of the grid where a segmenter that knows no number finds one segment
_ROOM = 128  # pixels a segment; in smaller images there is not always room for all


@dataclass(frozen=True)
class Slic:
    """Compact superpixels of similar size that follow edges: the default, and rarely wrong.

    Clusters pixels by colour and position together. Also divides volumes.

    Parameters
    ----------
    n_segments : int, optional
        About how many segments, within a fifth. On fine texture (gravel, hair) most pieces are so
        small that they are merged: `compactness` is raised until enough are left. In small images
        a square grid of seeds has only certain sizes: the seeds then come from k-means. If neither
        helps, a warning says how many segments there are.
    compactness : float, optional
        Weight of distance against colour, whose full contrast is 100. Higher is squarer. Another
        number than the default is obeyed, and a warning says where it leaves too few segments.
    sigma : float, optional
        Standard deviation of the smoothing beforehand, in pixels of the reduced image.
    max_side : int or None, optional
        Longer images are segmented at this size and the labels enlarged; None turns it off.
    offset : int, float or tuple of them, optional
        Displaces the picture before it is divided, so that borders fall elsewhere: pixels if an
        int, a share of the side if a float, one for all sides or one for each.

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

    Displaced by a pixel or two, borders that follow no edge fall elsewhere:

    >>> [Slic(2, sigma=0, offset=(0, step))(np.zeros((4, 8)))[0].tolist() for step in (0, 1, 2)]
    [[0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1, 1]]
    """

    n_segments: int = 50
    _: KW_ONLY
    compactness: float = 10
    sigma: float = 1
    max_side: int | None = 512
    offset: Sizes = 0

    def __post_init__(self) -> None:
        check_int("n_segments", self.n_segments, minimum=2)
        check_number("compactness", self.compactness, minimum=0, open_minimum=True)
        check_number("sigma", self.sigma, minimum=0)
        _check_view(self.max_side, self.offset)

    def __call__(self, image: Image) -> NDArray[np.intp]:
        """Return the label image of an image or volume, channels last; the last few are kept."""
        key = key_of(repr(self), np.asarray(image))
        if (labels := recall(key)) is None:
            labels = self._labels(segmenting_view(image, self.max_side))
            if is_about(n_labels(labels), self.n_segments):  # others are told of again
                remember(key, labels)
        return labels

    def within(self, image: Image, valid: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return labels of the pixels that count, about `n_segments` of them; -1 elsewhere."""
        return divided_within(
            image, valid, lambda box, at: self._labels(segmenting_view(box, self.max_side, at))
        )

    def _labels(self, view: View) -> NDArray[np.intp]:
        """Return the label image of a view, with about as many segments as asked for."""
        cure, name = "raise the compactness, or ", type(self).__name__
        displaced = view.displaced(self.offset) is not view
        attempts = self._attempts(view, from_grid_only=displaced)
        labels = closest(attempts, self.n_segments, name, cure=cure, displaced=displaced)
        return or_cells(labels, name, self.n_segments)

    def _attempts(self, view: View, *, from_grid_only: bool) -> Iterator[NDArray[np.intp]]:
        """Yield label images: squarer and squarer, then from seeds that k-means places."""
        square = _SQUARER if self.compactness == Slic.compactness else (1,)
        has_room = view.pixels[..., 0].size > _ROOM * self.n_segments
        for times in square:
            labels = self._squarer(times).divide(view)
            yield labels
            if not has_room or n_labels(labels) > self.n_segments:
                break  # squarer ones would not be fewer, nor more where a seed has no room
        if from_grid_only or len(square) == 1:
            return
        if view.valid is None:  # within a mask, seeds come from k-means anyway
            view = replace(view, valid=np.ones(view.pixels.shape[:-1], dtype=np.bool_))
        for times in square:
            yield self._squarer(times).divide(view)

    def _squarer(self, times: int) -> "Slic":
        return self if times == 1 else replace(self, compactness=self.compactness * times)

    def divide(self, view: View) -> NDArray[np.intp]:
        """Return the label image of a view that is there already, at this very compactness."""
        view = view.displaced(self.offset)
        lab, n_seeds = view.lab(), view.scaled(self.n_segments)
        if view.valid is None and a_seed_each(lab.shape[:-1], n_seeds, self.compactness):
            return view.enlarge(np.arange(lab[..., 0].size).reshape(lab.shape[:-1]))
        compactness = self.compactness / (np.ptp(lab) or 1)  # slic stretches lab to [0, 1]
        labels = divided(lab, n_seeds, compactness, self.sigma, view.valid)
        if view.valid is not None:
            labels = without_gaps(labels - 1, view.valid)
        return view.enlarge(labels)


@dataclass(frozen=True)
class Quickshift:
    """Irregular superpixels from mode seeking, the choice of the original LIME.

    They follow fine detail more closely than those of `Slic` and take about ten times as long. The
    number of segments follows from the image. Volumes are not supported.

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
    offset : int, float or tuple of them, optional
        Displaces the picture before it is divided, so that borders fall elsewhere: pixels if an
        int, a share of the side if a float, one for all sides or one for each.

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
    offset: Sizes = 0

    def __post_init__(self) -> None:
        check_number("kernel_size", self.kernel_size, minimum=1)
        check_number("max_dist", self.max_dist, minimum=0, open_minimum=True)
        check_number("ratio", self.ratio, minimum=0, maximum=1)
        check_int("rng", self.rng, minimum=0)
        _check_view(self.max_side, self.offset)

    def __call__(self, image: Image) -> NDArray[np.intp]:
        """Return the label image of an image, channels last."""
        return or_cells(self._labels(image), type(self).__name__, MIDDLING)

    def within(self, image: Image, valid: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return labels of an image, to be cut where pixels do not count."""
        return or_cells(self._labels(image), type(self).__name__, MIDDLING, valid)

    def _labels(self, image: Image) -> NDArray[np.intp]:
        from skimage.segmentation import quickshift  # noqa: PLC0415

        check_planar(np.ndim(image), type(self).__name__)
        view = segmenting_view(image, self.max_side).displaced(self.offset)
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
    """Regions of very different size, cut where neighbours differ more than pixels within them do.

    Large plain areas stay whole and textured ones are cut finely. The number of segments follows
    from the image, so look at `segment_preview` first. Volumes are not supported.

    Parameters
    ----------
    scale : float, optional
        Contrast that a border needs. A higher value gives fewer and larger segments.
    sigma : float, optional
        Standard deviation of the smoothing beforehand, in pixels of the reduced image.
    min_size : int, optional
        Smallest segment, in pixels of the reduced image.
    max_side : int or None, optional
        Longer images are segmented at this size and the labels enlarged; None turns it off.
    offset : int, float or tuple of them, optional
        Displaces the picture before it is divided, so that borders fall elsewhere: pixels if an
        int, a share of the side if a float, one for all sides or one for each.

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
    offset: Sizes = 0

    def __post_init__(self) -> None:
        check_number("scale", self.scale, minimum=0, open_minimum=True)
        check_number("sigma", self.sigma, minimum=0)
        check_int("min_size", self.min_size, minimum=1)
        _check_view(self.max_side, self.offset)

    def __call__(self, image: Image) -> NDArray[np.intp]:
        """Return the label image of an image, channels last."""
        return or_cells(self._labels(image), type(self).__name__, MIDDLING)

    def within(self, image: Image, valid: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return labels of an image, to be cut where pixels do not count."""
        return or_cells(self._labels(image), type(self).__name__, MIDDLING, valid)

    def _labels(self, image: Image) -> NDArray[np.intp]:
        from skimage.segmentation import felzenszwalb  # noqa: PLC0415

        check_planar(np.ndim(image), type(self).__name__)
        view = segmenting_view(image, self.max_side).displaced(self.offset)
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
    """Basins of the image's gradient, grown from evenly spaced seeds: fast, and true to edges.

    The segments follow strong edges more closely than those of `Slic`, but their sizes are less
    even. Volumes are not supported.

    Parameters
    ----------
    n_segments : int, optional
        About how many segments, within a fifth: the seeds form a regular grid.
    compactness : float, optional
        Weight of the distance to the seed relative to the gradient. A higher weight makes squarer
        segments.
    max_side : int or None, optional
        Longer images are segmented at this size and the labels enlarged; None turns it off.
    offset : int, float or tuple of them, optional
        Displaces the picture before it is divided, so that borders fall elsewhere: pixels if an
        int, a share of the side if a float, one for all sides or one for each.

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
    offset: Sizes = 0

    def __post_init__(self) -> None:
        check_int("n_segments", self.n_segments, minimum=2)
        check_number("compactness", self.compactness, minimum=0)
        _check_view(self.max_side, self.offset)

    def __call__(self, image: Image) -> NDArray[np.intp]:
        """Return the label image of an image, channels last."""
        return self._labels(segmenting_view(image, self.max_side))

    def within(self, image: Image, valid: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return labels of the pixels that count, about `n_segments` of them; -1 elsewhere."""
        return divided_within(
            image, valid, lambda box, at: self._labels(segmenting_view(box, self.max_side, at))
        )

    def _labels(self, view: View) -> NDArray[np.intp]:
        """Return the label image of a view, with about as many segments as asked for."""
        check_planar(len(view.spatial) + 1, type(self).__name__)
        moved = view.displaced(self.offset)
        attempts, displaced = self._attempts(moved), moved is not view
        labels = closest(attempts, self.n_segments, type(self).__name__, displaced=displaced)
        return or_cells(labels, type(self).__name__, self.n_segments)

    def _attempts(self, view: View) -> Iterator[NDArray[np.intp]]:
        """Yield label images: from a square grid of seeds, then from one that has more sizes."""
        from scipy.ndimage import sobel  # noqa: PLC0415
        from skimage.segmentation import watershed  # noqa: PLC0415

        channels = np.moveaxis(view.pixels, -1, 0)
        # Sobel's kernel sums to 8 times the slope.
        slopes = [sobel(channel, axis=axis) / 8 for channel in channels for axis in (0, 1)]
        steepness, n = np.linalg.norm(slopes, axis=0), view.scaled(self.n_segments)
        counts = np.ones(steepness.shape, dtype=np.bool_) if view.valid is None else view.valid
        for seeds in (lambda: n, lambda: middles(Grid(n).within(steepness, counts))):
            labels = watershed(  # type: ignore[no-untyped-call]
                steepness, markers=seeds(), compactness=self.compactness, mask=view.valid
            )
            labels = labels - 1
            yield view.enlarge(labels if view.valid is None else without_gaps(labels, view.valid))


def _check_view(max_side: int | None, offset: Sizes) -> None:
    """Check what `segmenting_view` is asked for, and how far it is displaced."""
    if max_side is not None:
        check_int("max_side", max_side, minimum=2)
    check_offset("offset", offset)
