"""Trees over the segments: who is joined with whom, whatever the dtype and layout."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import limelens as ll
from limelens.errors import InvalidInputError
from limelens.segmenting.adjacency import find_regions
from limelens.segmenting.merge_tree import tree_members
from limelens.segmenting.view import segmenting_view

STRIPES = np.array([[0, 1, 2, 3]])


def groups(merges):
    """Return the groups that a tree makes, as sets of segments."""
    members = tree_members(np.asarray(merges))
    return [set(np.flatnonzero(row)) for row in members[members.shape[1] :]]


def depths(merges):
    d = len(merges) + 1
    depth = np.zeros(2 * d - 1, dtype=int)
    for k in range(d - 2, -1, -1):
        depth[merges[k]] = depth[d + k] + 1
    return depth[:d]


def test_borders_by_hand():
    """Segment 0 is an L around 1; 2 is below. Steps are those of grey times 100."""
    segments = np.array([[0, 0, 1], [0, 0, 1], [2, 2, 2]])
    image = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [1.0, 1.0, 1.0]])
    regions = find_regions(segmenting_view(image), segments)
    borders = regions.borders
    assert borders.pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert borders.lengths.tolist() == [2, 2, 1]
    np.testing.assert_allclose(borders.steps, [100, 200, 50])
    np.testing.assert_array_equal(regions.areas, [4, 2, 3])
    np.testing.assert_allclose(regions.colors[:, 0], [0, 50, 100])


def test_every_border_of_single_pixels_is_found():
    """Where four segments meet all borders count, which the extreme labels alone would miss."""
    segments = np.arange(9).reshape(3, 3)
    borders = find_regions(segmenting_view(np.eye(3)), segments).borders
    assert len(borders.pairs) == 12
    assert (borders.lengths == 1).all()


def test_a_large_image_is_measured_on_its_reduced_view():
    image = np.zeros((4, 1200))
    image[:, 600:] = 1.0
    segments = (np.arange(1200) // 600)[np.newaxis].repeat(4, axis=0)
    regions = find_regions(segmenting_view(image), segments)
    np.testing.assert_array_equal(regions.areas, [2400, 2400])
    np.testing.assert_allclose(regions.colors[:, 0], [0, 100])
    assert regions.borders.lengths.tolist() == [4]


def test_like_neighbours_are_joined_first():
    merges = ll.RegionTree()(np.array([[0.0, 0.9, 1.0, 0.1]]), STRIPES)
    assert groups(merges)[0] == {1, 2}
    ring = np.array([[0, 1], [3, 2]])  # 0 and 3 touch here: both pairs come first
    assert groups(ll.RegionTree()(np.array([[0.0, 0.9], [0.1, 1.0]]), ring))[:2] == [
        {0, 3},
        {1, 2},
    ]


def test_segments_that_do_not_touch_are_never_joined_alone():
    merges = ll.RegionTree()(np.array([[0.0, 1.0, 0.0, 1.0]]), STRIPES)
    for group in groups(merges):
        assert max(group) - min(group) == len(group) - 1


def test_an_edge_keeps_regions_of_equal_mean_apart():
    """All three have mean 0.5; a sharp edge runs between the first two."""
    image = np.array([[0.5, 0.0, 1.0, 0.5, 0.5, 0.5]])
    segments = np.array([[0, 0, 1, 1, 2, 2]])
    image[0, 0], image[0, 3] = 1.0, 0.0
    assert groups(ll.RegionTree()(image, segments))[0] == {1, 2}
    heavy = ll.RegionTree(boundary=10)(image, segments)
    assert groups(heavy)[0] == {1, 2}
    assert groups(ll.RegionTree(boundary=0)(image, segments))[0] == {0, 1}


def by_the_formula(lab, labels, boundary):
    """Merge as documented, everything measured anew from the pixels at every step."""
    labels, counts, merges = labels.copy(), dict.fromkeys(range(labels.max() + 1), 1), []
    new = labels.max() + 1
    while len(counts) > 1:
        costs = {}
        for i in counts:
            for j in (j for j in counts if j > i):
                steps = []
                for axis in (0, 1):
                    a, b = np.moveaxis(labels, axis, 0), np.moveaxis(lab, axis, 0)
                    meet = ((a[:-1] == i) & (a[1:] == j)) | ((a[:-1] == j) & (a[1:] == i))
                    steps.extend(np.linalg.norm(b[:-1][meet] - b[1:][meet], axis=1))
                if steps:
                    areas = (labels == i).sum(), (labels == j).sum()
                    apart = lab[labels == i].mean(axis=0) - lab[labels == j].mean(axis=0)
                    sizes = np.prod(areas) / np.sum(areas)
                    sizes *= counts[i] * counts[j] / (counts[i] + counts[j])
                    costs[i, j] = sizes * (apart @ apart + boundary * np.mean(steps) ** 2 + 1)
        i, j = min(costs, key=costs.get)
        merges.append((i, j))
        labels[(labels == i) | (labels == j)] = new
        counts[new] = counts.pop(i) + counts.pop(j)
        new += 1
    return merges


@pytest.mark.parametrize("boundary", [0.0, 1.0, 5.0])
def test_the_tree_is_that_of_the_formula(boundary):
    rng = np.random.default_rng(3)
    image = rng.random((6, 8, 3))
    segments = np.unique(rng.integers(0, 10, (3, 4)), return_inverse=True)[1].reshape(3, 4)
    segments = segments.repeat(2, axis=0).repeat(2, axis=1)
    expected = by_the_formula(segmenting_view(image).lab(), segments, boundary)
    np.testing.assert_array_equal(ll.RegionTree(boundary)(image, segments), expected)


def test_of_equal_colours_the_smallest_regions_are_joined_first():
    image = np.array([[0.5] * 8 + [1.0]])
    segments = np.array([[0, 0, 0, 1, 1, 1, 2, 3, 4]])
    assert groups(ll.RegionTree()(image, segments))[0] == {2, 3}


def test_a_flat_image_gives_a_balanced_tree():
    merges = ll.RegionTree()(np.full((8, 8), 7, np.uint8), np.arange(64).reshape(8, 8))
    assert depths(merges).max() <= 8


def test_a_photograph_gives_a_shallow_tree():
    from skimage.data import astronaut

    image = astronaut()[::4, ::4]
    segments = ll.Slic(50)(image)
    segments = np.unique(segments, return_inverse=True)[1].reshape(segments.shape)
    merges = ll.RegionTree()(image, segments)
    assert depths(merges).max() <= 10


@pytest.mark.parametrize("tree", [ll.RegionTree(), ll.HalvingTree()], ids=repr)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_trees_do_not_depend_on_the_dtype(tree, dtype):
    levels = np.random.default_rng(0).integers(0, 256, (12, 12, 3))
    image = levels.astype(dtype) * (257 if dtype == "uint16" else 1)
    segments = np.arange(144).reshape(12, 12) // 3
    expected = tree(levels.astype(np.uint8), segments)
    np.testing.assert_array_equal(tree(image, segments), expected)


@pytest.mark.parametrize("tree", [ll.RegionTree(), ll.HalvingTree()], ids=repr)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_labels_give_a_binary_tree(tree, data):
    """Whatever the labels, also of segments in several pieces, every node is joined once."""
    seed = data.draw(st.integers(0, 2**32 - 1))
    shape = data.draw(st.sampled_from([(1, 9), (5, 4), (2, 3, 4)]))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, data.draw(st.integers(2, 8)), shape)
    segments = np.unique(labels, return_inverse=True)[1].reshape(shape)
    d = segments.max() + 1
    if d < 2:
        return
    merges = tree(rng.random((*shape, 2)), segments)
    np.testing.assert_array_equal(np.sort(merges.ravel()), np.arange(2 * d - 2))
    assert (merges < d + np.arange(d - 1)[:, np.newaxis]).all()
    assert groups(merges)[-1] == set(range(d))


def test_relabelled_segments_give_the_same_groups():
    image = np.random.default_rng(1).random((6, 6, 3))
    segments = np.arange(36).reshape(6, 6) // 3
    order = np.random.default_rng(2).permutation(12)
    first = {frozenset(order[list(group)]) for group in groups(ll.RegionTree()(image, segments))}
    again = {frozenset(group) for group in groups(ll.RegionTree()(image, order[segments]))}
    assert first == again


@pytest.mark.parametrize("boundary", [-1, np.nan, "1"])
def test_settings_are_checked_at_once(boundary):
    with pytest.raises(InvalidInputError, match="`boundary` must be a finite number"):
        ll.RegionTree(boundary)


def test_halves_are_cut_across_the_longer_extent():
    merges = ll.HalvingTree()(np.zeros((2, 4)), np.arange(8).reshape(2, 4))
    made = groups(merges)
    assert {0, 1, 4, 5} in made
    assert {2, 3, 6, 7} in made
    assert depths(merges).tolist() == [3] * 8


def test_halves_go_by_the_middle_of_each_segment():
    """A long segment on the left lies left, however many pixels it has."""
    merges = ll.HalvingTree()(np.zeros((1, 8)), np.array([[0, 0, 0, 0, 1, 2, 3, 3]]))
    assert groups(merges) == [{0, 1}, {2, 3}, {0, 1, 2, 3}]


def test_an_odd_number_is_cut_next_to_the_middle():
    merges = ll.HalvingTree()(np.zeros((1, 3)), np.array([[2, 0, 1]]))
    assert groups(merges) == [{0, 1}, {0, 1, 2}]
