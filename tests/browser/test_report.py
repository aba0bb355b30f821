"""The page of one explanation, as a reader meets it."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from skimage import data

import limelens as ll
from limelens.errors import LimelensWarning

pytestmark = pytest.mark.browser

LONG = "long-haired dachshund or another very patient dog"  # as in conftest.py


@pytest.fixture(scope="module")
def lime(explained):
    return explained("Lime")


@pytest.mark.parametrize("width", [360, 1280])
def test_a_class_name_has_room_beside_whatever_is_said_of_it(open_page, by_each, width):
    page = open_page(by_each.to_html(), width)
    share = page.run(
        """(() => {
          const names = [...document.querySelectorAll("#targets .name")];
          const column = document.getElementById("targets").getBoundingClientRect().width;
          return Math.min(...names.map((each) => each.getBoundingClientRect().width / column));
        })()"""
    )
    assert share > 0.4
    assert page.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    "name", ["x" * 200, "Donaudampfschifffahrtsgesellschaftskapitänsmütze", "猫 " * 60]
)
def test_no_name_makes_a_phone_scroll_sideways(open_page, lime, name):
    page = open_page(replace(lime, target_names=(name, "cat")).to_html(), 390)
    assert page.run("document.documentElement.scrollWidth") <= 390
    page.page.select_option("#other", "1")
    assert page.run("document.documentElement.scrollWidth") <= 390


def test_the_title_follows_the_target(open_page, lime):
    page = open_page(lime.to_html())
    assert page.text("#title") == page.page.title() == f"Why {LONG}?"
    page.page.check("#targets label:nth-child(2) input")
    assert page.text("#title") == page.page.title() == "Why cat?"


def test_a_target_without_a_name_is_called_a_class(open_page, explained):
    page = open_page(explained(class_names=None).to_html())
    assert page.text("#title") == "Why class 0?"


def test_a_title_of_ones_own_stays(open_page, lime):
    page = open_page(lime.to_html(title="Case 7"))
    page.page.check("#targets label:nth-child(2) input")
    assert page.text("#title") == "Case 7"
    assert page.page.title() == "Case 7: Why cat?"


def test_hostile_names_are_text(open_page, lime):
    names = ("</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>/*DATA*/")
    hostile = replace(lime, target_names=names, explainer="<b onclick=alert(3)>Lime</b>(")
    page = open_page(hostile.to_html(title="<i>/*SCRIPT*/"))
    assert page.text("#title") == "<i>/*SCRIPT*/"
    shown = [each.text_content() for each in page.page.query_selector_all("#targets .name")]
    assert shown == list(names)
    assert page.page.query_selector("main b[onclick], main img") is None


def test_the_picture_is_what_to_image_draws(open_page, explained):
    photograph = data.chelsea()[:250, 100:400]
    explanation = explained(image=photograph / 255.0)
    page = open_page(explanation.to_html(max_side=300))
    page.page.uncheck("#boundaries")
    page.run("drawing")
    found = page.run(
        """(() => { const c = get("paint");
          return Array.from(c.getContext("2d").getImageData(0, 0, c.width, c.height).data); })()"""
    )
    found = np.array(found).reshape(250, 300, 4)[..., :3]
    expected = explanation.to_image(interpolation="nearest", boundaries=False)
    difference = np.abs(found - np.asarray(expected).astype(int))
    assert np.median(difference) <= 3  # the photograph travels compressed
    assert np.percentile(difference, 99) <= 16


def test_the_pointer_hears_importance_error_and_rank(open_page, lime):
    page = open_page(lime.to_html())
    strongest = int(lime.top_segments(1, sign="absolute")[0])
    rows, columns = np.nonzero(lime.segments == strongest)
    box = page.page.locator("#stage").bounding_box()
    page.page.mouse.move(
        box["x"] + (columns.mean() + 0.5) / 24 * box["width"],
        box["y"] + (rows.mean() + 0.5) / 16 * box["height"],
    )
    said = page.text("#readout")
    assert said.startswith(f"segment {strongest}: ")
    assert "±" in said
    assert ", rank 1 of 6" in said


def test_arrow_keys_walk_the_ranks_and_enter_pins(open_page, lime):
    page = open_page(lime.to_html())
    ranked = lime.top_segments(6, sign="absolute")
    page.page.focus("#stage")
    for rank in (0, 1):
        page.page.keyboard.press("ArrowRight")
        assert page.text("#readout").startswith(f"segment {ranked[rank]}: ")
    page.page.keyboard.press("Enter")
    page.page.keyboard.press("Home")
    assert page.text("#readout").startswith(f"segment {ranked[0]}: ")
    assert page.page.get_attribute("tr.pinned", "data-id") == str(ranked[1])
    page.page.keyboard.press("Escape")
    assert page.text("#readout") == ""


def test_a_click_pins_and_another_lets_go(open_page, lime):
    page = open_page(lime.to_html())
    page.page.click("#rows tr:nth-child(3)")
    assert "pinned" in page.text("#readout")
    page.page.click("#rows tr:nth-child(3)")
    assert "pinned" not in page.text("#readout")


def test_in_a_map_per_pixel_the_arrow_keys_move_a_cursor(open_page, explained):
    explanation = explained("Occlusion")
    page = open_page(explanation.to_html())
    page.page.focus("#stage")
    page.page.keyboard.press("ArrowRight")
    said = page.text("#readout")
    assert said.startswith("row 8, column 13: ")
    value = explanation.heatmap(interpolation="nearest")[8, 13]
    assert float(said.rsplit(" ", 1)[1].replace("\u2212", "-")) == pytest.approx(value, abs=2e-3)


def test_the_score_of_the_strongest_alone_is_told_where_it_was_asked(open_page, explained):
    explanation = explained("ExactShapley")
    page = open_page(explanation.to_html())
    page.page.select_option("#mode", "only")
    page.page.fill("#top", "2")
    kept = np.zeros(6, dtype=bool)
    kept[explanation.top_segments(2, sign="absolute")] = True
    (row,) = np.flatnonzero((explanation.samples.coalitions == kept).all(axis=1))
    expected = explanation.samples.scores[row, 0]
    said = page.text("#asked")
    assert said.startswith("Score with only the 2 strongest: ")
    assert float(said.split(": ")[1][:-1].replace("\u2212", "-")) == pytest.approx(
        expected, rel=1e-2
    )
    page.page.select_option("#mode", "hide")
    assert page.text("#asked").startswith("Score without the 2 strongest: ")


def test_what_was_not_asked_is_not_told(open_page, lime):
    page = open_page(replace(lime, samples=None).to_html())
    page.page.select_option("#mode", "only")
    assert page.text("#asked") == "The model was not asked with only the 5 strongest."


def alphas(page, script):
    return page.run(
        f"""(() => {{ const c = get("paint");
          const at = (x, y) => [...c.getContext("2d").getImageData(x, y, 1, 1).data].slice(0, 3);
          return {script}; }})()"""
    )


def test_only_the_strongest_leaves_the_rest_blank(open_page, lime):
    page = open_page(lime.to_html())
    page.page.select_option("#mode", "only")
    page.page.fill("#top", "1")
    page.run("drawing")
    weakest = int(np.argmin(np.abs(lime.importances[0])))
    row, column = (int(each.mean()) for each in np.nonzero(lime.segments == weakest))
    assert alphas(page, f"at({column}, {row})") == [215, 215, 215]


def test_boundaries_of_enlarged_pixels_are_thin_lines_that_can_be_taken_away(open_page, lime):
    page = open_page(lime.to_html())
    count = """(() => { const c = get("marks");
      const rgba = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
      const drawn = rgba.filter((level, i) => i % 4 === 3 && level > 0).length;
      return drawn / (c.width * c.height); })()"""
    assert 0 < page.run(count) < 0.05
    page.page.uncheck("#boundaries")
    page.run("drawing")
    assert page.run(count) == 0


def test_a_swipe_shows_one_map_left_and_another_right(open_page, explained):
    ones = explained("Occlusion")
    maps = np.stack([np.ones((16, 24)), -np.ones((16, 24))])
    page = open_page(replace(ones, importances=maps).to_html())
    page.page.select_option("#other", "1")
    page.run("drawing")
    left, right = alphas(page, "[at(3, 8), at(20, 8)]")
    assert left[0] > left[2]
    assert right[2] > right[0]
    page.page.focus("#swipe")
    page.page.keyboard.press("Home")
    page.run("drawing")
    assert alphas(page, "at(3, 8)")[2] > alphas(page, "at(3, 8)")[0]


def test_two_explanations_are_compared_on_one_page(open_page, lime, explained):
    other = explained("Ablation")
    page = open_page(lime.to_html(compare=other))
    shown = [each.text_content() for each in page.page.query_selector_all("#targets .name")]
    assert shown == [f"{LONG} · Lime", "cat · Lime", f"{LONG} · Ablation", "cat · Ablation"]


def test_maps_of_two_units_are_compared_each_on_its_own_scale(open_page, explained):
    ones = explained("Occlusion")
    maps = np.ones((2, 16, 24))
    weak = replace(ones, importances=maps / 1e4, details={"unit": "score per pixel"})
    page = open_page(replace(ones, importances=maps).to_html(compare=weak))
    assert page.text("#shared-line").endswith("all targets of one unit")
    page.page.select_option("#other", "2")
    page.run("drawing")
    left, right = alphas(page, "[at(3, 8), at(20, 8)]")
    assert left[0] > left[2]
    assert right[0] > right[2]
    assert "the right one has its own" in page.text("#swipe-names")
    page.page.select_option("#other", "1")
    assert "its own" not in page.text("#swipe-names")


def test_a_volume_is_walked_slice_by_slice(open_page, explained):
    volume = np.random.default_rng(0).random((5, 8, 8))
    explanation = explained("Ablation", volume, channel_axis=None)
    page = open_page(explanation.to_html())
    assert page.text("#slice-line output") == "2"
    before = alphas(page, "at(1, 1)")
    page.page.focus("#slice")
    page.page.keyboard.press("Home")
    page.run("drawing")
    assert page.text("#slice-line output") == "0"
    assert alphas(page, "at(1, 1)") != before


def test_channels_are_shown_one_by_one(open_page, explained):
    image = np.zeros((16, 24, 7))
    image[:8, :, 3] = 1.0
    image[..., 5] = np.linspace(0, 1, 24)
    with pytest.warns(LimelensWarning, match="average of 7 channels"):
        page = open_page(explained("Ablation", image).to_html())
    names = [each.text_content() for each in page.page.query_selector_all("#band option")]
    assert names == ["average of 7", *(f"channel {band}" for band in range(7))]
    page.page.check("#color")
    page.page.fill("#opacity", "0")
    page.page.uncheck("#boundaries")
    page.page.select_option("#band", "4")
    page.run("drawing")
    above, below = alphas(page, "[at(3, 2), at(3, 14)]")
    assert above == [255, 255, 255]
    assert below == [0, 0, 0]


def test_downloads_hold_what_is_shown(open_page, lime, tmp_path):
    page = open_page(lime.to_html())
    with page.page.expect_download() as picture:
        page.page.click("#png")
    picture.value.save_as(tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as downloaded:
        assert downloaded.size == (24, 16)
    with page.page.expect_download() as table:
        page.page.click("#csv")
    table.value.save_as(tmp_path / "map.csv")
    text = (tmp_path / "map.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 2 * 6
    assert float(rows[0]["importance"]) == lime.importances[0, int(rows[0]["segment"])]


def test_zooming_keeps_the_picture_in_its_window(open_page, lime):
    page = open_page(lime.to_html(), 390)
    page.page.click("#closer")
    assert page.run('get("stage").clientWidth / get("window").clientWidth') == pytest.approx(1.5)
    assert page.run("document.documentElement.scrollWidth") <= 390
    page.page.click("#farther")
    assert page.run('get("stage").clientWidth <= get("window").clientWidth')


def test_a_finger_scrolls_the_page(open_page, lime):
    page = open_page(lime.to_html(), 390, has_touch=True, is_mobile=True)
    # "manipulation" is the browser's word for all of panning and pinching.
    assert page.run('getComputedStyle(get("stage")).touchAction') == "manipulation"
    page.page.tap("#stage")
    assert "pinned" in page.text("#readout")


@pytest.mark.parametrize(
    ("theme", "system", "dark"),
    [
        ("auto", "dark", True),
        ("auto", "light", False),
        ("dark", "light", True),
        ("light", "dark", False),
    ],
)
def test_the_page_is_dark_where_it_should_be(open_page, lime, theme, system, dark):
    page = open_page(lime.to_html(theme=theme), color_scheme=system)
    luminance = page.run(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    )
    assert (luminance < 128) == dark
    page.page.click("#viewer .theme")
    after = page.run(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    )
    assert (after < 128) != dark


def test_on_paper_the_controls_are_gone(open_page, lime):
    page = open_page(lime.to_html())
    page.page.emulate_media(media="print")
    assert not page.page.is_visible("#png")
    assert page.page.is_visible("#paint")
    assert page.page.is_visible("#rows")


def test_the_keyboard_reaches_everything_and_focus_is_seen(open_page, lime):
    page = open_page(lime.to_html())
    wanted = set(
        page.run(
            """[...document.querySelectorAll("main:not([hidden]) :is(button, input, select)")]
            .filter((each) => each.offsetParent !== null && each.name !== "target")
            .map((each) => each.id || each.className)"""
        )
    ) | {"stage", "list"}
    reached, unseen = set(), []
    for _ in range(40):
        page.page.keyboard.press("Tab")
        name, outline, kind = page.run(
            """(() => { const each = document.activeElement, style = getComputedStyle(each);
              return [each.id || each.className, style.outlineStyle, each.name || ""]; })()"""
        )
        if name:
            reached.add(name)
        if outline == "none" and name:
            unseen.append(name)
        if kind == "target":
            reached.add("target")
    assert wanted <= reached
    assert "target" in reached
    assert unseen == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["Lime", "Occlusion"])
def test_axe_finds_no_barrier(open_page, name, theme, explained):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_page(explained(name).to_html(theme=theme))
    page.page.select_option("#other", "1")
    found = axe.Axe().run(page.page).response["violations"]
    assert [(each["id"], [node["html"][:90] for node in each["nodes"]]) for each in found] == []


def test_a_photograph_of_a_thousand_pixels_fits_in_about_150_kilobytes():
    photograph = data.astronaut()
    big = np.asarray(Image.fromarray(photograph).resize((1000, 1000), Image.Resampling.BICUBIC))
    explanation = ll.Ablation().explain(big, lambda batch: batch[:, 300:500].mean(axis=(1, 2, 3)))
    assert 60_000 < len(explanation.to_html()) < 180_000
