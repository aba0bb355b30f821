"""How large pages and galleries are, and how long they take to write.

`python tests/benchmarks/bench_pages.py`; the goals are 150 kB for one photograph of 1000 pixels,
and 5 MB and 3 s for a gallery of 200. How long a browser takes to open it:
`python tests/benchmarks/bench_pages.py --browser` (extra `browser`, and Chromium).
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from skimage import data, transform

import limelens as ll

N_IMAGES, N_DIFFERENT = 200, 20


def predict_fn(batch):
    """(n, H, W, 3) -> (n, 3): three shares of colours."""
    means = batch[:, ::4, ::4].mean(axis=(1, 2), dtype=np.float64)
    return means / means.sum(axis=1, keepdims=True)


def photographs():
    rng = np.random.default_rng(0)
    sources = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    for k in range(N_DIFFERENT):
        image = sources[k % len(sources)]
        top, left = (int(rng.integers(0, side - 299)) for side in image.shape[:2])
        yield np.ascontiguousarray(image[top : top + 300, left : left + 300])


def timed(work):
    start = time.perf_counter()
    answer = work()
    return answer, time.perf_counter() - start


def opened(path):
    """Return how long Chromium takes until the first thumbnails are painted."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tools:
        chromium = tools.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = chromium.new_page(viewport={"width": 1280, "height": 900})

        def work():
            page.goto(path.as_uri())
            page.wait_for_selector("#cards canvas[data-painted]")

        _, seconds = timed(work)
        chromium.close()
    return seconds


def main():
    photograph = transform.resize(data.astronaut(), (1000, 1000), order=3)
    photograph = (photograph * 255).astype(np.uint8)
    one = ll.QuickLime().explain(photograph, predict_fn, target=ll.Top(2), rng=0)
    html, seconds = timed(one.to_html)
    print(f"{'one page, 1000 px':24} {len(html) / 1e3:8.0f} kB {seconds:6.2f} s")
    few = [
        ll.Lime(n_samples=300).explain(image, predict_fn, target=ll.Top(2), rng=0)
        for image in photographs()
    ]
    many = [few[k % N_DIFFERENT] for k in range(N_IMAGES)]
    with tempfile.TemporaryDirectory() as folder:
        path, seconds = timed(lambda: ll.report(many, Path(folder) / "all.html"))
        size = path.stat().st_size / 1e6
        print(f"{'gallery of 200, 300 px':24} {size:8.2f} MB {seconds:6.2f} s")
        if "--browser" in sys.argv:
            print(f"{'  opened by Chromium':24} {'':11} {opened(path):6.2f} s")


if __name__ == "__main__":
    main()
