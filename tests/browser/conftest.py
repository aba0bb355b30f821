"""A headless Chromium, and pages opened in it that must stay silent."""

import os
import shutil
from dataclasses import dataclass, field

import numpy as np
import pytest

import limelens as ll

REQUIRED = os.environ.get("LIMELENS_BROWSER") == "required"
NAMES = ("chromium", "chromium-browser", "google-chrome")


def lack(what):
    """Skip for want of something, or fail where a browser is required."""
    (pytest.fail if REQUIRED else pytest.skip)(f"{what} is not installed")


@pytest.fixture(scope="session")
def browser():
    """Return a running Chromium of the system."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lack("playwright (pip install -e '.[browser]')")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        lack("Chromium (apt-get install chromium)")
    with sync_playwright() as tools:
        chromium = tools.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@dataclass
class Opened:
    """A page, and everything it asked for or complained of."""

    page: object
    requests: list = field(default_factory=list)
    messages: list = field(default_factory=list)

    def text(self, selector):
        return self.page.text_content(selector)

    def run(self, script):
        return self.page.evaluate(script)


@pytest.fixture
def open_page(browser, tmp_path):
    """Return a function that opens HTML at a width; afterwards the page must have been silent."""
    opened = []

    def build(html, width=1280, height=900, **settings):
        file = tmp_path / f"page{len(opened)}.html"
        file.write_text(html, encoding="utf-8")
        viewport = {"width": width, "height": height}
        page = browser.new_page(viewport=viewport, **settings)
        one = Opened(page)
        page.on("request", lambda request: one.requests.append(request.url))
        page.on("console", lambda message: one.messages.append(message.text))
        page.on("pageerror", lambda error: one.messages.append(str(error)))
        page.on("dialog", lambda dialog: one.messages.append(dialog.message) or dialog.dismiss())
        page.goto(file.as_uri())
        page.wait_for_selector("body[data-ready]", timeout=30_000)
        opened.append(one)
        return one

    yield build
    for one in opened:
        outside = [url for url in one.requests if not url.startswith(("file:", "data:", "blob:"))]
        assert not outside
        assert one.messages == []
        one.page.close()


GRID = ll.Grid(6)
LONG = "long-haired dachshund or another very patient dog"
EXPLAINERS = {
    "Ablation": ll.Ablation(segmenter=GRID),
    "Anchors": ll.Anchors(segmenter=GRID, max_samples=300),
    "ExactShapley": ll.ExactShapley(segmenter=GRID),
    "ExpectedGradients": ll.ExpectedGradients(samples=ll.Noise(low=0.0, high=1.0, n=3), n_steps=9),
    "GradCam": ll.GradCam(),
    "IntegratedGradients": ll.IntegratedGradients(n_steps=5),
    "KernelShap": ll.KernelShap(segmenter=GRID, n_samples=40),
    "Lime": ll.Lime(segmenter=GRID, n_samples=40),
    "Occlusion": ll.Occlusion(window=4, stride=2),
    "Owen": ll.Owen(segmenter=GRID),
    "PermutationShapley": ll.PermutationShapley(segmenter=GRID, n_permutations=3),
    "QuickLime": ll.QuickLime(segmenter=GRID, max_samples=40),
    "QuickShap": ll.QuickShap(segmenter=GRID, max_samples=40),
    "Rise": ll.Rise(n_masks=30, grid=3),
}


class Model:
    """Three linear scores of the pixels, with their gradients and one feature layer."""

    def __call__(self, batch):
        flat = np.asarray(batch, dtype=np.float64).reshape(len(batch), -1)
        return flat @ self._weights(flat.shape[1])

    def gradient(self, batch, target):
        weights = self._weights(batch[0].size)[:, target]
        return np.broadcast_to(weights.reshape(batch.shape[1:]), batch.shape)

    def features(self, batch, target):
        maps = np.abs(batch).reshape(len(batch), -1)[:, :8].reshape(-1, 1, 2, 4)
        return maps, np.broadcast_to(self._weights(8)[:, target].reshape(2, 4), maps.shape)

    @staticmethod
    def _weights(n_pixels):
        return np.random.default_rng(5).normal(size=(n_pixels, 3)) / n_pixels


def explain(name="Lime", image=None, **settings):
    """Explain two targets of a small image."""
    image = np.random.default_rng(3).random((16, 24, 3)) if image is None else image
    options = {"target": [0, 1], "class_names": [LONG, "cat", "bird"], "rng": 0}
    return EXPLAINERS[name].explain(image, Model(), **(options | settings))


@pytest.fixture(scope="session")
def explained():
    """Return the function that explains two targets of a small image."""
    return explain


@pytest.fixture(params=EXPLAINERS)
def by_each(request):
    """Return an explanation by each explainer in turn."""
    return explain(request.param)
