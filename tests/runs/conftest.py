"""A cheap explainer and a model that counts, for the tests of runs."""

import numpy as np
import pytest

import limelens as ll


@pytest.fixture
def explainer():
    """Four cells, up to nine images of the model each; random, so that seeds matter."""
    grid, black = ll.Grid(4), ll.Constant(0)
    return ll.Lime(segmenter=grid, fill=black, n_samples=8, surrogate=ll.Ridge())


@pytest.fixture
def images():
    return list(np.random.default_rng(0).random((5, 6, 6)))


@pytest.fixture
def model():
    """Mean brightness of the upper half, bent; `model.shown` counts images."""

    class Model:
        shown = 0

        def __call__(self, batch):
            self.shown += len(batch)
            return np.tanh(batch[:, :3].mean(axis=(1, 2)))

    return Model()
