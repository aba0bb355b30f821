"""How the likelihood of given values changes with each parameter of the kernel."""

from dataclasses import dataclass

import numpy as np

from limelens._typing import Coalitions, Floats
from limelens.games.coalitions import is_folded, signs
from limelens.gaussian.kernel import MaskKernel
from limelens.gaussian.likelihood import Choice, cholesky, in_blocks


@dataclass(frozen=True, kw_only=True, eq=False)
class Point:
    r"""The parameters of a process as numbers without bounds, where gradients can be followed.

    Parameters
    ----------
    numbers : ndarray, shape (d + 3,)
        Logarithms of the relevances up to a constant, the log-odds of the additive share and of
        the noise share, and :math:`\log(-\log r^d)` of the decay r.

    Examples
    --------
    >>> kernel = MaskKernel(relevance=np.array([0.75, 0.25]), additive=0.5, decay=0.9)
    >>> point = Point.of(kernel, noise=0.1)
    >>> point.kernel.relevance
    array([0.75, 0.25])
    >>> point.kernel.additive, round(point.kernel.decay, 9), round(point.noise, 9)
    (0.5, 0.9, 0.1)
    """

    numbers: Floats

    @classmethod
    def of(cls, kernel: MaskKernel, noise: float) -> "Point":
        """Return the point of a kernel, whose shares must not be 0 or 1, and a noise share."""
        shares = np.array([kernel.additive, noise])
        decay = np.log(-kernel.log_decay)
        logs = np.log(kernel.relevance), np.log(shares / (1.0 - shares)), [decay]
        return cls(numbers=np.concatenate(logs))

    @property
    def kernel(self) -> MaskKernel:
        """The kernel at this point."""
        raised = np.exp(self.numbers[:-3] - self.numbers[:-3].max())
        return MaskKernel(
            relevance=raised / raised.sum(),
            additive=float(1.0 / (1.0 + np.exp(-self.numbers[-3]))),
            decay=float(np.exp(-np.exp(self.numbers[-1]) / len(raised))),
        )

    @property
    def noise(self) -> float:
        """The noise share at this point."""
        return float(1.0 / (1.0 + np.exp(-self.numbers[-2])))

    @property
    def choice(self) -> Choice:
        """Both, as `fit_chosen` takes them."""
        return Choice(kernel=self.kernel, noise=self.noise)


@dataclass(frozen=True, kw_only=True, eq=False)
class Likelihood:
    """The marginal likelihood of columns of values as a function of a point.

    Parameters
    ----------
    coalitions : ndarray of bool, shape (n, d)
        Distinct rows.
    values : ndarray, shape (n, c)
        The columns share kernel and noise.
    """

    coalitions: Coalitions
    values: Floats

    def at(self, point: Point) -> tuple[float, Floats]:
        r"""Return the log-likelihood, up to a constant, and its gradient, shape (d + 3,).

        Notes
        -----
        With :math:`C = (1 - \nu) K + \nu I`, :math:`\alpha = C^{-1} (y - \bar y)` and the best
        variance of each column, the log-likelihood changes by
        :math:`\langle W, \mathrm{d} C \rangle / 2` with

        .. math:: W = \sum_j n \alpha_j \alpha_j' / (y_j' \alpha_j) - c\, C^{-1}.

        That is equation 5.9 of Rasmussen and Williams (2006) summed over the columns.
        """
        kernel, noise = point.kernel, point.noise
        n = len(self.coalitions)
        folded = is_folded(self.coalitions)
        s = signs(self.coalitions[: n // 2] if folded else self.coalitions)
        a = (s * kernel.relevance) @ s.T
        # g is the product part at agreement a, h at -a: (1 - lambda) r^(d (1 -+ a) / 2).
        share, log_decay = 1.0 - kernel.additive, kernel.log_decay
        g = share * np.exp(0.5 * log_decay * (1.0 - a))
        h = share**2 * np.exp(log_decay) / g
        linear = 2.0 * kernel.additive * a
        blocks = [g + h + 2.0, linear + g - h] if folded else [1.0 + 0.5 * linear + g]
        value, slopes = self._by_blocks(blocks, noise)
        # One block is half the sum of the even and the odd part, so each gets half of its slope.
        even, odd = slopes if folded else (0.5 * slopes[0], 0.5 * slopes[0])
        by_g, by_h = (even + odd) * g, (even - odd) * h
        products, by_linear = by_g.sum() + by_h.sum(), float(np.vdot(a, odd))
        by_a = -0.5 * log_decay * (by_g - by_h) + 2.0 * kernel.additive * odd
        by_relevance = np.einsum("nd,nd->d", by_a @ s, s)
        by_additive = 2.0 * by_linear - products / share
        by_log_decay = 0.5 * (products - np.vdot(a, by_g) + np.vdot(a, by_h))
        by_kernel = products + 2.0 * float(even.sum()) + 2.0 * kernel.additive * by_linear
        by_noise = sum(np.trace(each) for each in slopes) - by_kernel
        # The chain rule to logarithms, log-odds and log(-log_decay).
        relevance, additive = kernel.relevance, kernel.additive
        inner = np.concatenate(
            [
                relevance * (by_relevance - relevance @ by_relevance),
                [additive * share * by_additive, noise * by_noise, log_decay * by_log_decay],
            ]
        )
        inner *= 0.5 * (1.0 - noise)
        return value, inner

    def _by_blocks(self, blocks: list[Floats], noise: float) -> tuple[float, list[Floats]]:
        """Return the log-likelihood and W of each of the kernel's blocks."""
        from scipy.linalg import lapack  # noqa: PLC0415

        n, c = self.values.shape
        solved, inverses, log_determinant, squares = [], [], 0.0, np.zeros(c)
        parts = in_blocks(self.values - self.values.mean(axis=0), len(blocks))
        for block, part in zip(blocks, parts, strict=True):
            factor = cholesky(block, noise)
            log_determinant += 2.0 * float(np.log(np.diagonal(factor)).sum())
            triangle = np.tril(lapack.dpotri(factor, lower=1)[0])
            inverses.append(triangle + np.tril(triangle, -1).T)
            solved.append(inverses[-1] @ part)
            squares += (part * solved[-1]).sum(axis=0)
        squares = np.maximum(squares, np.finfo(np.float64).tiny)  # half of the rows may be still
        slopes = [
            n * (alpha / squares) @ alpha.T - c * inverse
            for alpha, inverse in zip(solved, inverses, strict=True)
        ]
        return -0.5 * (c * log_determinant + n * float(np.log(squares / n).sum())), slopes
