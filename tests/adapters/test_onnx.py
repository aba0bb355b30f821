"""`from_onnx`: graphs asked as ONNX Runtime would be asked by hand."""

import pickle
import warnings

import numpy as np
import pytest
from networks import onnx_graph as graph
from networks import started

import limelens as ll
from limelens.adapters.onnx import from_onnx
from limelens.adapters.torch import from_torch

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (6, 5, 3)).astype(np.uint8)
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.25]
FLOAT = onnx.TensorProto.FLOAT


def normalised(photos):
    return (photos.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)


@pytest.mark.parametrize(
    ("shape", "layout", "first"),
    [
        ([None, 3, 6, 5], None, True),
        (["n", 3, "h", "w"], None, True),
        ([None, 6, 5, 3], None, False),
        (["n", "h", "w", 3], None, False),
        (["n", "a", "b", "c"], "channels_first", True),
        (["n", "a", "b", "c"], "channels_last", False),
    ],
)
def test_layout_is_read_from_the_graph(shape, layout, first):
    model = from_onnx(graph(shape), mean=MEAN, std=STD, output="raw", layout=layout)
    wanted = normalised(PHOTO[None])
    wanted = np.moveaxis(wanted, -1, 1) if first else wanted
    np.testing.assert_allclose(model(PHOTO[None]), wanted.reshape(1, -1), atol=1e-6)
    np.testing.assert_allclose(
        model.predict_prepared(model.prepare(PHOTO[None])), wanted.reshape(1, -1), atol=1e-6
    )


@pytest.mark.parametrize("shape", [["n", "a", "b", "c"], [None, 3, None, 3]])
def test_a_layout_that_the_graph_does_not_say_is_asked_for_and_the_advice_works(shape):
    photo = PHOTO[:3, :3]
    with pytest.raises(ll.InvalidInputError, match='pass layout="channels_first"'):
        from_onnx(graph(shape), output="raw")(photo[None])
    model = from_onnx(graph(shape), output="raw", layout="channels_last")
    np.testing.assert_allclose(model(photo[None])[0], photo.ravel() / 255, atol=1e-6)


@pytest.mark.parametrize("shape", [[None, 3, 8, 9], [None, 8, 9, 3]])
def test_images_of_another_size_are_refused_and_the_advice_works(shape):
    with pytest.raises(ll.InvalidInputError, match=r"Pass size=\(8, 9\)"):
        from_onnx(graph(shape), output="raw")(PHOTO[None])
    model = from_onnx(graph(shape), output="raw", size=(8, 9))
    assert model(PHOTO[None]).shape == (1, 3 * 8 * 9)
    found = ll.Ablation(segmenter=ll.Grid(4)).explain(PHOTO, model, target=0)
    assert found.heatmap().shape == (6, 5)


def test_images_with_other_channels_are_refused():
    with pytest.raises(ll.InvalidInputError, match=r"\('any', 3, 6, 5\).*preprocess="):
        from_onnx(graph([None, 3, 6, 5]))(PHOTO[None, ..., 0])


def test_resizing_is_pytorchs():
    torch = pytest.importorskip("torch")
    for size in [(3, 2), (12, 11)]:
        model = from_onnx(graph([None, 3, *size]), output="raw", size=size)
        x = torch.from_numpy(PHOTO[None] / np.float32(255)).movedim(-1, 1)
        wanted = torch.nn.functional.interpolate(x, size, mode="bilinear", antialias=True)
        np.testing.assert_allclose(model(PHOTO[None]), wanted.flatten(1), atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (onnx.TensorProto.FLOAT16, np.float16),
        (onnx.TensorProto.DOUBLE, np.float64),
        (FLOAT, np.float32),
    ],
)
def test_the_graph_gets_its_own_dtype(kind, dtype):
    model = from_onnx(graph([None, 3, 6, 5], kind), output="raw")
    assert model.prepare(PHOTO[None]).dtype == dtype
    np.testing.assert_allclose(
        model(PHOTO[None])[0], np.moveaxis(PHOTO, -1, 0).ravel() / 255, rtol=2e-3
    )


def test_a_graph_of_integers_gets_the_pixels():
    model = from_onnx(graph([None, 6, 5, 3], onnx.TensorProto.UINT8), output="raw")
    np.testing.assert_array_equal(model(PHOTO[None])[0], PHOTO.ravel())
    with pytest.raises(ll.InvalidInputError, match="`image` must be uint8 for this graph"):
        model(PHOTO[None] / 255)
    with pytest.raises(ll.InvalidInputError, match="`image` must be uint8 for this graph"):
        from_onnx(graph([None, 6, 5, 3], onnx.TensorProto.UINT8), mean=0.5)(PHOTO[None])


@pytest.mark.parametrize("n", [1, 3, 4, 5, 8])
def test_a_fixed_batch_is_padded_and_the_padding_cut_off(n):
    model = from_onnx(graph([4, 3, 6, 5]), output="raw")
    photos = RNG.integers(0, 256, (n, 6, 5, 3)).astype(np.uint8)
    free = from_onnx(graph([None, 3, 6, 5]), output="raw")
    np.testing.assert_array_equal(model(photos), free(photos))


@pytest.mark.parametrize(
    ("image", "axis", "shape"),
    [
        (RNG.random((6, 5)), -1, [None, 1, 6, 5]),
        (RNG.random((3, 6, 5)), 0, [None, 3, 6, 5]),
        (RNG.random((4, 6, 5)), None, [None, 1, 4, 6, 5]),
    ],
)
def test_every_layout_of_images_reaches_the_graph(image, axis, shape):
    model = from_onnx(graph(shape), output="raw", channel_axis=axis)
    np.testing.assert_allclose(model(image[None])[0], image.ravel(), rtol=1e-6)


def test_preprocess_makes_the_graphs_input():
    model = from_onnx(graph([None, 7]), preprocess=lambda b: b.reshape(len(b), -1)[:, :7] / 5)
    assert model.prepare is None
    wanted = np.exp(PHOTO.ravel()[:7] / 5)
    np.testing.assert_allclose(model(PHOTO[None])[0], wanted / wanted.sum(), rtol=1e-4)


@pytest.mark.parametrize(
    ("output", "function"),
    [
        ("softmax", lambda y: np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)),
        ("sigmoid", lambda y: 1 / (1 + np.exp(-y))),
        ("raw", lambda y: y),
        (lambda outputs: outputs[0][:, 1:3], lambda y: y[:, 1:3]),
    ],
)
def test_outputs_become_scores(output, function):
    image = RNG.normal(size=(1, 4))
    model = from_onnx(graph([None, 1, 1, 4]), output=output)
    np.testing.assert_allclose(model(image[None]), function(image), rtol=1e-5)


def test_probabilities_are_not_flattened_by_another_softmax():
    image = np.array([[0.25, 0.75]])
    with pytest.raises(ll.InvalidInputError, match="already sum to 1"):
        from_onnx(graph([None, 1, 1, 2]))(image[None])


def test_labels_before_the_scores_are_named_and_the_advice_works():
    nodes = [
        helper.make_node("Flatten", ["pixels"], ["scores"]),
        helper.make_node("Constant", [], ["label"], value_string="cat"),
    ]
    both = graph([None, 1, 1, 2], nodes=nodes, outputs=("scores",))
    info = helper.make_tensor_value_info("label", onnx.TensorProto.STRING, None)
    both.graph.output.insert(0, info)
    with pytest.raises(ll.InvalidInputError, match=r"output=lambda outputs: outputs\[1\]"):
        from_onnx(both)(np.array([[[0.0, 2.0]]]))
    model = from_onnx(both, output=lambda outputs: outputs[1])
    np.testing.assert_array_equal(model(np.array([[[0.0, 2.0]]])), [[0, 2]])


def test_paths_bytes_graphs_and_sessions_are_taken(tmp_path):
    made = graph([None, 3, 6, 5])
    onnx.save(made, tmp_path / "model.onnx")
    session = started(made)
    path = tmp_path / "model.onnx"
    for given in (path, str(path), made.SerializeToString(), made, session):
        model = from_onnx(given, output="raw", class_names=["a"])
        assert model(PHOTO[None]).shape == (1, 90)
        assert model.class_names == ["a"]


def test_a_model_can_be_sent_to_another_process(tmp_path):
    made = graph([None, 3, 6, 5])
    onnx.save(made, tmp_path / "model.onnx")
    for given in (made, tmp_path / "model.onnx"):
        model = from_onnx(given, output="raw")
        copy = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(copy(PHOTO[None]), model(PHOTO[None]))
    session = started(made)
    with pytest.raises(TypeError, match=r"from_onnx\(\"model.onnx\"\)"):
        pickle.dumps(from_onnx(session))


@pytest.mark.parametrize("given", ["missing.onnx", b"no graph", 3, None])
def test_what_is_no_graph_is_refused(given):
    with pytest.raises(ll.InvalidInputError, match="`model` must be"):
        from_onnx(given)


def test_several_inputs_and_inputs_that_are_no_numbers_are_refused():
    nodes = [
        helper.make_node("Add", ["pixels", "pixels1"], ["sum"]),
        helper.make_node("Flatten", ["sum"], ["scores"]),
    ]
    with pytest.raises(ll.InvalidInputError, match=r"one input; got \['pixels', 'pixels1'\]"):
        from_onnx(graph([None, 2], n_inputs=2, nodes=nodes))
    nodes = [helper.make_node("Identity", ["pixels"], ["scores"])]
    text = graph([None, 2], onnx.TensorProto.STRING, nodes=nodes)
    text.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.STRING
    with pytest.raises(ll.InvalidInputError, match=r"'pixels' is tensor\(string\)"):
        from_onnx(text)


@pytest.mark.parametrize(
    "options",
    [
        {"layout": "NCHW"},
        {"output": "none"},
        {"size": 0},
        {"std": 0},
        {"preprocess": 3},
        {"mean": 0.5, "preprocess": len},
        {"layout": "channels_last", "preprocess": len},
    ],
)
def test_settings_that_cannot_be_used_are_refused_at_once(options):
    with pytest.raises(ll.InvalidInputError, match=f"`{next(iter(options))}`"):
        from_onnx(graph([None, 3, 6, 5]), **options)


def test_maps_are_those_of_the_torch_network_that_was_exported(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    nn = torch.nn
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)
    ).eval()
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(
            net,
            (torch.zeros(2, 3, 6, 5),),
            path,
            dynamic_shapes=({0: torch.export.Dim("n")},),
            verbose=False,
        )
    options = {"mean": MEAN, "std": STD}
    lime = ll.Lime(segmenter=ll.Grid(6), n_samples=40)
    one = lime.explain(PHOTO, from_torch(net, **options), target=[0, 3], rng=0)
    other = lime.explain(PHOTO, from_onnx(path, **options), target=[0, 3], rng=0)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)
    np.testing.assert_allclose(one.importances, other.importances, atol=1e-5)
