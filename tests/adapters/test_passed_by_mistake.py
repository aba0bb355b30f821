"""A framework's own object in the place of a model: the error contains the right call."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

import limelens as ll
from limelens.compat.lime_image import LimeImageExplainer
from limelens.testing import Recorder

IMAGE = np.arange(16.0).reshape(4, 4)


def class_of(module, name, *bases, **attributes):
    """Return a class as another library defines it."""
    return type(name, bases, {"__module__": module, **attributes})


def call(self, batch):
    return batch


TorchModule = class_of("torch.nn.modules.module", "Module", __call__=call)
KerasLayer = class_of("keras.src.layers.layer", "Layer", TorchModule)  # with the backend PyTorch
PreTrained = class_of("transformers.modeling_utils", "PreTrainedModel", TorchModule)
Pipeline = class_of("transformers.pipelines.base", "Pipeline", __call__=call)
Session = class_of("onnxruntime.capi.onnxruntime_inference_collection", "InferenceSession")
OBJECTS = [
    (class_of("mine", "Net", TorchModule)(), "from_torch(net)"),
    (class_of("timm.models.resnet", "ResNet", TorchModule, pretrained_cfg={"a": 1})(), "from_timm"),
    (class_of("keras.src.models.model", "Model", KerasLayer)(), "from_keras(model)"),
    (class_of("transformers.vit", "ViT", PreTrained)(), "from_transformers(model, processor)"),
    (class_of("transformers.image", "Image", Pipeline)(), "from_transformers(pipeline)"),
    (Session(), "from_onnx(session)"),
    (class_of("onnx.onnx_ml_pb2", "ModelProto")(), "from_onnx(graph)"),
    ("folder/net.onnx", "from_onnx('folder/net.onnx')"),
    (Path("net.ONNX"), "from_onnx('net.ONNX')"),
    ("net.keras", "from_keras(keras.saving.load_model('net.keras'))"),
    ("net.pth", "from_torch(net), with the network loaded first: net = torch.load('net.pth')"),
    ("https://example.org/predict", "from_http('https://example.org/predict')"),
    (LogisticRegression(), "from_sklearn(estimator)"),
    (make_pipeline(LinearRegression()), "from_sklearn(estimator)"),
]


def ways():
    """Return the functions that take a model, by the argument's name."""
    yield "predict_fn", lambda model: ll.Ablation(segmenter=ll.Grid(4)).explain(IMAGE, model)
    yield "predict_fn", lambda model: ll.with_gradient(model, lambda batch, target: batch)
    yield (
        "classifier_fn",
        lambda model: LimeImageExplainer().explain_instance(
            IMAGE, model, num_samples=5, progress_bar=False
        ),
    )


@pytest.mark.parametrize(("name", "way"), list(ways()))
@pytest.mark.parametrize(("model", "right"), OBJECTS, ids=[call for _, call in OBJECTS])
def test_the_error_contains_the_right_call(name, way, model, right):
    with pytest.raises(ll.InvalidInputError, match=f"`{name}` must be a callable") as caught:
        way(model)
    assert f"limelens.{right}" in str(caught.value)


@pytest.mark.parametrize("model", [3, None, "net", Path("net"), object(), TorchModule, "net.txt"])
def test_of_what_no_adapter_takes_only_the_kind_is_said(model):
    with pytest.raises(ll.InvalidInputError, match="`predict_fn` must be a callable") as caught:
        ll.Ablation().explain(IMAGE, model)
    assert "limelens.from_" not in str(caught.value)


def test_a_network_that_takes_numpy_batches_is_passed_as_a_function():
    net = class_of("mine", "Net", TorchModule, __call__=lambda self, b: b.mean(axis=(1, 2)))()
    explainer = ll.Ablation(segmenter=ll.Grid(4))
    with pytest.raises(ll.InvalidInputError, match=re.escape("predict_fn=lambda batch: model(")):
        explainer.explain(IMAGE, net)
    assert explainer.explain(IMAGE, lambda batch: net(batch)).importances.any()


def test_the_advice_for_an_estimator_works():
    rows = np.random.default_rng(0).random((20, 16))
    estimator = LinearRegression().fit(rows, rows[:, 0])
    with pytest.raises(ll.InvalidInputError, match=re.escape("limelens.from_sklearn(estimator)")):
        ll.Ablation().explain(IMAGE, estimator)
    found = ll.Ablation(segmenter=ll.Grid(4)).explain(IMAGE, ll.from_sklearn(estimator))
    assert found.heatmap()[0, 0] != 0


@pytest.mark.parametrize("framework", ["torch", "keras", "transformers", "onnxruntime", "timm"])
def test_real_objects_are_known(framework):
    library = pytest.importorskip(framework, reason=f"needs {framework}")
    made = {
        "torch": lambda: (library.nn.Flatten(), "from_torch(net)"),
        "keras": lambda: (library.Sequential([library.layers.Flatten()]), "from_keras(model)"),
        "transformers": lambda: (
            library.ResNetForImageClassification(
                library.ResNetConfig(depths=[1], hidden_sizes=[8], embedding_size=8)
            ),
            "from_transformers(model, processor)",
        ),
        "timm": lambda: (library.create_model("test_resnet"), "from_timm(net)"),
        "onnxruntime": lambda: (_session(library), "from_onnx(session)"),
    }
    model, right = made[framework]()
    with pytest.raises(ll.InvalidInputError, match=re.escape(f"limelens.{right}")):
        ll.Ablation().explain(IMAGE, model)


def _session(onnxruntime):
    helper = pytest.importorskip("onnx").helper
    value = helper.make_tensor_value_info("x", 1, [1])
    graph = helper.make_graph([], "empty", [value], [value])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )


# -- names of the classes -------------------------------------------------------------------


class Named:
    """Two scores with names."""

    class_names = ("dark", "bright")

    def __call__(self, batch):
        mean = batch.mean(axis=(1, 2)) / 15
        return np.stack([1 - mean, mean], axis=1)


def explain(model, **options):
    return ll.Ablation(segmenter=ll.Grid(4)).explain(IMAGE, model, target=[0, 1], **options)


def test_class_names_are_the_models_own_where_none_are_given():
    assert explain(Named()).target_names == ("dark", "bright")
    assert explain(Named(), class_names=["a", "b"]).target_names == ("a", "b")
    assert explain(Named(), class_names={1: "b"}).target_names == ("0", "b")
    assert explain(Recorder(Named())).target_names == ("dark", "bright")


def test_a_model_s_names_that_do_not_fit_its_scores_are_the_models_fault():
    model = Named()
    model.class_names = ("only one",)
    with pytest.raises(ll.InvalidInputError, match=r"`predict_fn\.class_names` must be"):
        explain(model)
    assert explain(model, class_names=["a", "b"]).target_names == ("a", "b")
    model.class_names = {7: "seven"}
    with pytest.raises(ll.InvalidInputError, match=r"`predict_fn\.class_names` names column 7"):
        explain(model)


def test_a_model_that_works_is_never_spelled_out():
    """The repr of a model may hold all its weights."""

    class Heavy:
        def __call__(self, batch):
            return batch.mean(axis=(1, 2))

        def __repr__(self):
            raise AssertionError("spelled out")

    for _, way in list(ways())[:1]:
        assert way(Heavy()).n_predictions
