"""Which segments work together: Shapley interaction indices from rows already paid for."""

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_choice, describe
from limelens._statistics import is_still
from limelens._typing import Coalitions, Floats
from limelens.engine.samples import Samples
from limelens.errors import InvalidInputError
from limelens.games.coalitions import distinct_rows
from limelens.games.enumeration import MOST_ENUMERATED, exact_interactions
from limelens.gaussian.closed_forms import process_interactions
from limelens.gaussian.kernel import relevance
from limelens.gaussian.process import fit_processes
from limelens.results.record import Record
from limelens.targets.columns import Target, Top, find_target

ESTIMATORS = ("exact", "gaussian_process")


def interaction_index(
    samples: object, *, target: Target = None, estimator: str = "exact"
) -> Floats:
    r"""Return how much more every two segments add together than one by one.

    It is positive where each raises what the other adds (both eyes make a face), negative where
    one replaces the other (either eye is enough), and zero where they add up. No model is called:
    the rows of an explanation are used again.

    Parameters
    ----------
    samples : Explanation or Samples
        Result of a segment method. "exact" needs all coalitions, as `ExactShapley` asks for them.
    target : None, int, sequence of int, Top or callable
        As in `Explainer.explain`. None is the targets of an explanation; a callable has to be
        passed again. Of bare samples None is the highest score of the intact image.
    estimator : {"exact", "gaussian_process"}
        "exact" enumerates all coalitions of at most 16 segments. "gaussian_process" takes the
        closed form for the Gaussian process that fits the rows best; it works for any number of
        rows and segments.

    Returns
    -------
    interactions : ndarray of float64, shape (t, d, d)
        Symmetric, with a zero diagonal, in units of the score.

    Raises
    ------
    InvalidInputError
        If the rows are not coalitions of segments, or not all rows that the estimator needs.

    Notes
    -----
    With :math:`w(s) = s!\,(d-2-s)!/(d-1)!`, summed over the coalitions S without i and j,

    .. math:: I_{ij} = \sum_S w(|S|) \left(v(S \cup ij) - v(S \cup i) - v(S \cup j) + v(S)\right).

    If no three segments interact, a Shapley value is a segment's own effect plus half of its
    interactions.

    The process is that of `GaussianProcess()`; see `process_interactions` for the closed form.
    Its answer is as good as its fit, so first look at the fidelity of an explanation with
    ``surrogate=GaussianProcess()`` on the same rows. Of more than 1024 distinct rows, 1024 random
    ones choose its kernel, and all are fitted. If it finds only additive effects, all interactions
    are exactly zero.

    References
    ----------
    M. Grabisch, M. Roubens, "An axiomatic approach to the concept of interaction among players in
    cooperative games", International Journal of Game Theory 28, 1999, doi:10.1007/s001820050125.

    Examples
    --------
    The score is 1 only if the first two pixels are both kept:

    >>> import numpy as np
    >>> from limelens import Constant, ExactShapley, Grid, interaction_index
    >>> explainer = ExactShapley(segmenter=Grid(cell=(1, 1)), fill=Constant(0))
    >>> image = np.ones((1, 3))
    >>> explanation = explainer.explain(image, lambda batch: batch[:, 0, :2].prod(axis=1))
    >>> interaction_index(explanation)
    array([[[0., 1., 0.],
            [1., 0., 0.],
            [0., 0., 0.]]])
    """
    check_choice("estimator", estimator, ESTIMATORS)
    rows = _check_samples(samples)
    coalitions = rows.coalitions
    intact = np.flatnonzero(coalitions.all(axis=1))
    if not len(intact):
        raise InvalidInputError(
            "`samples` must hold the intact image, the row that keeps every segment; got "
            f"{len(rows)} rows without it. Pass them as the explainer gave them."
        )
    values = _values(samples, rows, target, rows.scores[intact[0]])
    if estimator == "exact":
        return _enumerated(coalitions, values)
    return _expected(coalitions, values)


def _values(samples: object, rows: Samples, target: Target, intact: Floats) -> Floats:
    """Return the target values, shape (n, t), of rows: those of an explanation are its targets'."""
    if rows.reduced:  # the callable's values were kept in place of the scores
        if target is not None and not callable(target):
            raise InvalidInputError(
                "`target` must be the callable that was explained, or None: the rows hold its "
                f"values; got {describe(target)}."
            )
        return rows.scores.astype(np.float64)
    names = None
    if isinstance(samples, Record) and samples.targets_are_columns:
        names = dict(zip(samples.targets, samples.target_names, strict=True))
        target = samples.targets if target is None else target
    elif isinstance(samples, Record) and target is None:
        raise InvalidInputError(
            "`target` must be given where a callable was explained; got None. Pass the same one: "
            "interaction_index(explanation, target=...)."
        )
    if rows.columns is not None:
        return _kept_values(rows, target, names)
    return find_target(target, intact, names).values(rows.scores)


def _kept_values(rows: Samples, target: Target, names: dict[int, str] | None) -> Floats:
    """Return the same for rows that have the scores of some columns only, as files do."""
    columns = rows.columns or ()
    if target is None or isinstance(target, Top) or callable(target):
        raise InvalidInputError(
            f"`target` must be one of the score columns {columns}, or several: of the others these "
            f"rows know nothing; got {describe(target)}. Files hold all scores with "
            "explanation.save(path, samples='all')."
        )
    blank = np.zeros(max(columns, default=0) + 1)  # as if of the intact image: not looked at
    found = find_target(target, blank, names).columns
    return rows.only(found).scores.astype(np.float64)


def _check_samples(samples: object) -> Samples:
    rows = getattr(samples, "samples", samples)
    if not isinstance(rows, Samples) or rows.n_segments < 2:
        raise InvalidInputError(
            "`samples` must be an explanation of a method that keeps and hides segments, or its "
            f"samples; got {describe(samples)}."
        )
    return rows


def _enumerated(coalitions: Coalitions, values: Floats) -> Floats:
    d = coalitions.shape[1]
    bits: NDArray[np.intp] = 1 << np.arange(min(d, MOST_ENUMERATED))
    codes, first = np.unique(coalitions[:, : len(bits)] @ bits, return_index=True)
    if len(codes) < 2**d:  # true for any d > 16, where there are at most 2^16 codes
        n = len(distinct_rows(coalitions)[0])
        raise InvalidInputError(
            f"`samples` must hold all 2**{d} coalitions of {d} segments (at most "
            f"{MOST_ENUMERATED}) for estimator='exact'; got {n} of them. With your "
            "explanation e and its fill, pay for the rest by ExactShapley(segmenter="
            "LabelImage(e.segments), fill=fill).explain(image, predict_fn, reuse=e), or pass "
            "estimator='gaussian_process'."
        )
    table = values[first]
    return exact_interactions(lambda rows: table[rows @ bits], d)


def _expected(coalitions: Coalitions, values: Floats) -> Floats:
    n, d = coalitions.shape
    if n < 3:
        raise InvalidInputError(
            f"`samples` must hold at least 3 rows for estimator='gaussian_process'; got {n}."
        )
    distinct, positions = distinct_rows(coalitions)
    values = values[np.unique(positions, return_index=True)[1]]
    varies = np.flatnonzero(~is_still(values))
    found = np.zeros((values.shape[1], d, d))
    columns = [values[:, [target]] for target in varies]
    for target, process in zip(
        varies, fit_processes(distinct, columns, relevance(None, d)), strict=True
    ):
        found[target] = process_interactions(process)[0]
    return found
