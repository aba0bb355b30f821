import base64
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from limelens.pictures.report import ReportTarget, report_page

LABELS = np.array([[0, 0, 1], [2, 2, 1]])
IMAGE = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)


def page(targets=None, **changes):
    targets = targets or [
        ReportTarget(
            name="cat",
            notes=["score 0.7"],
            importances=np.array([0.5, -0.25, 0.0]),
            standard_errors=np.array([0.125, np.nan, 0.0]),
        ),
        ReportTarget(name="</script><b>dog", notes=[], importances=np.zeros(3)),
    ]
    options = {
        "channel_axis": 2,
        "segments": LABELS,
        "title": "Why cat?",
        "facts": ["Lime()"],
        "max_side": 640,
    }
    return report_page(IMAGE, targets, **(options | changes))


def content(text):
    """Return the data that the page embeds."""
    return json.loads(re.search(r'type="application/json">(.*?)</script>', text)[1])


def test_the_page_refers_to_nothing_outside_itself():
    text = page()
    assert not re.search(r"https?://|src=\"(?!data:)|<link|@import|fetch\(|XMLHttp", text)
    assert "default-src 'none'" in text


def test_the_values_of_segments_stand_in_it_in_full():
    cat, dog = content(page())["targets"]
    assert cat["importances"] == [0.5, -0.25, 0.0]
    assert cat["errors"] == [0.125, None, 0.0]
    assert (cat["peak"], dog["peak"]) == (0.5, 0.0)
    assert dog["errors"] is None


def test_labels_travel_as_runs():
    data = content(page())
    runs = np.frombuffer(base64.b64decode(data["runs"]), dtype="<i4").reshape(-1, 2)
    labels = np.repeat(runs[:, 0], runs[:, 1]).reshape(data["height"], data["width"])
    times = data["width"] // 3
    np.testing.assert_array_equal(labels, LABELS.repeat(times, 0).repeat(times, 1))


def test_a_map_per_pixel_travels_in_steps_of_its_peak():
    heatmap = np.array([[1.0, -2.0, 0.0], [0.5, 0.0, 2.0]])
    target = ReportTarget(name="cat", notes=[], importances=heatmap)
    data = content(page([target], segments=None))
    levels = np.frombuffer(base64.b64decode(data["targets"][0]["map"]), dtype="<i2")
    shown = levels.reshape(data["height"], data["width"]) / 32767 * data["targets"][0]["peak"]
    np.testing.assert_allclose(
        shown[:: data["height"] // 2, :: data["width"] // 3], heatmap, atol=1e-4
    )
    assert data["runs"] is None
    assert data["shape"] == [2, 3]


def test_no_name_can_end_the_data_early():
    text = page()
    assert "</script><b>dog" not in text
    assert content(text)["targets"][1]["name"] == "</script><b>dog"


def test_a_volume_is_shown_as_its_montage():
    volume = np.zeros((2, 4, 4), np.uint8)
    segments = np.repeat([0, 1], 16).reshape(2, 4, 4)
    target = ReportTarget(name="cat", notes=[], importances=np.array([1.0, -1.0]))
    text = report_page(
        volume, [target], channel_axis=None, segments=segments, title="", facts=[], max_side=640
    )
    data = content(text)
    assert data["width"] > 2 * data["height"]
    assert data["shape"] is None


def in_browser(text, script, folder):
    """Open the page headless, run a script in it, and return what the page says then."""
    browser = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if browser is None:
        pytest.skip("no Chromium")
    file = folder / "page.html"
    head, tail = text.rsplit("</body>", 1)
    file.write_text(f"{head}<script>{script}</script></body>{tail}", encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", file.as_uri()]
    command.insert(1, f"--user-data-dir={folder / 'profile'}")
    try:
        run = subprocess.run(command, capture_output=True, check=True, timeout=30, text=True)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        pytest.skip("Chromium does not run here")
    return run.stdout


def test_in_a_browser_the_pointer_and_the_targets_are_answered(tmp_path):
    found = in_browser(
        page(),
        """
        const box = get("stage").getBoundingClientRect();
        const paintAt = (x, y) => [...get("paint").getContext("2d").getImageData(
            Math.floor(x * width), Math.floor(y * height), 1, 1).data].join(" ");
        const move = (x, y) => get("stage").dispatchEvent(new PointerEvent("pointermove",
            {clientX: box.left + x * box.width, clientY: box.top + y * box.height}));
        const said = [];
        move(0.1, 0.2); said.push(get("readout").textContent);
        move(0.9, 0.5); said.push(get("readout").textContent);
        said.push(paintAt(0.1, 0.2), paintAt(0.1, 0.9));
        get("top").value = 1; get("top").dispatchEvent(new Event("input"));
        said.push(paintAt(0.9, 0.5));
        document.querySelectorAll("input[name=target]")[1].click();
        said.push(get("readout").textContent);
        document.body.dataset.said = JSON.stringify(said);
        """,
        tmp_path,
    )
    said = json.loads(re.search(r'data-said="(.*?)"', found)[1].replace("&quot;", '"'))
    assert said[0] == "segment 0: +0.5 ± 0.125, rank 1 of 3"
    assert said[1] == "segment 1: −0.25 ± unknown, rank 2 of 3"
    assert said[2].endswith(" 166")  # .65 * 255
    assert said[3] == "0 0 0 0"
    assert said[4] == "0 0 0 0"
    assert said[5] == "All importances of this target are zero."
