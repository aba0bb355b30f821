"""A few complementary masks of one image."""

import numpy as np
import pytest

from limelens.audits.pairs import draw_pairs


@pytest.mark.parametrize("d", [4, 7, 16, 50])
def test_segments_are_shown_independently_of_each_other(d):
    signs = np.array([2.0 * draw_pairs(8, d, np.random.default_rng(k))[0] - 1 for k in range(400)])
    # Which of a pair comes first does not matter.
    products = np.einsum("npi,npj->ij", signs, signs) / (400 * 3)
    assert np.abs(products - np.eye(d)).max() < 5 / np.sqrt(1200)


def test_rows_of_one_image_are_nearly_orthogonal():
    rows = 2.0 * draw_pairs(8, 19, np.random.default_rng(0))[0] - 1
    assert np.abs(rows @ rows.T - 19 * np.eye(3)).max() == 1


@pytest.mark.parametrize(("calls", "d"), [(4, 2), (8, 3), (16, 4), (20, 4)])
def test_all_pairs_are_asked_where_there_are_no_more(calls, d):
    rows, complete = draw_pairs(calls, d, np.random.default_rng(0))
    both = np.concatenate([rows, ~rows])
    assert complete
    assert len(np.unique(both, axis=0)) == len(both) == 2**d


@pytest.mark.parametrize(("calls", "d"), [(4, 3), (8, 4), (30, 5)])
def test_the_two_ends_are_paid_for_out_of_the_calls(calls, d):
    rows, complete = draw_pairs(calls, d, np.random.default_rng(0))
    assert not complete
    assert len(rows) == (calls - 2) // 2
