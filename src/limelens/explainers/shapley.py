"""Shapley values by their definition: every coalition enumerated."""

from dataclasses import dataclass

import numpy as np

from limelens.engine.query import Query
from limelens.errors import InvalidInputError
from limelens.explainers.base import Attribution, SegmentExplainer
from limelens.games.enumeration import MOST_ENUMERATED, exact_shapley


@dataclass(frozen=True, kw_only=True, eq=False)
class ExactShapley(SegmentExplainer):
    r"""Shapley values by their definition: the model is asked about every coalition.

    For d segments 2^d coalitions are shown to the model, so d is at most 16. Up to about 10
    segments this is cheaper than any estimate. There is no sampling error, and so there are no
    standard errors.

    Parameters
    ----------
    segmenter, fill
        See `SegmentExplainer`; the default segmenter makes too many segments for this method, so
        pass for example ``segmenter=Slic(10)``.

    Raises
    ------
    InvalidInputError
        From `explain`, before the model is called, if there are more than 16 segments.

    Notes
    -----
    With v(S) the score when the segments S are kept,

    .. math:: \phi_j = \sum_{S \not\ni j} \frac{s!\,(d-1-s)!}{d!} (v(S \cup j) - v(S)).

    They sum to the score of the intact image minus the score of everything hidden. Memory is
    O(batch_size · image + 2^d · k) bytes for k scores per image. The rows that were paid for
    stay in `Explanation.samples`, where `interaction_index` finds them.

    References
    ----------
    L. S. Shapley, "A value for n-person games", 1953, doi:10.1515/9781400881970-018.

    Examples
    --------
    The score is 1 as soon as one of two halves is kept; they share it equally:

    >>> import numpy as np
    >>> from limelens import Constant, ExactShapley, Grid
    >>> explainer = ExactShapley(segmenter=Grid(cell=(2, 2)), fill=Constant(0))
    >>> image = np.ones((2, 4))
    >>> explainer.explain(image, lambda batch: batch.max(axis=(1, 2))).importances
    array([[0.5, 0.5]])
    """

    of_differences = True

    def _check_budget(self, n_segments: int) -> None:
        if n_segments > MOST_ENUMERATED:
            raise InvalidInputError(
                f"`segmenter` must make at most {MOST_ENUMERATED} segments for ExactShapley, "
                f"which asks the model about all 2**d coalitions; got {n_segments}. Use fewer, for "
                "example segmenter=Slic(10), or estimate with KernelShap() or PermutationShapley()."
            )

    def _attribute(self, query: Query, rng: np.random.Generator) -> Attribution:
        return Attribution(exact_shapley(query.ask_values, query.n_segments))
