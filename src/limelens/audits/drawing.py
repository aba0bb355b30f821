"""Pictures of an audit: the mean map, and the images that depend most and least."""

import io
from typing import TYPE_CHECKING

import numpy as np

from limelens._resampling import enlarging_factor
from limelens._typing import Floats
from limelens.audits.record import Findings, order_of
from limelens.pictures.colors import LOWERS, RAISES, color_limit
from limelens.pictures.display import resize
from limelens.pictures.lettering import with_errors
from limelens.pictures.marks import draw_outlines
from limelens.pictures.overlay import draw_image, draw_overlay
from limelens.pictures.sheet import sheet

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_SIDE = 320


def enlarged_map(audit: Findings, shape: tuple[int, ...]) -> Floats:
    """Return the mean map at the height and width of a picture."""
    sides = zip(audit.grid_effects.shape, shape, strict=False)
    down, across = (enlarging_factor(n_cells, side) for n_cells, side in sides)
    return np.asarray(down @ audit.grid_effects @ across.T)


def draw_audit(audit: Findings) -> "Picture":
    """Return the mean picture, and the mean map over it with what was found in outlines."""
    heatmap = enlarged_map(audit, audit.mean_picture.shape)
    limit = color_limit(heatmap, "symmetric")
    over = draw_overlay(audit.mean_picture, heatmap, scale=limit or "auto")
    size = (over.height, over.width)
    for sign, color in ((1, RAISES), (-1, LOWERS)):
        where = audit.grid_found & (sign * audit.grid_effects > 0)
        if where.any():
            draw_outlines(over, [resize(where, size)], color, dashed=sign < 0)
    found = int(audit.grid_found.sum())
    words = (
        f"outlined: found, {found} of {audit.grid_found.size} places" if found else "no place found"
    )
    return sheet(
        [draw_image(audit.mean_picture), over],
        [
            f"mean of {len(audit.names)} images",
            f"mean change of {audit.quantity}\n{words}",
        ],
        limit=limit,
        heading=f"{audit.target_name}: {audit.n_predictions} calls of the model",
        tile_side=_SIDE,
    )


def draw_contact_sheet(audit: Findings, row: int, n: int) -> "Picture":
    """Return the n images with the largest and the n with the smallest effect of their own.

    Below each name stands its effect with half the 95 % interval, all with equally many decimals.
    The heading names the unit, and a line above each row says which images it shows.
    """
    from PIL import Image as Pillow  # noqa: PLC0415

    own, errors = audit.image_effects[:, row], audit.image_errors[:, row]
    order = [int(k) for k in order_of(audit, row) if np.isfinite(own[k])]
    n = min(n, -(-len(order) // 2))
    chosen = [*order[:n], *order[max(n, len(order) - n) :]]
    tiles = [Pillow.open(io.BytesIO(audit.thumbnails[k])).convert("RGB") for k in chosen]
    effect = audit.effects[row]
    those = "those that depend most, and least, on" if effect.found else "nothing found; order of"
    rows = ("depend most", "depend least") if effect.found else ("first", "last")
    numbers = with_errors(own[chosen].tolist(), (1.96 * errors[chosen]).tolist())
    titles = [f"{audit.names[k]}\n{number}" for k, number in zip(chosen, numbers, strict=True)]
    return sheet(
        [draw_image(np.asarray(tile)) for tile in tiles],
        titles,
        columns=n,
        rows=rows[: -(-len(chosen) // n)],
        heading=f"{audit.target_name}: {those} {effect.name!r}, change of {audit.quantity}",
        tile_side=_SIDE // 2,
    )
