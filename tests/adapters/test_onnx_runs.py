"""An exported network at the command line and in workers: only its file is named."""

import numpy as np
import pytest
from PIL import Image

import limelens as ll
from limelens import cli

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """net.onnx scores (n, 3, h, w) by the means of the channels; two pictures of four squares."""
    from onnx import TensorProto, helper

    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, "h", "w"])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3])
    node = helper.make_node("ReduceMean", ["pixels"], ["scores"], axes=[2, 3], keepdims=0)
    graph = helper.make_graph([node], "means", [pixels], [scores])
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "net.onnx")
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        squares = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)
        Image.fromarray(squares.repeat(8, axis=0).repeat(8, axis=1)).save(
            tmp_path / "photos" / name
        )
    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


ASK = (
    "explain photos --model net.onnx --size 4 --mean 0.5,0.5,0.5 --std 0.25,0.25,0.25 --activation "
    "raw --classes labels.txt --target green --method ablation --segments 4 --output run --quiet"
)


def test_the_command_line_explains_a_network_with_its_own_preprocessing(folder, capsys):
    assert cli.main(ASK.split()) == 0
    assert capsys.readouterr().out.startswith("a.png: green ")
    model = ll.from_onnx("net.onnx", size=4, mean=[0.5] * 3, std=[0.25] * 3, output="raw")
    run = ll.Run.load("run")
    ablation = ll.Ablation(segmenter=ll.Slic(4))
    alone = ablation.explain(run[0].image, model, target=1, class_names=["red", "green", "blue"])
    assert np.array_equal(alone.importances, run[0].importances)


def test_the_same_command_goes_on_and_another_network_is_refused(folder, capsys):
    assert cli.main(ASK.split()) == 0
    assert cli.main(ASK.split()) == 0
    for other in (ASK.replace("--size 4", "--size 5"), ASK.replace("0.25,0.25,0.25", "0.2")):
        with pytest.raises(SystemExit):
            cli.main(other.split())
        assert "holds another one: predict_fn" in capsys.readouterr().err
    content = onnx.load("net.onnx")
    content.producer_name = "trained again"
    onnx.save(content, "net.onnx")
    with pytest.raises(SystemExit):
        cli.main(ASK.split())
    assert "holds another one: predict_fn" in capsys.readouterr().err


def test_an_image_of_other_channels_is_told(folder, capsys):
    Image.open("photos/a.png").convert("L").save("photos/a.png")
    assert cli.main(ASK.split()) == 1
    assert "limelens explain: a.png: " in capsys.readouterr().err
    assert cli.main(ASK.replace("--output run", "--output run2 --color rgb").split()) == 0


def test_workers_load_the_file_themselves(folder):
    ablation = ll.Ablation(segmenter=ll.Grid(4))
    here = list(ll.explain_many(ablation, "photos", "net.onnx", target=0))
    there = list(ll.explain_many(ablation, "photos", "net.onnx", target=0, n_jobs=2))
    for one, other in zip(here, there, strict=True):
        assert np.array_equal(one.importances, other.importances)


def test_a_file_that_is_no_network_is_one_line(folder, capsys):
    (folder / "net.onnx").write_bytes(b"no graph")
    with pytest.raises(SystemExit) as stop:
        cli.main(ASK.split())
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
