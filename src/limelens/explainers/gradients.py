"""Integrated and expected gradients: slopes summed on the way from a baseline to the image."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from limelens._axes import over_channels
from limelens._checks.strategies import check_fill
from limelens._checks.values import check_choice, check_int, check_number
from limelens._statistics import predicted_correlation, rounding_share
from limelens._typing import Background, Fill, Floats, Image, Segments, Valid
from limelens.engine.gradients import ask_gradient, check_floating, score_columns
from limelens.engine.query import Query
from limelens.errors import warn
from limelens.explainers.base import Attribution, Explainer
from limelens.fills.background import hide_behind
from limelens.fills.simple import Constant
from limelens.results.units import SCORE_PER_PIXEL

Rule: TypeAlias = Literal[
    "gausslegendre", "riemann_left", "riemann_right", "riemann_middle", "riemann_trapezoid"
]
RULES: tuple[Rule, ...] = get_args(Rule)


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegratedGradients(Explainer):
    """The path integral of the gradient from a baseline x' to the image x.

    ::

        phi_i = (x_i - x'_i) * integral over a in [0, 1] of  df/dx_i (x' + a (x - x'))

    Importances, shape (t, *spatial), are summed over channels. Over all pixels they add up to
    f(x) - f(x') (completeness), up to the error of the rule. The model must offer
    ``gradient(batch, target)``, see `with_gradient`, and the image must be floating-point.

    Parameters
    ----------
    method : str
        Rule for the integral: "gausslegendre" (exact for polynomials of degree
        ``2 n_steps - 1``), "riemann_left", "riemann_right", "riemann_middle" or
        "riemann_trapezoid".
    n_steps : int
        Points of the rule: the number of gradients for each target, baseline and noisy copy.
    baseline : callable
        A fill, ``(image, None) -> baseline``. If it gives several baselines, their maps are
        averaged.
    smooth : float
        SmoothGrad: standard deviation of Gaussian noise on the image, as a share of its range.
        The maps of `n_smooth` noisy copies are averaged. 0 adds no noise.
    n_smooth : int
        Number of noisy copies.

    Notes
    -----
    ``details`` holds ``"completeness_gap"`` (t,), f(x) - f(x') minus the sum of the importances;
    with `smooth` f(x) is the mean score of the noisy copies, which are scored once each.
    ``"per_channel"`` (t, *image.shape); and ``"n_gradients"``, the number of
    images whose gradient was asked for. Memory is O(batch_size · image + t · image).

    References
    ----------
    Sundararajan, Taly, Yan (2017), "Axiomatic attribution for deep networks", ICML.
    arXiv:1703.01365
    Smilkov et al. (2017), "SmoothGrad: removing noise by adding noise". arXiv:1706.03825

    Examples
    --------
    The score is a sum of squares, so each pixel's importance is its square:

    >>> import numpy as np
    >>> from limelens import IntegratedGradients, with_gradient
    >>> model = with_gradient(
    ...     lambda batch: (batch**2).sum(axis=(1, 2)), lambda batch, target: 2 * batch
    ... )
    >>> IntegratedGradients(n_steps=1).explain(np.array([[1.0, 3.0]]), model).importances
    array([[[1., 9.]]])
    """

    method: Rule = "gausslegendre"
    n_steps: int = 50
    baseline: Fill = field(default_factory=lambda: Constant(0))
    smooth: float = 0.0
    n_smooth: int = 20

    def __post_init__(self) -> None:
        check_choice("method", self.method, RULES)
        check_int("n_steps", self.n_steps, minimum=2 if self.method == "riemann_trapezoid" else 1)
        check_fill("baseline", self.baseline)
        check_number("smooth", self.smooth, minimum=0)
        check_int("n_smooth", self.n_smooth, minimum=1)

    def _background(
        self, image: Image, channel_axis: int | None, segments: Segments | None, valid: Valid
    ) -> Background:
        check_floating(image)
        return hide_behind(
            self.baseline, image, channel_axis, segments, name="baseline", valid=valid
        )

    def _attribute(self, query: Query, rng: np.random.Generator) -> Attribution:
        columns = score_columns(query)
        nodes, weights = quadrature(self.method, self.n_steps)
        backgrounds = query.backgrounds
        n_paths = len(backgrounds) * (self.n_smooth if self.smooth else 1)
        maps = np.zeros((len(columns), *query.image.shape))
        ask = _Asker(query, len(columns) * n_paths * self.n_steps)
        scored = []
        for end in self._ends(query, rng):
            if self.smooth:
                scored.append(query.values_of(end[np.newaxis].astype(query.image.dtype))[0])
            for number, start in enumerate(backgrounds):
                path = _Path(end, backgrounds, np.full(self.n_steps, number), nodes)
                for row, column in enumerate(columns):
                    slope = np.zeros(end.shape)

                    def add(step: int, gradient: Floats, slope: Floats = slope) -> None:
                        slope += weights[step] * gradient

                    ask.each(path, column, add)
                    maps[row] += _change(query, start, end) * slope / n_paths
        intact, hidden = query.ends()
        change = np.mean(scored or [intact], axis=0) - hidden
        gap = change - maps.reshape(len(maps), -1).sum(axis=1)
        _warn_of_gap(query, gap, np.zeros(len(columns)), change)
        return Attribution(
            importances=_sum_channels(maps, query),
            details={
                "completeness_gap": gap,
                "per_channel": maps,
                "n_gradients": ask.n_images,
                "unit": SCORE_PER_PIXEL,
            },
        )

    def _ends(self, query: Query, rng: np.random.Generator) -> Iterator[Floats]:
        """Yield the ends of the paths: the image, or one noisy copy after the other."""
        end = query.image.astype(np.float64)
        if not self.smooth:
            yield end
            return
        counts = _counting(query)
        scale = self.smooth * float(np.ptp(end[counts]))
        for _ in range(self.n_smooth):
            yield end + np.where(counts, scale * rng.standard_normal(end.shape), 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpectedGradients(Explainer):
    """Integrated gradients from random baselines: the mean over samples x' and positions a.

    ::

        phi_i = E[ (x_i - x'_i) * df/dx_i (x' + a (x - x')) ],   x' a sample, a uniform in [0, 1]

    In expectation the importances add up to f(x) minus the mean score of the samples. The model
    must offer ``gradient(batch, target)``, and the image must be floating-point.

    Parameters
    ----------
    samples : callable
        A fill that gives the baselines, for example ``Backgrounds(images)``.
    n_steps : int
        Random draws of a sample and a position: the number of gradients for each target.

    Notes
    -----
    Standard errors are those of a mean of independent draws. ``details`` holds the same as for
    `IntegratedGradients`.

    References
    ----------
    Erion, Janizek, Sturmfels, Lundberg, Lee (2021), "Improving performance of deep learning
    models with axiomatic attribution priors and expected gradients", Nature Machine
    Intelligence 3. doi:10.1038/s42256-021-00343-w

    Examples
    --------
    >>> import numpy as np
    >>> from limelens import Constant, ExpectedGradients, with_gradient
    >>> model = with_gradient(
    ...     lambda batch: batch.sum(axis=(1, 2)), lambda batch, target: np.ones_like(batch)
    ... )
    >>> explainer = ExpectedGradients(samples=Constant(0.5), n_steps=4)
    >>> explainer.explain(np.array([[1.0, 3.0]]), model, rng=0).importances
    array([[[0.5, 2.5]]])
    """

    samples: Fill
    n_steps: int = 200

    def __post_init__(self) -> None:
        check_fill("samples", self.samples)
        check_int("n_steps", self.n_steps, minimum=2)

    def _background(
        self, image: Image, channel_axis: int | None, segments: Segments | None, valid: Valid
    ) -> Background:
        check_floating(image)
        return hide_behind(self.samples, image, channel_axis, segments, name="samples", valid=valid)

    def _attribute(self, query: Query, rng: np.random.Generator) -> Attribution:
        columns = score_columns(query)
        image = query.image.astype(np.float64)
        drawn = rng.random((self.n_steps, 2))
        starts = (drawn[:, 0] * len(query.backgrounds)).astype(np.intp)
        sums = np.zeros((len(columns), *image.shape))
        shape = _sum_channels(sums, query).shape
        totals, squares = np.zeros(shape), np.zeros(shape)
        whole = np.zeros((len(columns), self.n_steps))
        ask = _Asker(query, len(columns) * self.n_steps)
        for row, column in enumerate(columns):

            def add(step: int, gradient: Floats, row: int = row) -> None:
                one = _change(query, query.backgrounds[starts[step]], image) * gradient
                sums[row] += one
                pixel = _sum_channels(one[np.newaxis], query)[0]
                totals[row] += pixel
                squares[row] += pixel**2
                whole[row, step] = pixel.sum()

            ask.each(_Path(image, query.backgrounds, starts, drawn[:, 1]), column, add)
        # The variance of single draws from their sums and squares, then that of their mean.
        n = self.n_steps
        variance = np.maximum(squares - totals**2 / n, 0) / (n - 1)
        errors = np.sqrt(variance / n)
        intact, hidden = query.ends()
        flat = (len(columns), -1)
        gap = intact - hidden - totals.reshape(flat).sum(axis=1) / n
        # the gap is that of a mean of random draws: four of its standard errors are no sign
        chance = 4 * whole.std(axis=1, ddof=1) / np.sqrt(n)
        _warn_of_gap(query, gap, chance, intact - hidden)
        return Attribution(
            importances=totals / n,
            standard_errors=errors,
            reliability=predicted_correlation(totals.reshape(flat) / n, errors.reshape(flat)),
            details={
                "completeness_gap": gap,
                "per_channel": sums / n,
                "n_gradients": ask.n_images,
                "unit": SCORE_PER_PIXEL,
            },
        )


def quadrature(method: str, n_steps: int) -> tuple[Floats, Floats]:
    """Return nodes in [0, 1] and weights, shape (n_steps,) each, of an integration rule.

    Examples
    --------
    >>> quadrature("riemann_trapezoid", 3)
    (array([0. , 0.5, 1. ]), array([0.25, 0.5 , 0.25]))
    """
    if method == "gausslegendre":
        nodes, weights = np.polynomial.legendre.leggauss(n_steps)
        return (nodes + 1) / 2, weights / 2  # from [-1, 1] to [0, 1]
    if method == "riemann_trapezoid":
        weights = np.full(n_steps, 1 / (n_steps - 1))
        weights[[0, -1]] /= 2
        return np.linspace(0, 1, n_steps), weights
    shift = {"riemann_left": 0.0, "riemann_middle": 0.5, "riemann_right": 1.0}[method]
    return (np.arange(n_steps) + shift) / n_steps, np.full(n_steps, 1 / n_steps)


@dataclass(frozen=True, eq=False)
class _Path:
    """Points between baselines and the image, computed only when sliced."""

    image: Floats
    backgrounds: Background
    starts: np.ndarray[Any, np.dtype[np.intp]]
    places: Floats

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, part: slice) -> Floats:
        start = self.backgrounds[self.starts[part]].astype(np.float64)
        places = self.places[part].reshape((-1,) + (1,) * self.image.ndim)
        with np.errstate(invalid="ignore"):
            change = self.image - start
        # pixels that do not count may be NaN or infinite
        return start + places * np.where(np.isfinite(change), change, 0)


class _Asker:
    """Asks for gradients batch by batch and passes them on one by one, in order.

    Sums of single gradients do not depend on the batch size.
    """

    def __init__(self, query: Query, n_total: int) -> None:
        self._query = query
        self._n_total = query.n_predictions + n_total
        self.n_images = 0

    def each(self, points: _Path, column: int, add: Callable[[int, Floats], None]) -> None:
        query = self._query

        def ask(part: slice) -> Floats:
            return ask_gradient(query, points[part].astype(query.image.dtype), column)

        def keep(part: slice, gradients: Floats) -> None:
            for step, gradient in enumerate(gradients, part.start):
                add(step, gradient)
            self.n_images += len(gradients)
            if query.report is not None:
                query.report(query.n_predictions, self._n_total)

        query.in_batches(len(points), ask, keep)


def _counting(query: Query) -> NDArray[np.bool_]:
    """Return which values of the image belong to pixels that count, in the image's shape."""
    if query.valid is None:
        return np.ones(query.image.shape, dtype=np.bool_)
    return over_channels(query.valid, query.image, query.channel_axis)


def _change(query: Query, start: NDArray[Any], end: Floats) -> Floats:
    """Return the change from a baseline to the image; zero for pixels that do not count."""
    if query.valid is None:
        return end - start
    with np.errstate(invalid="ignore"):
        return np.where(_counting(query), end - start, 0)


def _warn_of_gap(query: Query, gap: Floats, chance: Floats, change: Floats) -> None:
    """Warn where importances do not add up to the change of the score: no gradient of it does so.

    `chance`, shape (t,), is what the gap may be by chance; `change` is that of the score.
    """
    ends = np.stack(query.ends())
    rounding = max(1e-6, rounding_share(ends)) * np.abs(ends).max(axis=0)
    far = np.abs(gap) > _GAP * np.abs(change) + chance + rounding
    if not far.any():
        return
    row = int(np.argmax(far))
    warn(
        f"importances of target {query.target_names[row]} add up to {change[row] - gap[row]:.4g}, "
        f"the score changes by {change[row]:.4g}. Is `gradient` that of the score by the image's "
        "own values? If predict_fn scales them, it needs the chain rule: for image / 255, divide "
        "the gradient by 255. If it is, raise n_steps."
    )


_GAP = 0.05  # of the change of the score


def _sum_channels(maps: Floats, query: Query) -> Floats:
    """Sum maps (t, *image.shape) over channels, to (t, *spatial)."""
    return maps if query.channel_axis is None else maps.sum(axis=query.channel_axis + 1)
