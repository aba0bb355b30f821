"""Rows and designs that the tests of several rooms fit something to."""

import numpy as np
import pytest

from limelens.sampling import Foldover
from limelens.surrogates import cosine_distance, kernel_weights


@pytest.fixture(scope="session")
def make_rows():
    """Return a function that draws coalitions (n, d), scores (n, t) and LIME's weights (n,).

    The scores bend, so that no surrogate fits them exactly; of the segments only the first
    `n_relevant` matter, where that is given.
    """

    def draw(n=60, d=6, t=2, *, seed=0, noise=0.1, curve=np.tanh, n_relevant=None):
        rng = np.random.default_rng(seed)
        rows = rng.random((n, d)) < 0.5
        rows[0] = True
        effects = rng.normal(size=(d, t))
        effects[d if n_relevant is None else n_relevant :] = 0
        scores = curve(rows @ effects) + noise * rng.normal(size=(n, t))
        return rows, scores, kernel_weights(cosine_distance(rows), 0.25)

    return draw


@pytest.fixture(scope="session")
def make_design():
    """Return a function that draws blocks of complementary pairs, after both ends if asked."""

    def draw(d, n_blocks, *, seed=0, ends=False):
        size = n_blocks * Foldover.block_size(d)
        design = Foldover()(size, d, np.random.default_rng(seed))
        return np.concatenate([np.repeat([[True], [False]], d, axis=1)[: 2 * ends], design])

    return draw
