"""Explanations as plain data, for other tools; none of them is imported."""

import csv
import io
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import spatial_shape
from limelens._checks.bands import Bands
from limelens._statistics import label_sums
from limelens._typing import Floats
from limelens.errors import InvalidInputError
from limelens.pictures.colors import LOWERS, RAISES, color_limit
from limelens.pictures.outlines import segment_polygons
from limelens.results.heatmaps import chosen_interpolation, pixel_map
from limelens.results.record import Record, check_per_segment, target_row
from limelens.results.renderings import n_channels, shown_bands
from limelens.results.words import finite
from limelens.results.written import path_ending_in, write_text


@dataclass(frozen=True, kw_only=True, eq=False)
class Exported(Record):
    """A record that leaves the library as plain data."""

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers and names, and where the segments are, as JSON holds them."""
        return {
            "explainer": self.explainer,
            "n_predictions": self.n_predictions,
            "image": {
                "shape": list(self.image.shape),
                "dtype": str(self.image.dtype),
                "channel_axis": self.channel_axis,
            },
            "scores": [finite(score) for score in self.scores],
            "hidden_scores": [finite(score) for score in self.hidden_scores],
            "targets": [_target_of(self, row) for row in range(len(self.targets))],
            "segments": None if self.importances.ndim > 2 else _segments_of(self),
        }

    def to_csv(self, path: str | PathLike[str] | None = None) -> str:
        """Return a table of all importances, and write it to `path` if there is one."""
        text = io.StringIO()
        table = csv.writer(text)
        per_segment = self.importances.ndim == 2
        spatial = spatial_shape(self.image.shape, self.channel_axis)
        where = ["segment", "rank"] if per_segment else ["slice", "row", "column"][-len(spatial) :]
        counts = np.ones(self.importances.shape[1:], dtype=np.bool_)
        if not per_segment and self.valid is not None:
            counts = self.valid
        table.writerow(["column_of_scores", "target", *where, "importance", "standard_error"])
        for row, (column, name) in enumerate(zip(self.targets, self.target_names, strict=True)):
            values, errors = self.importances[row], self.standard_errors
            places = _ranked(values) if per_segment else np.argwhere(counts)
            known = np.full(values.shape, np.nan) if errors is None else errors[row]
            pairs = zip(values[counts].ravel(), known[counts].ravel(), strict=True)
            for place, (value, error) in zip(places.tolist(), pairs, strict=True):
                table.writerow(
                    [column, name, *place, float(value), "" if np.isnan(error) else error]
                )
        if path is not None:
            named = path_ending_in(".csv", path, "explanation.to_csv({path!r})")
            write_text(named, text.getvalue())
        return text.getvalue()

    def to_geojson(self) -> dict[str, Any]:
        """Return the segments with their importances as GeoJSON: x is the column, y the row."""
        segments = check_per_segment(self)
        if segments.ndim != 2:
            raise InvalidInputError(
                f"GeoJSON holds planes; this explanation has segments of shape {segments.shape}. "
                "explanation.to_dict() and explanation.to_csv() hold volumes."
            )
        errors = self.standard_errors
        features = []
        for segment, polygons in enumerate(segment_polygons(segments)):
            properties = {
                "segment": segment,
                "targets": list(self.target_names),
                "importances": self.importances[:, segment].tolist(),
                "standard_errors": None if errors is None else _without_nan(errors[:, segment]),
            }
            geometry = {"type": "MultiPolygon", "coordinates": polygons}
            features.append({"type": "Feature", "geometry": geometry, "properties": properties})
        return {"type": "FeatureCollection", "features": features}

    def to_fiftyone(self, target: int | str | None = None) -> dict[str, Any]:
        """Return what `fiftyone.Heatmap(**fields)` takes: map, float32, and range."""
        heatmap = _heatmap_of(self, target_row(self, target))
        if heatmap.ndim != 2:
            raise InvalidInputError(
                f"A FiftyOne heat map is a plane; this map has the shape {heatmap.shape}. Explain "
                "a slice, or pass one: fiftyone.Heatmap(map=explanation.heatmap()[k])."
            )
        limit = color_limit(heatmap, "symmetric") or 1.0
        return {"map": heatmap.astype(np.float32), "range": [-limit, limit]}

    def to_napari(self, *, bands: Bands = None) -> list[tuple[NDArray[Any], dict[str, Any], str]]:
        """Return the layers of napari's `Layer.create(*layer)`: image, a map a target, segments.

        Parameters
        ----------
        bands : int or sequence of int, optional
            The channels that are shown, see `draw_overlay`. Without it, of more than four channels
            their mean.
        """
        layers = [_napari_picture(self, bands)]
        for row, name in enumerate(self.target_names):
            limit = color_limit(self.importances[row]) or 1.0
            look = {
                "name": name,
                "colormap": _napari_colors(),
                "contrast_limits": (-limit, limit),
                "blending": "translucent",
                "visible": row == 0,
            }
            layers.append((_heatmap_of(self, row), look, "image"))
        if self.segments is not None:
            # napari shows no label 0
            hidden = {"name": "segments", "visible": False}
            layers.append((self.segments + 1, hidden, "labels"))
        return layers


def _target_of(explanation: Record, row: int) -> dict[str, Any]:
    errors, known = explanation.standard_errors, explanation.target_values
    fidelity, reliability = explanation.fidelity, explanation.reliability
    return {
        "column": int(explanation.targets[row]),
        "name": explanation.target_names[row],
        "value": None if known is None else finite(known[row, 0]),
        "hidden_value": None if known is None else finite(known[row, 1]),
        "fidelity": None if fidelity is None else finite(fidelity[row]),
        "reliability": None if reliability is None else finite(reliability[row]),
        "importances": explanation.importances[row].tolist(),
        "standard_errors": None if errors is None else _without_nan(errors[row]),
    }


def _segments_of(explanation: Record) -> list[dict[str, Any]]:
    """Return number of pixels, centre and bounding box of every segment, in pixels."""
    from scipy.ndimage import find_objects  # noqa: PLC0415

    segments = check_per_segment(explanation)
    sizes = label_sums(segments)
    centres = [label_sums(segments, index) / sizes for index in [*np.indices(segments.shape)]]
    return [
        {
            "segment": segment,
            "n_pixels": int(sizes[segment]),
            "centre": [float(each[segment]) for each in centres],
            "start": [side.start for side in box],
            "stop": [side.stop for side in box],
        }
        for segment, box in enumerate(find_objects(segments + 1))
    ]


def _ranked(values: Floats) -> NDArray[np.intp]:
    """Return label and rank of every segment, the strongest first in rank 1."""
    ranks = np.empty(len(values), dtype=np.intp)
    ranks[np.argsort(-np.abs(values), kind="stable")] = np.arange(1, len(values) + 1)
    return np.stack([np.arange(len(values)), ranks], axis=1)


def _napari_picture(explanation: Record, asked: Bands) -> tuple[NDArray[Any], dict[str, Any], str]:
    """Return the layer of the image: in the colours that pictures show, or the mean of channels."""
    axis, many = explanation.channel_axis, n_channels(explanation)
    image = explanation.image if axis is None else np.moveaxis(explanation.image, axis, -1)
    bands = shown_bands(explanation, asked) or ((0, 1, 2) if many in (3, 4) else None)
    colored = axis is not None and bands is not None and len(bands) > 1
    if bands is not None and axis is not None:
        image = image[..., list(bands)] if colored else image[..., bands[0]]
    elif axis is not None:
        image = image.mean(axis=-1)
    return image, {"name": "image", "rgb": colored}, "image"


def _napari_colors() -> dict[str, Any]:
    """Return the two colours of a map, clear at zero."""
    low, high = ([level / 255 for level in color] for color in (LOWERS, RAISES))
    colors = np.array([[*low, 1.0], [*low, 0.0], [*high, 0.0], [*high, 1.0]])
    return {"name": "limelens", "colors": colors, "controls": np.array([0.0, 0.5, 0.5, 1.0])}


def _heatmap_of(explanation: Record, row: int) -> Floats:
    return pixel_map(explanation, row, chosen_interpolation(explanation, None, drawn=False))


def _without_nan(values: Floats) -> list[Any]:
    """Return numbers as nested lists, None where they are not known."""
    boxed = values.astype(object)
    boxed[np.isnan(values)] = None
    return boxed.tolist()
