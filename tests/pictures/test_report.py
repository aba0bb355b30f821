import base64
import io
import json
import re
import zlib

import numpy as np
import pytest
from PIL import Image
from skimage import data

from limelens.pictures.report import LEVELS, PageTarget, page, page_item

LABELS = np.array([[0, 0, 1], [2, 2, 1]])
IMAGE = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
CAT = PageTarget(
    name="cat",
    title="Why cat?",
    importances=np.array([0.5, -0.25, 0.0]),
    standard_errors=np.array([0.125, np.nan, 0.0]),
    limit=0.5,
)


def item(image=IMAGE, targets=(CAT,), **changes):
    options = {"channel_axis": 2, "layers": [LABELS], "facts": ["Lime()"], "max_side": 640}
    return page_item(image, targets, **(options | changes))


def numbers(text):
    return np.frombuffer(base64.b64decode(text), dtype="<f8")


def inflated(text, dtype):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=dtype)


def photo(source):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))


def test_the_page_refers_to_nothing_outside_itself():
    text = page([item()], "report.js", title="", theme="auto")
    assert not re.search(r"https?://|src=\"(?!data:)|<link(?! rel=\"icon\" href=\"data:)", text)
    assert not re.search("@import|fetch[(]|XMLHttp|eval[(]|innerHTML", text)
    assert "default-src 'none'" in text


def test_no_name_can_end_the_data_early_nor_stand_for_another_part():
    evil = "</script>/*STYLE*//*SCRIPT*//*DATA*/"
    text = page([item()], "report.js", title=evil, theme="auto")
    assert evil not in text
    content = json.loads(re.search(r'type="application/json">(.*?)</script>', text)[1])
    assert content["title"] == evil


def test_the_values_of_segments_stand_in_it_in_full():
    (cat,) = item()["targets"]
    np.testing.assert_array_equal(numbers(cat["importances"]), [0.5, -0.25, 0.0])
    np.testing.assert_array_equal(numbers(cat["errors"]), [0.125, np.nan, 0.0])
    assert (cat["peak"], cat["limit"]) == (0.5, 0.5)


def test_labels_travel_as_runs():
    content = item()
    runs = inflated(content["layers"][0]["runs"], "<i4").reshape(2, -1)
    labels = np.repeat(runs[0], runs[1]).reshape(content["height"], content["width"])
    np.testing.assert_array_equal(labels, LABELS)


def heatmap_of(target, depth=1):
    steps = inflated(target["map"]["steps"], "<i2")
    shape = (depth, target["map"]["height"], target["map"]["width"])
    return np.cumsum(steps.reshape(shape), axis=-1) / LEVELS * target["peak"]


def test_a_map_per_pixel_travels_in_steps_of_its_peak():
    heatmap = np.array([[1.0, -2.0, 0.0], [0.5, 0.0, 2.0]])
    target = PageTarget(name="cat", title="", importances=heatmap, limit=2.0)
    content = item(targets=[target], layers=[None])
    np.testing.assert_allclose(heatmap_of(content["targets"][0])[0], heatmap, atol=1e-3)
    assert content["layers"] == [{"runs": None}]


def test_a_large_map_travels_in_fewer_pixels_than_the_picture():
    heatmap = np.add.outer(np.arange(600.0), np.arange(900.0))
    target = PageTarget(name="cat", title="", importances=heatmap, limit=1.0)
    content = item(np.zeros((600, 900)), [target], layers=[None], channel_axis=None)
    assert (content["width"], content["targets"][0]["map"]["width"]) == (640, 256)


def test_a_volume_travels_slice_by_slice_with_their_numbers():
    volume = np.zeros((100, 4, 6), np.uint8)
    volume[-1] = 255
    segments = np.repeat([0, 1], 1200).reshape(100, 4, 6)
    target = PageTarget(name="cat", title="", importances=np.array([1.0, -1.0]), limit=1.0)
    content = item(volume, [target], layers=[segments], channel_axis=None)
    assert content["depth"] == 64
    assert (content["slices"][0], content["slices"][-1]) == (0, 99)
    runs = inflated(content["layers"][0]["runs"], "<i4").reshape(2, -1)
    assert runs[1].sum() == 64 * 4 * 6
    strip = photo(content["photos"][0]["source"])
    assert strip.shape[:2] == (64 * 4, 6)
    assert strip[-1].min() == 255
    assert strip[0].max() == 0


def test_a_map_of_a_volume_travels_too():
    heatmap = np.arange(48.0).reshape(2, 4, 6)
    target = PageTarget(name="cat", title="", importances=heatmap, limit=47.0)
    content = item(np.zeros((2, 4, 6)), [target], layers=[None], channel_axis=None)
    np.testing.assert_allclose(heatmap_of(content["targets"][0], 2), heatmap, atol=0.05)


@pytest.mark.parametrize(
    ("channels", "names"),
    [
        (1, ["all"]),
        (3, ["all"]),
        (4, ["channels 0, 1, 2", *(f"channel {k}" for k in range(4))]),
        (2, ["average of 2", "channel 0", "channel 1"]),
        (5, ["average of 5", *(f"channel {k}" for k in range(5))]),
    ],
)
def test_many_channels_are_also_shown_one_by_one(channels, names):
    content = item(np.zeros((2, 3, channels)))
    assert [photo["name"] for photo in content["photos"]] == names


def test_of_very_many_channels_some_are_shown():
    found = [photo["name"] for photo in item(np.zeros((2, 3, 200)))["photos"]]
    assert len(found) == 25
    assert found[-1] == "channel 199"


def test_small_pictures_travel_without_loss_and_grow_on_the_page():
    content = item()
    np.testing.assert_array_equal(photo(content["photos"][0]["source"]), IMAGE)
    assert content["times"] > 50


def test_large_photographs_travel_compressed():
    photograph = data.astronaut()
    labels = np.zeros((512, 512), int)
    source = item(photograph, layers=[labels])["photos"][0]["source"]
    assert source.startswith(("data:image/webp;", "data:image/jpeg;"))
    assert len(source) < photograph.nbytes / 8
