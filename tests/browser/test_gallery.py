"""The gallery of many explanations."""

from dataclasses import replace

import numpy as np
import pytest
from skimage import data

import limelens as ll

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def three(explained):
    """Return explanations whose highest scores are those of bird, cat and cat."""
    one = explained("Lime", target=[0, 1, 2], class_names=["dog", "cat", "bird"])
    answers = ([0.1, 0.2, 0.7], [0.3, 0.6, 0.1], [0.05, 0.9, 0.05])
    return [
        replace(
            one,
            scores=np.array(scores),
            target_values=np.stack([scores, [0.3] * 3], axis=1),
        )
        for scores in answers
    ]


@pytest.fixture
def gallery(open_page, three, tmp_path):
    """Return a gallery of the three, opened."""
    path = ll.report(three, tmp_path / "all.html", truth=["bird", "cat", 0], names=["c", "a", "b"])
    return open_page(path.read_text(encoding="utf-8"))


def names(page):
    return [
        each.text_content() for each in page.page.query_selector_all("#cards small:first-of-type")
    ]


def test_images_are_found_by_class_answer_score_and_confidence(gallery):
    assert names(gallery) == ["c", "a", "b"]
    gallery.page.select_option("#by-class", "cat")
    assert names(gallery) == ["a", "b"]
    assert gallery.text("#found") == "2 of 3 images"
    gallery.page.select_option("#by-verdict", "wrong")
    assert names(gallery) == ["b"]
    gallery.page.select_option("#by-class", "")
    gallery.page.select_option("#by-verdict", "right")
    assert names(gallery) == ["c", "a"]
    gallery.page.select_option("#by-verdict", "")
    gallery.page.fill("#by-confidence", "0.65")
    assert names(gallery) == ["c", "b"]
    gallery.page.fill("#by-confidence", "")
    gallery.page.fill("#by-score", "0.08")
    assert names(gallery) == ["c", "a"]


@pytest.mark.parametrize(
    ("key", "order"),
    [
        ("name", ["a", "b", "c"]),
        ("score", ["a", "c", "b"]),
        ("-score", ["b", "c", "a"]),
        ("confidence", ["b", "c", "a"]),
        ("order", ["c", "a", "b"]),
    ],
)
def test_images_are_sorted(gallery, key, order):
    gallery.page.select_option("#sort", "name")
    gallery.page.select_option("#sort", key)
    assert names(gallery) == order


def test_every_explained_target_has_its_mean_map(gallery):
    found = [each.text_content() for each in gallery.page.query_selector_all("#mean-list strong")]
    assert found == ["dog"]
    counts = [each.text_content() for each in gallery.page.query_selector_all("#mean-list small")]
    assert [text.split(",")[0] for text in counts] == ["3 images"]


def test_a_map_of_another_target_than_the_answer_is_named(gallery):
    text = gallery.page.text_content("#cards li:nth-child(1)")
    assert "map of dog" in text


def test_an_image_opens_its_page_and_back_leads_back(gallery):
    gallery.page.click("#cards li:nth-child(2) button")
    gallery.page.wait_for_selector("#viewer:not([hidden])")
    assert gallery.text("#title") == "Why dog?"
    assert gallery.text("#facts").startswith("a · Lime")
    gallery.page.focus("#stage")
    gallery.page.keyboard.press("ArrowRight")
    assert gallery.text("#readout").startswith("segment ")
    gallery.page.click("#back")
    gallery.page.wait_for_selector("#gallery:not([hidden])")
    assert gallery.run("document.activeElement.textContent").startswith("cata")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_barrier(open_page, three, tmp_path, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    path = ll.report(three, tmp_path / "all.html", truth=[2, 1, 0], theme=theme)
    page = open_page(path.read_text(encoding="utf-8"))
    for selector in (None, "#cards button"):
        if selector:
            page.page.click(selector)
            page.page.wait_for_selector("#viewer:not([hidden])")
        found = axe.Axe().run(page.page).response["violations"]
        assert [(each["id"], [n["html"][:90] for n in each["nodes"]]) for each in found] == []


@pytest.mark.parametrize("width", [360, 390])
def test_no_phone_scrolls_sideways(open_page, three, tmp_path, width):
    long = [replace(each, target_names=("dog" * 40, "cat", "bird")) for each in three]
    path = ll.report(long, tmp_path / "all.html", names=["x" * 99] * 3, truth=["dog"] * 3)
    page = open_page(path.read_text(encoding="utf-8"), width)
    assert page.run("document.documentElement.scrollWidth") <= width


def test_hostile_names_are_text(open_page, three, tmp_path):
    evil = "</script><img src=x onerror=alert(1)>"
    hostile = [replace(each, target_names=(evil, evil + "2", evil + "3")) for each in three]
    path = ll.report(hostile, tmp_path / "all.html", title=evil, names=[evil] * 3, truth=[evil] * 3)
    page = open_page(path.read_text(encoding="utf-8"))
    assert page.text("#gallery-title") == evil
    assert page.page.query_selector("main img") is None


def test_two_hundred_photographs_are_five_megabytes_painted_as_they_come_into_view(
    open_page, tmp_path
):
    photograph = data.astronaut()
    explainer = ll.Ablation(segmenter=ll.Slic(50))
    few = [
        explainer.explain(
            np.ascontiguousarray(photograph[40 * k : 40 * k + 320, 30 * k : 30 * k + 320]),
            lambda batch: np.stack([batch.mean(axis=(1, 2, 3)), batch.std(axis=(1, 2, 3))], axis=1),
        )
        for k in range(5)
    ]
    path = ll.report([few[k % 5] for k in range(200)], tmp_path / "all.html")
    assert path.stat().st_size < 5_000_000
    page = open_page(path.read_text(encoding="utf-8"))
    page.page.wait_for_selector("#cards canvas[data-painted]", state="attached")
    assert page.run('document.querySelectorAll("canvas[data-painted]").length') < 100  # lazy
    last = "#cards li:last-child canvas[data-painted]"
    for _ in range(120):  # a busy browser lays out late: the end may not be where it was
        page.run("scrollTo(0, document.body.scrollHeight)")
        if page.page.query_selector(last):
            break
        page.page.wait_for_timeout(500)
    assert page.page.query_selector(last)
