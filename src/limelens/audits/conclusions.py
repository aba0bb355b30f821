"""From the effects in every image to what the images have in common."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats
from limelens.audits.families import Family
from limelens.audits.inference import (
    N_SHUFFLES,
    Regression,
    family_wise,
    quantile,
    regress,
    share_of_images,
    shuffled,
)
from limelens.audits.pooling import Estimate
from limelens.audits.record import Effect, called
from limelens.audits.sights import Sight

_MOST_PLACES = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class _Column:
    """An effect, each image's part in it, and the variance of the noise of each part."""

    effect: Effect
    parts: Floats
    noise: Floats


def conclude(
    sights: Sequence[Sight],
    estimates: Sequence[Estimate],
    families: Sequence[Family],
    *,
    level: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return the fields of an audit that follow from the effects in every image."""
    each = level / (1 + len(families))
    columns: list[_Column] = []
    for family in families:
        rows = _rows(family, estimates, each, rng)
        pattern = _pattern(family, rows, estimates, rng)
        columns = ([pattern] if pattern else []) + columns + rows
    grid = _grid(sights, estimates, each, rng)
    columns = _with_own_names(columns + _places(sights, estimates, grid, rng))
    own = [_drawn_to_the_mean(column.parts, column.noise) for column in columns]
    return {
        "effects": tuple(column.effect for column in columns),
        "grid_effects": grid.effects,
        "grid_errors": grid.errors,
        "grid_p": grid.p,
        "grid_found": grid.found,
        "image_effects": np.column_stack([effects for effects, _ in own]),
        "image_errors": np.column_stack([errors for _, errors in own]),
        "names": tuple(sight.name for sight in sights),
        "scores": np.array([sight.score for sight in sights]),
        "thumbnails": tuple(sight.thumbnail for sight in sights),
        "level": level,
    }


def _with_own_names(columns: Sequence[_Column]) -> list[_Column]:
    """Add the kind to names that come twice: a label and a place may both be "left"."""
    taken: set[str] = set()
    named: list[_Column] = []
    for column in columns:
        name = column.effect.name
        while name in taken:
            name = f"{name} ({column.effect.kind})"
        taken.add(name)
        named.append(replace(column, effect=replace(column.effect, name=name)))
    return named


def _rows(
    family: Family, estimates: Sequence[Estimate], level: float, rng: np.random.Generator
) -> list[_Column]:
    """Return one column for every descriptor of a family."""
    found = regress(family.tables, estimates, rng)
    p = family_wise(found.parts, rng)
    kinds = [family.kind] * len(family.names)
    if family.kind != "label":
        kinds[0] = "any"  # the constant, which every other family begins with
    return [
        _column(
            *_of(found, k), rng, name=name, kind=kinds[k], unit=unit, p=p[k], found=p[k] <= level
        )
        for k, (name, unit) in enumerate(zip(family.names, family.units, strict=True))
    ]


def _of(found: Regression, k: int) -> tuple[tuple[float, float, float], Floats, Floats, Floats]:
    """Return mean, parts, noise and controls of a descriptor, as `_column` takes them."""
    present = found.present[:, k]
    parts, noise = (np.where(present, each[:, k], np.nan) for each in (found.parts, found.noise))
    mean = (float(found.values[k]), float(found.errors[k]), float(found.dof[k]))
    return mean, parts, noise, found.controls[:, k]


def _column(
    mean: tuple[float, float, float],
    parts: Floats,
    noise: Floats,
    controls: Floats,
    rng: np.random.Generator,
    *,
    name: str,
    kind: str,
    unit: str,
    p: float,
    found: bool,
) -> _Column:
    """Return the column of a mean, its standard error and its degrees of freedom.

    Parts and noise are NaN for images in which what the effect is of is not present.
    """
    value, error, dof = mean
    half, present = float(quantile(dof)) * error, np.isfinite(parts)
    share = share_of_images(parts[present], noise[present], rng)
    controls = controls if kind != "any" else np.full(2, np.nan)
    effect = Effect(
        name=name,
        kind=kind,
        unit=unit,
        value=value,
        standard_error=error,
        low=value - half,
        high=value + half,
        share=share.value,
        share_low=share.low,
        share_high=share.high,
        control=float(controls.mean()),
        control_error=float(controls.std(ddof=1)),
        p=float(p),
        found=bool(found),
    )
    return _Column(effect=effect, parts=parts, noise=noise)


def _pattern(
    family: Family,
    rows: Sequence[_Column],
    estimates: Sequence[Estimate],
    rng: np.random.Generator,
) -> _Column | None:
    """Return all properties together that were found; None where there are fewer than two."""
    chosen = [k for k, row in enumerate(rows) if row.effect.found and row.effect.kind != "any"]
    if family.kind == "label" or len(chosen) < 2:
        return None
    signs = np.array([np.sign(rows[k].effect.value) for k in chosen])
    # The sum of the chosen columns with their signs takes the place of the first: its coefficient
    # is then the effect of having all of them, with the others' coefficients as before.
    change = np.eye(len(rows))
    change[chosen, chosen[0]] = signs
    turned = np.linalg.inv(change).T
    found = regress([table @ turned for table in family.tables], estimates, rng)
    names = [called(rows[k].effect) for k in chosen]
    name = ", ".join(sorted(names, key=lambda each: each.startswith(("at ", "in "))))
    p = max(rows[k].effect.p for k in chosen)
    return _column(
        *_of(found, chosen[0]), rng, name=name, kind="pattern", unit="all of it", p=p, found=True
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Grid:
    """The mean map: each image's own map, their mean, and what of it was found."""

    maps: Floats
    effects: Floats
    errors: Floats
    p: Floats
    found: NDArray[np.bool_]


def _grid(
    sights: Sequence[Sight], estimates: Sequence[Estimate], level: float, rng: np.random.Generator
) -> _Grid:
    """Average the maps of all images, and find the places that stand out."""
    maps = np.stack([s.on_grid(e.effects) for s, e in zip(sights, estimates, strict=True)])
    flat = maps.reshape(len(maps), -1)
    beyond = flat - flat.mean(axis=1, keepdims=True)
    effects, errors = flat.mean(axis=0), flat.std(axis=0, ddof=1) / np.sqrt(len(flat))
    # A place is found if it does something, and more so than a place does on average.
    p = np.maximum(family_wise(flat, rng), family_wise(beyond, rng))
    p[np.sign(effects) != np.sign(beyond.mean(axis=0))] = 1.0
    shape = maps.shape[1:]
    return _Grid(
        maps=maps,
        effects=effects.reshape(shape),
        errors=errors.reshape(shape),
        p=p.reshape(shape),
        found=p.reshape(shape) <= level,
    )


def _places(
    sights: Sequence[Sight],
    estimates: Sequence[Estimate],
    grid: _Grid,
    rng: np.random.Generator,
) -> list[_Column]:
    """Return the strongest cell of every patch of cells that were found, strongest first."""
    from scipy.ndimage import label  # noqa: PLC0415

    peaks: list[tuple[tuple[int, int], tuple[float, float]]] = []
    for sign in (1, -1):
        patches, n = label(grid.found & (sign * grid.effects > 0))
        for patch in range(1, n + 1):
            strength = np.where(patches == patch, np.abs(grid.effects), -1.0)
            row, column = np.argwhere(patches == patch).mean(axis=0).tolist()
            peaks.append((_middle_of(strength == strength.max()), (row, column)))
    peaks.sort(key=lambda peak: -abs(grid.effects[peak[0]]))
    peaks = peaks[:_MOST_PLACES]
    names = _place_names([middle for _, middle in peaks], grid.effects.shape)
    return [
        _place(sights, estimates, grid, peak, name, rng)
        for (peak, _), name in zip(peaks, names, strict=True)
    ]


def _middle_of(cells: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the cell nearest to the middle of equally strong cells."""
    places = np.argwhere(cells)
    row, column = places[np.square(places - places.mean(axis=0)).sum(axis=1).argmin()]
    return int(row), int(column)


def _place(
    sights: Sequence[Sight],
    estimates: Sequence[Estimate],
    grid: _Grid,
    peak: tuple[int, int],
    name: str,
    rng: np.random.Generator,
) -> _Column:
    parts = grid.maps[:, peak[0], peak[1]]
    weights = [s.weights_at(*peak, len(e.effects)) for s, e in zip(sights, estimates, strict=True)]
    noise = np.array([e.noise(w[np.newaxis])[0] for e, w in zip(estimates, weights, strict=True)])
    controls = np.zeros(N_SHUFFLES)
    for estimate, weight in zip(estimates, weights, strict=True):
        controls += shuffled(estimate.effects, N_SHUFFLES, rng) @ weight
    return _column(
        (float(grid.effects[peak]), float(grid.errors[peak]), len(parts) - 1.0),
        parts,
        noise,
        controls / len(sights),
        rng,
        name=name,
        kind="place",
        unit="the region",
        p=grid.p[peak],
        found=True,
    )


def _place_names(middles: Sequence[tuple[float, float]], shape: tuple[int, ...]) -> list[str]:
    """Name patches after the third of the picture they are in; a second one gets a number.

    Examples
    --------
    >>> _place_names([(0, 8), (4, 4), (0, 7)], (9, 9))
    ['top right', 'middle', 'top right 2']
    """
    names: list[str] = []
    for row, column in middles:
        words = (
            ("top", "", "bottom")[int(3 * (row + 0.5) / shape[0])],
            ("left", "", "right")[int(3 * (column + 0.5) / shape[1])],
        )
        name = " ".join(filter(None, words)) or "middle"
        n = sum(each.split(" #")[0] == name for each in names)
        names.append(f"{name} #{n + 1}" if n else name)
    return [name.replace("#", "") for name in names]


def _drawn_to_the_mean(parts: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Return each image's own effect by Bayes's rule, with its standard error; see `Share`."""
    known = np.isfinite(parts) & np.isfinite(noise)
    if known.sum() < 2:
        return parts, np.full(len(parts), np.nan)
    mean = parts[known].mean()
    between = max(float(parts[known].var(ddof=1) - noise[known].mean()), 0.0)
    trust = between / np.where(between + noise > 0, between + noise, 1.0)
    trust = np.where(noise > 0, trust, 1.0)
    return mean + trust * (parts - mean), np.sqrt(trust * noise)
