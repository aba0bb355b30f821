"""The likeliest kernel by Cholesky factors, against matrices written out."""

import numpy as np
import pytest

from limelens.games.coalitions import distinct_rows, is_folded
from limelens.gaussian.kernel import MaskKernel, relevance
from limelens.gaussian.likelihood import NOISE_SHARES, likeliest, random_rows
from limelens.gaussian.process import fit_processes

D = 6


def rows_of(*, folded, n=24):
    half = np.random.default_rng(0).random((n // 2, D)) < 0.5
    return distinct_rows(np.concatenate([half, ~half]) if folded else half)[0]


def kernels_of(*shares):
    prior = relevance(np.arange(1.0, D + 1), D)
    return [MaskKernel(relevance=prior, additive=share) for share in shares]


def log_likelihood(kernel, noise, rows, columns):
    matrix = (1 - noise) * kernel.matrix(rows, rows) + noise * np.eye(len(rows))
    centred = columns - columns.mean(axis=0)
    variances = np.square(np.linalg.solve(np.linalg.cholesky(matrix), centred)).mean(axis=0)
    determinant = np.linalg.slogdet(matrix)[1]
    return -0.5 * (columns.shape[1] * determinant + len(rows) * np.log(variances).sum())


@pytest.mark.parametrize("folded", [True, False])
def test_each_group_gets_the_likeliest_of_all_kernels_and_noises(folded):
    rows, rng = rows_of(folded=folded), np.random.default_rng(1)
    additive = rows @ rng.normal(size=(D, 1))
    groups = [additive, rng.normal(size=(len(rows), 3)), additive + rng.normal(size=(len(rows), 1))]
    kernels = kernels_of(0.0, 0.6, 1.0)
    for choice, columns in zip(likeliest(kernels, rows, groups), groups, strict=True):
        table = {
            (kernel.additive, noise): log_likelihood(kernel, noise, rows, columns)
            for kernel in kernels
            for noise in NOISE_SHARES
        }
        best = max(table, key=table.get)
        assert (choice.kernel.additive, choice.noise) == best
        assert choice.log_likelihood == pytest.approx(table[best], abs=1e-9)
    assert len({id(choice.kernel) for choice in likeliest(kernels, rows, groups)}) > 1


def test_of_equally_likely_kernels_the_first_is_taken():
    rows = rows_of(folded=True)
    same = kernels_of(0.3, 0.3)
    (choice,) = likeliest(same, rows, [rows @ np.ones((D, 1))])
    assert choice.kernel is same[0]


def test_without_groups_there_is_nothing_to_choose():
    assert likeliest(kernels_of(0.3), rows_of(folded=True), []) == []


@pytest.mark.parametrize("folded", [True, False])
def test_of_many_rows_some_decide(folded):
    rows, rng = rows_of(folded=folded, n=40), np.random.default_rng(1)
    columns = rng.normal(size=(len(rows), 2))
    some = random_rows(rows, 20)
    assert is_folded(rows[some]) == folded
    assert len(set(some)) == len(some) <= 20
    wanted = likeliest(kernels_of(0.0, 0.6), rows[some], [columns[some]])
    (found,) = likeliest(kernels_of(0.0, 0.6), rows, [columns], 20)
    assert found.noise == wanted[0].noise
    assert found.log_likelihood == pytest.approx(wanted[0].log_likelihood)
    (process,) = fit_processes(rows, [columns], relevance(None, D), 20)
    assert len(process.weights) == len(rows)
