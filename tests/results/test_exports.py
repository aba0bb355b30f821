import csv
import io
import json

import numpy as np
import pytest

from limelens.errors import InvalidInputError
from limelens.pictures.outlines import segment_polygons

RING = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
CORNERS = np.array([[1, 0], [0, 1]])


def area(ring):
    x, y = np.array(ring, dtype=float).T
    return (x[:-1] @ y[1:] - x[1:] @ y[:-1]) / 2


@pytest.fixture
def known(make):
    return make(
        target_values=np.array([[0.7, 0.3], [0.2, np.nan]]),
        fidelity=np.array([0.9, np.nan]),
        standard_errors=np.array([[0.1, 0.2, np.nan, 0.4], [0.0] * 4]),
        explainer="Lime()",
        n_predictions=9,
    )


def test_what_json_holds_is_all_numbers_and_names(known):
    data = json.loads(json.dumps(known.to_dict(), allow_nan=False))
    cat, dog = data["targets"]
    assert cat["name"] == "cat"
    assert cat["column"] == 1
    assert cat["importances"] == [0.5, -0.25, 0.0, 0.125]
    assert cat["standard_errors"] == [0.1, 0.2, None, 0.4]
    assert (cat["value"], cat["hidden_value"], cat["fidelity"]) == (0.7, 0.3, 0.9)
    assert (dog["hidden_value"], dog["fidelity"], dog["reliability"]) == (None, None, None)
    assert data["image"] == {"shape": [3, 3, 3], "dtype": "uint8", "channel_axis": 2}
    assert (data["explainer"], data["n_predictions"]) == ("Lime()", 9)
    assert data["scores"] == [0.1, 0.7, 0.2]


def test_every_segment_says_where_it_is(known):
    first, second, *_ = known.to_dict()["segments"]
    assert first == {
        "segment": 0,
        "n_pixels": 4,
        "centre": [0.5, 0.5],
        "start": [0, 0],
        "stop": [2, 2],
    }
    assert (second["n_pixels"], second["centre"]) == (2, [0.5, 2.0])


def test_a_map_per_pixel_has_no_segments_in_its_data(make):
    data = make(importances=np.ones((2, 3, 3))).to_dict()
    assert data["segments"] is None
    assert data["targets"][0]["importances"] == [[1.0] * 3] * 3


def rows_of(table):
    return list(csv.DictReader(io.StringIO(table)))


def test_the_table_has_a_line_for_each_target_and_segment(known, tmp_path):
    table = known.to_csv(tmp_path / "map.csv")
    assert (tmp_path / "map.csv").read_bytes() == table.encode()
    rows = rows_of(table)
    assert len(rows) == 8
    assert rows[1] == {
        "column_of_scores": "1",
        "target": "cat",
        "segment": "1",
        "rank": "2",
        "importance": "-0.25",
        "standard_error": "0.2",
    }
    assert rows[2]["standard_error"] == ""
    assert [row["rank"] for row in rows[:4]] == ["1", "2", "4", "3"]


def test_the_table_of_a_map_per_pixel_has_a_line_for_each_pixel(make):
    values = np.arange(18.0).reshape(2, 3, 3)
    rows = rows_of(make(importances=values).to_csv())
    assert len(rows) == 18
    assert (rows[5]["row"], rows[5]["column"], rows[5]["importance"]) == ("1", "2", "5.0")
    volume = make(
        image=np.zeros((2, 3, 3)),
        channel_axis=None,
        segments=None,
        importances=np.ones((2, 2, 3, 3)),
    )
    assert rows_of(volume.to_csv())[9]["slice"] == "1"


@pytest.mark.parametrize("name", ['a "quoted", name', "two\nlines", "=1+1"])
def test_names_of_any_kind_survive_the_table(make, name):
    assert rows_of(make(target_names=(name, "dog")).to_csv())[0]["target"] == name


def test_polygons_follow_the_pixels_and_keep_holes():
    outside, inside = segment_polygons(RING)
    ((outline, hole),) = outside
    assert outline == [[0, 0], [3, 0], [3, 3], [0, 3], [0, 0]]
    assert sorted(hole[:-1]) == [[1, 1], [1, 2], [2, 1], [2, 2]]
    assert area(hole) == -1
    assert inside == [[[[1, 1], [2, 1], [2, 2], [1, 2], [1, 1]]]]


def test_pixels_that_touch_at_a_corner_are_two_polygons():
    first, second = segment_polygons(CORNERS)
    assert len(first) == len(second) == 2


@pytest.mark.parametrize("seed", range(20))
def test_polygons_cover_exactly_their_segment_and_cross_nowhere(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (7, 9))
    labels[0, :3] = [0, 1, 2]
    for segment, polygons in enumerate(segment_polygons(labels)):
        rings = [ring for polygon in polygons for ring in polygon]
        assert sum(map(area, rings)) == (labels == segment).sum()
        for outline, *holes in polygons:
            assert area(outline) > 0
            assert all(area(hole) < 0 for hole in holes)
        for ring in rings:
            assert ring[0] == ring[-1]
            assert len(set(map(tuple, ring[:-1]))) == len(ring) - 1


def test_geojson_is_a_feature_for_each_segment(known):
    data = json.loads(json.dumps(known.to_geojson(), allow_nan=False))
    assert data["type"] == "FeatureCollection"
    assert len(data["features"]) == 4
    second = data["features"][1]
    assert second["geometry"]["type"] == "MultiPolygon"
    assert second["geometry"]["coordinates"] == [[[[2, 0], [3, 0], [3, 2], [2, 2], [2, 0]]]]
    assert second["properties"] == {
        "segment": 1,
        "targets": ["cat", "dog"],
        "importances": [-0.25, 1.0],
        "standard_errors": [0.2, 0.0],
    }


def test_fiftyone_gets_a_map_and_its_range(make):
    fields = make().to_fiftyone("dog")
    assert fields["map"].dtype == np.float32
    np.testing.assert_array_equal(fields["map"][0], [0.0, 0.0, 1.0])
    assert fields["range"] == [-2.0, 2.0]
    assert make(importances=np.zeros((2, 4))).to_fiftyone()["range"] == [-1.0, 1.0]


def test_napari_gets_the_image_a_map_for_each_target_and_the_segments(make):
    image, cat, dog, labels = make().to_napari()
    assert (image[2], cat[2], dog[2], labels[2]) == ("image", "image", "image", "labels")
    assert image[1] == {"name": "image", "rgb": True}
    assert (cat[1]["name"], cat[1]["contrast_limits"], cat[1]["visible"]) == (
        "cat",
        (-0.5, 0.5),
        True,
    )
    assert (dog[1]["contrast_limits"], dog[1]["visible"]) == ((-2.0, 2.0), False)
    assert labels[0].min() == 1


@pytest.mark.parametrize(
    ("shape", "axis", "shown", "rgb"),
    [
        ((4, 6), None, (4, 6), False),
        ((3, 4, 6), 0, (4, 6, 3), True),
        ((4, 6, 9), 2, (4, 6), False),
        ((4, 6, 1), 2, (4, 6), False),
    ],
)
def test_napari_is_shown_channels_it_can_show(make, shape, axis, shown, rgb):
    labels = np.arange(4).repeat(6).reshape(4, 6)
    layer = make(image=np.zeros(shape), channel_axis=axis, segments=labels).to_napari()[0]
    assert (layer[0].shape, layer[1]["rgb"]) == (shown, rgb)


def test_volumes_that_a_plane_cannot_hold_are_refused_with_what_can(make):
    volume = make(
        image=np.zeros((2, 2, 2)),
        channel_axis=None,
        segments=np.arange(4).repeat(2).reshape(2, 2, 2),
    )
    with pytest.raises(InvalidInputError, match=r"GeoJSON holds planes.*to_csv\(\)"):
        volume.to_geojson()
    with pytest.raises(InvalidInputError, match="heat map is a plane"):
        volume.to_fiftyone()
    assert volume.to_csv()
    assert len(volume.to_napari()) == 4
    with pytest.raises(InvalidInputError, match=r"explanation.by_segment\(labels\)"):
        make(importances=np.ones((2, 3, 3))).to_geojson()


def test_napari_shows_the_channels_that_are_asked_for(make):
    image = np.arange(45.0).reshape(3, 3, 5)
    layer = make(image=image).to_napari(bands=(3, 2, 1))[0]
    np.testing.assert_array_equal(layer[0], image[..., [3, 2, 1]])
    assert layer[1]["rgb"]
    grey = make(image=image).to_napari(bands=4)[0]
    np.testing.assert_array_equal(grey[0], image[..., 4])
    assert not grey[1]["rgb"]
    with pytest.raises(InvalidInputError, match="`bands`"):
        make(image=image).to_napari(bands=5)


def test_names_that_cannot_be_encoded_are_written_escaped(make, tmp_path):
    make(target_names=("\ud800", "dog")).to_csv(tmp_path / "table.csv")
    assert rb"\ud800" in (tmp_path / "table.csv").read_bytes()
