from dataclasses import replace

import numpy as np
import pytest

from limelens.games.coalitions import distinct_rows
from limelens.gaussian import projection
from limelens.gaussian.kernel import relevance
from limelens.gaussian.links import Link, log_odds_link, sigmoid
from limelens.gaussian.process import fit_processes
from limelens.gaussian.projection import additive_share, project
from limelens.gaussian.softmax import softmax_link
from limelens.gaussian.virtual import _made, fitting_on, virtual_coalitions
from limelens.testing import all_coalitions, exact_values


def make_fit(d, kind, seed=0, n=120):
    rng = np.random.default_rng(seed)
    half = rng.random((n // 2, d)) < 0.5
    rows = distinct_rows(np.concatenate([half, ~half]))[0]
    logits = rows @ rng.normal(size=(d, 3)) + rng.normal(size=(len(rows), 3))
    logits -= logits.mean(axis=0)
    if kind == "identity":
        link = Link(columns=logits[:, :1], explained=logits[:, :1])
    elif kind == "log-odds":
        link = log_odds_link(sigmoid(logits[:, 0]), (1e-10, 1e-10))
    else:
        scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        link = softmax_link(scores, np.array([0, 2]), 30)
    (process,) = fit_processes(rows, [link.columns], relevance(None, d))
    return link, process


KINDS = ["identity", "log-odds", "softmax"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("definition", ["lime", "shapley"])
def test_the_projection_is_the_definition_of_what_the_surrogate_expects(kind, definition):
    link, process = make_fit(8, kind)
    every = all_coalitions(8)
    table, _ = link.curve(process.predict(every), process.residuals, process.scale)
    table = table.copy()
    table[process.coalitions @ (1 << np.arange(8))] = link.explained  # asked, so known
    differences = table[-1] - table[0]
    found = project(
        process, link, virtual_coalitions(8, definition), process.residuals, differences
    )
    np.testing.assert_allclose(found.importances, exact_values(table, definition), atol=1e-6)


@pytest.mark.parametrize("definition", ["lime", "banzhaf", "shapley"])
def test_of_few_segments_only_coalitions_never_asked_are_uncertain(definition):
    """Mean and covariance of a normal vector of 2^8 scores, given those that were asked."""
    link, process = make_fit(8, "identity")
    every, asked = all_coalitions(8), process.coalitions @ (1 << np.arange(8))
    prior = process.scale[0, 0] * (
        (1 - process.noise) * process.kernel.matrix(every, every)
        + process.noise * np.eye(len(every))
    )
    gain = np.linalg.solve(prior[np.ix_(asked, asked)], prior[asked]).T
    scores = process.means + gain @ (link.columns - process.means)
    left = prior - gain @ prior[asked]
    found = project(
        process,
        link,
        virtual_coalitions(8, definition),
        process.residuals,
        scores[-1] - scores[0],
    )
    np.testing.assert_allclose(found.importances[0], exact_values(scores, definition)[0], atol=1e-8)
    # Columns of the definition, one a coalition; the difference of the ends is given apart.
    inner = every.any(axis=1) & ~every.all(axis=1) if definition == "shapley" else np.ones(256)
    columns = exact_values(np.diag(inner.astype(float)), definition).T
    np.testing.assert_allclose(found.covariance[0], columns @ left @ columns.T, atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "d", "definition", "left"),
    [
        ("identity", 70, "banzhaf", 1e-6),
        ("identity", 70, "lime", 0.9),
        ("log-odds", 70, "lime", 0.75),
        ("softmax", 70, "lime", 0.75),
        ("log-odds", 20, "shapley", 0.75),
        ("softmax", 20, "shapley", 0.75),
    ],
)
def test_the_control_variate_takes_out_virtual_error(kind, d, definition, left, monkeypatch):
    monkeypatch.setattr("limelens.gaussian.process.ADDITIVE_SHARES", (0.3,))
    link, process = make_fit(d, kind)
    ends = np.repeat([[True], [False]], d, axis=1)
    scores, _ = link.curve(process.predict(ends), process.residuals, process.scale)
    make_rng, found = np.random.default_rng, {True: [], False: []}
    for seed in range(4):
        monkeypatch.setattr(np.random, "default_rng", lambda *_, s=seed: make_rng(s))
        virtual = _made(d, definition)
        monkeypatch.undo()
        for controlled, maps in found.items():
            with monkeypatch.context() as context:
                if not controlled:
                    none = projection._Control(correction=np.zeros(d))
                    context.setattr(projection, "_control", lambda *_, none=none: none)
                seen = project(process, link, virtual, process.residuals, scores[0] - scores[1])
            maps.append(seen.importances)
    spread = {controlled: np.std(maps, axis=0).mean() for controlled, maps in found.items()}
    assert spread[True] < left * spread[False]


@pytest.mark.parametrize(
    ("kind", "d", "definition"),
    [("log-odds", 20, "shapley"), ("log-odds", 20, "lime"), ("log-odds", 70, "lime")],
)
def test_bars_know_the_error_of_the_draw(kind, d, definition, monkeypatch):
    """Against drawing the virtual coalitions again and again; arrays do better than chance."""
    link, process = make_fit(d, kind)
    ends = np.repeat([[True], [False]], d, axis=1)
    scores, _ = link.curve(process.predict(ends), process.residuals, process.scale)
    make_rng, maps, said = np.random.default_rng, [], []
    monkeypatch.setattr(projection, "delta_covariances", lambda *_: np.zeros((1, d, d)))
    for seed in range(6):
        with monkeypatch.context() as context:
            context.setattr(np.random, "default_rng", lambda *_, s=seed: make_rng(s))
            virtual = _made(d, definition)
        seen = project(process, link, virtual, process.residuals, scores[0] - scores[1])
        maps.append(seen.importances[0])
        said.append(np.diagonal(seen.covariance[0]).mean())
    true = np.var(maps, axis=0, ddof=1).mean()
    assert 0.4 * true < np.mean(said) < (3 if definition == "shapley" else 100) * true
    assert np.mean(said) < 1e-3 * np.square(maps).mean()


def test_a_straight_links_covariance_is_the_posteriors():
    link, process = make_fit(7, "identity")
    virtual = replace(virtual_coalitions(7, "banzhaf"), exact=False)  # as if there were more
    found = project(process, link, virtual, process.residuals, np.zeros(1))
    from limelens.gaussian.closed_forms import banzhaf_effects

    values, covariance = banzhaf_effects(process)
    np.testing.assert_allclose(found.importances, values, atol=1e-10)
    np.testing.assert_allclose(found.covariance[0], process.variances[0] * covariance, atol=1e-10)


def test_closed_form_shapley_values_meet_the_ends_by_equal_shares():
    link, process = make_fit(20, "identity")
    virtual = virtual_coalitions(20, "shapley")
    found = project(process, link, virtual, process.residuals, np.array([5.0]))
    other = project(process, link, virtual, process.residuals, np.array([7.0]))
    assert found.importances.sum() == pytest.approx(5.0)
    np.testing.assert_allclose(other.importances - found.importances, 0.1, atol=1e-12)


def test_additive_share_is_one_for_additive_values_and_zero_for_a_parity():
    every = all_coalitions(4)
    additive = (every @ np.arange(4.0))[:, np.newaxis]
    parity = (every.sum(axis=1) % 2.0)[:, np.newaxis]
    values = np.hstack([additive, parity, np.ones((16, 1))])
    found = additive_share(every, values, exact_values(values, "banzhaf"))
    np.testing.assert_allclose(found, [1.0, 0.0, np.nan], atol=1e-12)


@pytest.mark.parametrize(("d", "definition"), [(17, "lime"), (18, "shapley")])
def test_squares_of_what_pairs_add_are_those_written_out(d, definition):
    virtual = virtual_coalitions(d, definition)
    half = len(virtual) // 2
    left = np.random.default_rng(0).normal(size=(len(virtual), 2))
    found = list(projection._grams(virtual, left[:half] - left[half:], left[:half] + left[half:]))
    for gram, own in zip(found, left.T, strict=True):
        rows = (virtual.coalitions - virtual.fitting.centre) * own[:, np.newaxis]
        rows = rows[:half] + rows[half:]
        np.testing.assert_allclose(gram, rows.T @ rows, rtol=1e-9)


def test_the_variance_of_the_draw_is_that_of_pairs_written_out():
    virtual = virtual_coalitions(65, "lime")
    values, like = np.random.default_rng(0).normal(size=(2, len(virtual), 1))
    none = np.zeros(1)
    control = projection._Control(correction=np.zeros((1, 65)), like=(like, none))
    (found,) = projection._variance_of_the_draw(virtual, values, none, control)
    noises = []
    evenly = fitting_on(virtual.coalitions, "banzhaf", complete=False)
    for fitting, those in ((virtual.fitting, values), (evenly, like)):
        left = fitting.left_over(virtual.coalitions, those, none)
        rows = (virtual.coalitions - fitting.centre) * left @ fitting.inverse.T
        noises.append(np.add(*np.split(rows, 2)))
    noise = noises[0] - noises[1]
    np.testing.assert_allclose(found, noise.T @ noise, atol=1e-12 * np.abs(found).max())
