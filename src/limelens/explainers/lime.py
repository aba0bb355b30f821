"""LIME: a weighted surrogate fitted to random coalitions."""

from dataclasses import dataclass, field

import numpy as np

from limelens._checks.images import check_coalition_rows
from limelens._checks.values import check_callable, check_flag, check_int, check_number
from limelens._typing import Sampler
from limelens.engine.query import Query
from limelens.errors import InvalidInputError
from limelens.explainers.base import Attribution, SegmentExplainer, fit_reliability
from limelens.games.lime_kernel import cosine_distance, kernel_weights
from limelens.sampling.bernoulli import Bernoulli
from limelens.surrogates.fit import Surrogate, ask_surrogate
from limelens.surrogates.lasso import Lasso


@dataclass(frozen=True, kw_only=True, eq=False)
class Lime(SegmentExplainer):
    """Local interpretable model-agnostic explanations of an image.

    Random coalitions z of segments are shown to the model; a surrogate g is fitted to the scores
    f(z), weighted by closeness to the intact image::

        minimise  sum_n w_n (f(z_n) - g(z_n))^2,   w = exp(-D^2 / (2 width^2)),
        D = 1 - sqrt(kept / d)     (cosine distance of z to the intact image)

    Importances are g's coefficients, in units of the score: how much keeping a segment raises it.

    Parameters
    ----------
    n_samples : int
        Coalitions shown to the model, the intact image included. The image with everything hidden
        is shown as well, and not counted.
    sampler : callable
        Function `(n, d, rng) -> coalitions (n, d)`.
    surrogate : callable
        Function `(coalitions, scores, weights) -> Fit`: `Lasso()`, `Ridge()`, `Tree()`,
        `ForwardSelection(6)`, `Regressor(...)`.
    kernel_width : float
        Width of the kernel in cosine distance. A small width gives weight only to coalitions close
        to the intact image.
    include_original : bool
        Whether the first coalition is the intact image, as published. Without it the error
        is up to 11 times smaller on images whose score collapses as soon as they are masked.
    segmenter, fill
        See `SegmentExplainer`.

    Notes
    -----
    Standard errors are those of the surrogate: heteroskedasticity-consistent (HC3) for linear
    surrogates, None for others. Memory is O(batch_size · image + n_samples · (d / 8 + k)) bytes.

    References
    ----------
    Ribeiro, Singh, Guestrin (2016), "Why should I trust you?", KDD. doi:10.1145/2939672.2939778

    Examples
    --------
    The score is the mean of the right half, so only the segment there matters:

    >>> import numpy as np
    >>> from limelens import Constant, Grid, Lime, Ridge
    >>> image = np.ones((4, 8))
    >>> lime = Lime(segmenter=Grid(cell=(4, 4)), fill=Constant(0), n_samples=50,
    ...             surrogate=Ridge(1e-9))
    >>> explanation = lime.explain(image, lambda batch: batch[:, :, 4:].mean(axis=(1, 2)), rng=0)
    >>> explanation.importances.round(6) + 0.0
    array([[0., 1.]])
    """

    n_samples: int = 1000
    sampler: Sampler = field(default_factory=Bernoulli)
    surrogate: Surrogate = field(default_factory=Lasso)
    kernel_width: float = 0.25
    include_original: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("n_samples", self.n_samples, minimum=2)
        check_callable("sampler", self.sampler, "(n, d, rng) -> coalitions")
        check_callable("surrogate", self.surrogate, "(coalitions, scores, weights) -> Fit")
        check_number("kernel_width", self.kernel_width, minimum=0, open_minimum=True)
        check_flag("include_original", self.include_original)

    def _check_budget(self, n_segments: int) -> None:
        if self.n_samples < n_segments:
            raise InvalidInputError(
                f"`n_samples` must be at least the number of segments, {n_segments}; got "
                f"{self.n_samples}. Raise n_samples, or use fewer segments."
            )

    def _attribute(self, query: Query, rng: np.random.Generator) -> Attribution:
        coalitions = check_coalition_rows(
            self.sampler(self.n_samples, query.n_segments, rng), query.n_segments, self.n_samples
        )
        if self.include_original:
            coalitions[0] = True
        values = query.ask_values(coalitions)
        weights = kernel_weights(cosine_distance(coalitions), self.kernel_width)
        fit = ask_surrogate(
            self.surrogate,
            coalitions,
            values,
            weights,
            names=query.target_names,
            at_random=query.at_random,
        )
        return Attribution(
            importances=fit.importances,
            standard_errors=fit.standard_errors,
            fidelity=fit.fidelity,
            reliability=fit_reliability(fit.importances, fit),
            details={
                "intercepts": fit.intercepts,
                "training_fidelity": fit.training_fidelity,
                "surrogate": fit.details,
            },
        )
