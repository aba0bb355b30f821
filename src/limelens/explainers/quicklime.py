"""QuickLime: LIME's answer for fewer model calls, with error bars that hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from limelens._typing import Coalitions
from limelens.explainers.sequential import SequentialExplainer, in_looks
from limelens.games.coalitions import both_ends
from limelens.sampling.designs import Foldover
from limelens.sampling.distinct import foldover_pairs, foldover_rows


@dataclass(frozen=True, kw_only=True, eq=False)
class QuickLime(SequentialExplainer):
    r"""LIME's own importances from about a third of the model calls (range 1-5x).

    Instead of a thousand coin tosses it asks complementary coalitions of an orthogonal design, in
    blocks of about 2 d calls, and fits a Gaussian process to the log-odds of the scores. The
    importances are LIME's definition applied to the scores that the process expects for all other
    coalitions, on the score's own scale. After each block it estimates its error, and stops when
    that is small enough. It never stops before calls of the next block, at most 32, have checked
    the first answer, and left a tenth of the tolerance to spare.

    Parameters
    ----------
    max_samples : int
        Most coalitions to ask, the intact image and the one with everything hidden included. If
        all 2^d fit, they are all asked and the answer is exact; those two are then asked once more.
    tolerance : float
        Relative error of the importances, ``|error| / |importances|``, that is good enough if it
        holds with a probability of 0.9. With 0 all of `max_samples` is spent.
    scale : {"score", "link"}
        What is explained: the score itself, or the log-odds of scores in [0, 1]. On log-odds
        effects add up better, and error bars hold even for saturated probabilities.
    link : {"auto", "identity", "log-odds", "softmax"}
        Scale on which the Gaussian process is fitted. "auto" takes competing log-probabilities
        ("softmax") for three or more floating-point probabilities that sum to 1, and log-odds for
        other scores in [0, 1], unless log-odds predict badly. All other scores are fitted directly.
    kernel_rows : int
        Of more distinct coalitions than these, so many random ones choose the kernel of the
        process, at least 64. All are fitted in any case. The time grows as the cube of this number.
    segmenter, fill
        See `SegmentExplainer`.

    Warns
    -----
    ConvergenceWarning
        If `tolerance` was not reached within `max_samples`, or the error bars cannot be trusted.
        The answer is returned all the same.

    Notes
    -----
    With coalitions z, the kernel weights :math:`w(z)` of LIME and the score f, the importances are

    .. math:: \arg\min_\phi \min_c \sum_{z \in \{0, 1\}^d} w(z)\, [f(z) - c - z \cdot \phi]^2 ,

    the limit of `Lime` with infinitely many samples and no penalty. 1.96 `standard_errors` make a
    95 % interval; `reliability` is the predicted correlation with the exact importances;
    `fidelity` is the leave-one-out R² of the surrogate.

    `details` holds, per target unless stated otherwise:

    * "status", the worst of all targets: "exact"; "stochastic" if all coalitions were asked but
      the model does not answer the same twice; "converged"; "not converged"; "unreliable" if the
      error bars themselves cannot be trusted; "constant" if the score changed by less than a
      millionth, which is taken for rounding. "message" is the same in words. "statuses" and
      "messages" are per target. "converged" tells whether no target needs more calls;
    * "n_calls"; "relative_error", predicted; "error_bound", a bound on it with a probability of
      0.9, by which the run converges; "looks", the relative error after each block (NaN after the
      first of several, which cannot end the run: nothing is fitted to it alone);
    * "kernel_rows", how many coalitions chose the kernel, 0 where there is none;
    * "links"; "link_limits", the smallest distances from 0 and from 1 at which probabilities are
      trusted; "ratio", the squared leave-one-out error of log-odds over that of the identity;
    * "additive_share", the part of the surrogate's variance that importances can express;
    * four numbers that make error bars unreliable: "inflation" over 2, the surrogate's squared
      errors over the expected ones; "saturation" over 0.1, the share of coalitions whose
      probability is at 0 or 1; "carriers" under 5, the effective number of coalitions that carry
      the score's variation; and, for a rounded probability, "steps" under 4, the number of steps
      of its rounding over which it moves;
    * "additive" and "noise", the hyper-parameters of the process; "covariance" (t, d, d) of the
      importances in the order of "targets", for `Explanation.top_confidence`.

    The Gaussian process learns from the scores which segments matter, and up to which order
    segments work together. For this, variances grow in proportion to 1 / calls. From eight calls a
    segment on, it learns everything together, if halves of the rows then predict each other with
    four fifths of the squared error or less. Only `kernel_rows` coalitions choose the kernel, and
    half as many learn everything together. By default this matters from 1024 calls on, and from 512
    on. A larger `kernel_rows` moves importances by a fraction of their standard errors.

    The process may miss something systematically, such as small effects below large interactions.
    Its errors for rows left out show that: the same definition is applied to them, the result is
    multiplied by the share that their noise cannot explain (James and Stein 1961), and added. Where
    the process fits well, that share is 0.

    Below one block of calls a Hadamard design without complements is asked. Time beside the model
    is about 60 ms at 256 calls and 50 segments, and grows as the cube of the calls. With 4058 calls
    it is two to seven seconds, as only `kernel_rows` of them choose the kernel. Probabilities
    that compete ("softmax") share one kernel, so that ten targets take two or three times as long
    as one; any other target learns a kernel of its own. From the same calls a target has the same
    importances alone and beside others. Of more than 31 classes that compete, this holds among the
    31 likeliest: only these, the targets and the sum of all others compete. Memory is
    O(batch_size · image + max_samples · (max_samples + k) + 8192 · max_samples) numbers.

    References
    ----------
    M. T. Ribeiro, S. Singh, C. Guestrin, "Why should I trust you?", KDD 2016,
    doi:10.1145/2939672.2939778.
    C. E. Rasmussen, C. K. I. Williams, "Gaussian processes for machine learning", MIT Press, 2006.
    W. James, C. Stein, "Estimation with quadratic loss", Proc. 4th Berkeley Symposium, 1961.
    N. Duan, "Smearing estimate: a nonparametric retransformation method", Journal of the American
    Statistical Association 78, 1983, doi:10.1080/01621459.1983.10478017.

    Examples
    --------
    >>> import numpy as np
    >>> from limelens import Constant, Grid, QuickLime
    >>> image = np.ones((4, 12))
    >>> def predict(batch):
    ...     return 1 / (1 + np.exp(4 - batch[:, :, 4:8].sum(axis=(1, 2)) / 2))
    >>> explainer = QuickLime(segmenter=Grid(cell=(4, 4)), fill=Constant(0))
    >>> explanation = explainer.explain(image, predict, rng=0)
    >>> explanation.importances.round(3) + 0.0
    array([[0.   , 0.964, 0.   ]])
    >>> explanation.details["message"]
    'exact: all 8 coalitions were asked'
    """

    _definition: ClassVar[str] = "lime"

    def _blocks(self, d: int, rng: np.random.Generator) -> Iterator[Coalitions]:
        size, left = Foldover.block_size(d), self.max_samples - 2
        if left < size:
            yield np.concatenate([both_ends(d), foldover_rows(left, d, rng)])
            return
        coalitions = np.concatenate([both_ends(d), foldover_pairs(left // 2, d, rng)])
        yield from in_looks(coalitions, 2 + size, size)
