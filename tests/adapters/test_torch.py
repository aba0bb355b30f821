"""`from_torch`: a PyTorch network asked as its owner would ask it by hand."""

import pickle
import threading
from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest

import limelens as ll
from limelens.adapters.torch import from_torch

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")
nn = torch.nn
RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (12, 10, 3)).astype(np.uint8)
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.25]


def network(channels=3, classes=4):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 5, 3, padding=1),
        nn.BatchNorm2d(5),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(5, 6, 3),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(6, classes),
    )


def by_hand(net, photos, mean=MEAN, std=STD):
    """Logits of HWC uint8 photographs, as anyone writes it."""
    x = torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 255
    x = (x - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    net.eval()
    with torch.no_grad():
        return net(x)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("softmax", lambda y: y.softmax(1)),
        ("sigmoid", torch.sigmoid),
        ("raw", lambda y: y),
        (lambda y: y[:, :2], lambda y: y[:, :2]),
    ],
)
def test_scores_are_those_of_the_network_called_by_hand(output, expected):
    net = network()
    model = from_torch(net, mean=MEAN, std=STD, output=output)
    wanted = expected(by_hand(net, PHOTO[None]))
    np.testing.assert_allclose(model(PHOTO[None]), wanted, atol=1e-6)
    np.testing.assert_allclose(
        model.predict_prepared(model.prepare(PHOTO[None])), wanted, atol=1e-6
    )


@pytest.mark.parametrize(
    ("dtype", "scale", "factor"),
    [
        (np.uint8, None, 1 / 255),
        (np.uint16, None, 1 / 65535),
        (np.float32, None, 1),
        (np.float64, None, 1),
        (np.float16, None, 1),
        (np.bool_, None, 1),
        (np.uint8, 2.0, 2),
        (np.int16, 0.5, 0.5),
        (np.dtype(">u2"), None, 1 / 65535),
    ],
)
def test_the_scale_follows_from_the_dtype_unless_it_is_given(dtype, scale, factor):
    image = np.array([[1, 0, 1, 1]]).astype(dtype)
    model = from_torch(nn.Flatten(), output="raw", scale=scale)
    np.testing.assert_allclose(model(image[None])[0], image[0].astype(float) * factor, rtol=1e-6)


def test_integers_of_unknown_range_are_refused_and_the_advice_works():
    image = np.array([[1, 0, 4095]], np.int16)
    with pytest.raises(ll.InvalidInputError, match=r"int16.*scale=1/4095"):
        from_torch(nn.Flatten(), output="raw")(image[None])
    assert from_torch(nn.Flatten(), output="raw", scale=1 / 4095)(image[None])[0, 2] == 1


@pytest.mark.parametrize(
    ("shape", "axis", "tensor"),
    [
        ((4, 5), -1, (2, 1, 4, 5)),
        ((4, 5), None, (2, 1, 4, 5)),
        ((4, 5, 3), -1, (2, 3, 4, 5)),
        ((3, 4, 5), 0, (2, 3, 4, 5)),
        ((6, 4, 5), None, (2, 1, 6, 4, 5)),
        ((6, 4, 5, 2), -1, (2, 2, 6, 4, 5)),
    ],
)
@pytest.mark.parametrize("channels_last", [False, True])
def test_every_layout_reaches_the_network_channels_first(shape, axis, tensor, channels_last):
    seen = []

    class Look(nn.Module):
        def forward(self, x):
            seen.append(x.clone())
            return x.flatten(1)

    model = from_torch(Look(), output="raw", channel_axis=axis, channels_last=channels_last)
    batch = RNG.random((2, *shape)).astype(np.float32)
    if len(tensor) > batch.ndim:
        wanted = batch[:, None]
    else:
        wanted = np.moveaxis(batch, 1 if axis == 0 else -1, 1)
    model(batch)
    model.predict_prepared(model.prepare(batch))
    for x in seen:
        assert tuple(x.shape) == tensor
        np.testing.assert_array_equal(x, wanted)
        if channels_last:
            assert x.movedim(1, -1).is_contiguous()


def test_a_network_gets_resized_images_and_the_map_stays_in_the_callers_pixels():
    net = network()
    model = from_torch(net, size=(8, 9), mean=MEAN, std=STD)
    x = torch.from_numpy(PHOTO[None]).permute(0, 3, 1, 2).float() / 255
    x = nn.functional.interpolate(x, (8, 9), mode="bilinear", antialias=True)
    x = (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    net.eval()
    np.testing.assert_allclose(model(PHOTO[None]), net(x).softmax(1).detach(), atol=1e-6)
    assert ll.Ablation(segmenter=ll.Grid(4)).explain(PHOTO, model).heatmap().shape == (12, 10)


def test_preprocess_gets_the_callers_own_values():
    seen = []

    def preprocess(x):
        seen.append(x.clone())
        return x[..., 2:10, 1:9].float() / 255

    net = network()
    model = from_torch(net, preprocess=preprocess, output="raw")
    x = torch.from_numpy(PHOTO[None]).permute(0, 3, 1, 2)
    np.testing.assert_allclose(
        model(PHOTO[None]), net.eval()(x[..., 2:10, 1:9].float() / 255).detach(), atol=1e-6
    )
    assert seen[0].dtype == torch.uint8
    assert torch.equal(seen[0], x)
    assert ll.Ablation(segmenter=ll.Grid(4)).explain(PHOTO, model).heatmap().shape == (12, 10)


def test_preprocess_may_be_combined_with_a_scale_and_may_work_in_place():
    image = RNG.random((4, 4)).astype(np.float32)
    kept = image.copy()
    model = from_torch(nn.Flatten(), preprocess=lambda x: x.mul_(2), scale=3, output="raw")
    np.testing.assert_allclose(model(image[None])[0], 6 * kept.ravel(), rtol=1e-6)
    model = from_torch(nn.Flatten(), preprocess=lambda x: x.mul_(2), output="raw")
    np.testing.assert_allclose(model(image[None])[0], 2 * kept.ravel(), rtol=1e-6)
    np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize("extra", [{"mean": 0.5}, {"std": 0.5}, {"size": 8}])
def test_preprocess_excludes_what_it_does_itself(extra):
    with pytest.raises(ll.InvalidInputError, match=f"`{next(iter(extra))}` must be left out"):
        from_torch(network(), preprocess=lambda x: x, **extra)


def test_a_preprocess_that_returns_no_tensor_is_named():
    with pytest.raises(ll.InvalidInputError, match=r"`preprocess`.*torch\.uint8 \(1, 3, 12, 10\)"):
        from_torch(network(), preprocess=lambda x: None)(PHOTO[None])


class Returns(nn.Module):
    """Two linear scores, returned in some wrapping."""

    def __init__(self, wrap):
        super().__init__()
        self.wrap = wrap

    def forward(self, x):
        return self.wrap(x.flatten(1)[:, :2])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda y: (y, y + 9),
        lambda y: [y],
        lambda y: {"logits": y, "hidden": y + 9},
        lambda y: OrderedDict(out=y, aux=y + 9),
        lambda y: {"scores": y},
        lambda y: SimpleNamespace(logits=y, loss=None),
    ],
)
def test_scores_are_found_in_what_networks_return(wrap):
    image = np.array([[0.25, 0.5, 0.75]])
    np.testing.assert_allclose(
        from_torch(Returns(wrap), output="raw")(image[None]), [[0.25, 0.5]], rtol=1e-6
    )


def test_a_mapping_without_a_known_entry_is_refused_and_the_advice_works():
    net = Returns(lambda y: {"boxes": y, "classes": y + 9})
    image = np.array([[0.25, 0.5]])
    with pytest.raises(ll.InvalidInputError, match=r"output=lambda outputs: outputs\['boxes'\]"):
        from_torch(net)(image[None])
    model = from_torch(net, output=lambda outputs: outputs["boxes"])
    np.testing.assert_allclose(model(image[None]), image)


@pytest.mark.parametrize(
    "wrap", [lambda y: None, lambda y: y.sum(), lambda y: y[:1], lambda y: 3.0]
)
def test_what_is_no_score_per_image_is_named(wrap):
    with pytest.raises(ll.InvalidInputError, match=r"\(2, n_targets\) for 2 images"):
        from_torch(Returns(wrap), output="raw")(np.zeros((2, 1, 2)))


def test_softmax_of_probabilities_and_of_one_score_is_refused():
    image = np.array([[0.25, 0.75]], np.float32)
    with pytest.raises(ll.InvalidInputError, match=r'`output` must be "raw".*already sum to 1'):
        from_torch(nn.Flatten())(image[None])
    np.testing.assert_array_equal(from_torch(nn.Flatten(), output="raw")(image[None]), image)
    with pytest.raises(ll.InvalidInputError, match='"sigmoid" or "raw"'):
        from_torch(nn.Flatten())(image[None, :, :1])
    half = from_torch(nn.Sequential(nn.Flatten(), nn.Softmax(1)), dtype="bfloat16")
    with pytest.raises(ll.InvalidInputError, match="already sum to 1"):
        half(RNG.random((3, 10, 10)))


def test_scores_of_pixels_reach_a_callable_target():
    net = nn.Conv2d(3, 4, 1)
    model = from_torch(net)
    assert model(PHOTO[None]).shape == (1, 4, 12, 10)
    found = ll.Ablation(segmenter=ll.Grid(4)).explain(
        PHOTO, model, target=lambda scores: scores[:, 1].mean(axis=(1, 2))
    )
    assert found.importances.any()


# -- gradients ------------------------------------------------------------------------------


def test_gradients_are_autograds_in_the_units_of_the_callers_pixels():
    net = network().double()
    model = from_torch(net, mean=MEAN, std=STD, scale=1 / 255)
    photos = RNG.integers(0, 256, (2, 12, 10, 3)).astype(np.float64)
    x = torch.from_numpy(photos).requires_grad_()
    mean, std = (torch.tensor(v, dtype=torch.float64)[:, None, None] for v in (MEAN, STD))
    y = (x.permute(0, 3, 1, 2) / 255 - mean) / std
    net.eval()(y).softmax(1)[:, 2].sum().backward()
    found = model.gradient(photos, 2)
    np.testing.assert_allclose(found, x.grad, rtol=1e-9, atol=1e-15)
    assert found.shape == photos.shape


@pytest.mark.parametrize("options", [{}, {"size": 8}, {"preprocess": lambda x: x[..., 1:9, 1:9]}])
def test_gradients_are_finite_differences(options):
    model = from_torch(network().double(), channel_axis=0, **options)
    image = RNG.random((3, 12, 10))
    found = model.gradient(image[None], 1)[0]
    for place in [(0, 3, 4), (1, 6, 2), (2, 8, 8)]:
        step = np.zeros_like(image)
        step[place] = 1e-5
        difference = model(image[None] + step)[0, 1] - model(image[None] - step)[0, 1]
        np.testing.assert_allclose(found[place], difference / 2e-5, rtol=1e-4, atol=1e-10)


def test_a_gradient_of_integers_is_per_grey_level():
    model = from_torch(nn.Flatten(), output="raw")
    np.testing.assert_allclose(model.gradient(np.array([[[7, 9]]], np.uint8), 1), [[[0, 1 / 255]]])


def test_gradients_through_a_preprocess_of_integers_are_refused():
    model = from_torch(network(), preprocess=lambda x: x.float() / 255)
    with pytest.raises(ll.InvalidInputError, match=r"image\.astype\(np\.float32\) / 255"):
        model.gradient(PHOTO[None], 0)
    assert model.gradient(PHOTO[None].astype(np.float32) / 255, 0).any()


def test_integrated_gradients_are_complete_and_parameters_get_no_gradients():
    net = network()
    with torch.no_grad():
        found = ll.IntegratedGradients(n_steps=200).explain(
            PHOTO / np.float32(255), from_torch(net, mean=MEAN, std=STD), target=[0, 3]
        )
    np.testing.assert_allclose(found.details["completeness_gap"], 0, atol=1e-3)
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize("wrap", [lambda y: y.detach(), lambda y: (y > 0.5).float()])
def test_a_score_that_cannot_be_differentiated_is_named(wrap):
    with pytest.raises(ll.InvalidInputError, match=r"depend on the image.*\.detach\(\)"):
        from_torch(Returns(wrap), output="raw").gradient(np.ones((1, 2, 2)), 0)


def test_a_gradient_is_of_one_score_column():
    model = from_torch(network())
    with pytest.raises(ll.InvalidInputError, match="`target` must be an integer from 0 to 3"):
        model.gradient(PHOTO[None] / 255, 4)
    with pytest.raises(ll.InvalidInputError, match="`output` must reduce"):
        from_torch(nn.Conv2d(3, 2, 1)).gradient(PHOTO[None] / 255, 0)


def test_what_calls_cached_in_the_network_does_not_stop_gradients():
    class Caches(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = None

        def forward(self, x):
            if self.table is None:
                self.table = torch.arange(x[0].numel(), dtype=x.dtype)
            return x.flatten(1) * self.table

    model = from_torch(Caches(), output="raw")
    image = np.ones((1, 1, 2), np.float32)
    model(image)
    np.testing.assert_array_equal(model.gradient(image, 1), [[[0, 1]]])


# -- Grad-CAM -------------------------------------------------------------------------------


@pytest.mark.parametrize("position", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("frozen", [False, True])
def test_features_are_those_of_the_hooked_layer_even_where_the_next_works_in_place(
    position, frozen
):
    net = network().eval()
    net.requires_grad_(not frozen)
    model = from_torch(net, layer=net[position], mean=MEAN, std=STD)
    activations, slopes = model.features(PHOTO[None], 1)
    x = torch.from_numpy(PHOTO[None]).permute(0, 3, 1, 2).float() / 255
    x = (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    maps = net[: position + 1](x).detach().requires_grad_()
    net[position + 1 :](maps.clone()).softmax(1)[0, 1].backward()
    np.testing.assert_allclose(activations, maps.detach(), atol=1e-6)
    np.testing.assert_allclose(slopes, maps.grad, atol=1e-7)


def test_grad_cam_is_the_hand_computation():
    net = network().eval()
    model = from_torch(net, layer="4", output="raw", mean=MEAN, std=STD)
    found = ll.GradCam().explain(PHOTO, model, target=2)
    x = torch.from_numpy(PHOTO[None]).permute(0, 3, 1, 2).float() / 255
    x = (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    maps = net[:5](x).detach().requires_grad_()
    net[5:](maps)[0, 2].backward()
    weights = maps.grad[0].mean(dim=(1, 2))
    cells = torch.relu((weights[:, None, None] * maps.detach()[0]).sum(dim=0))
    np.testing.assert_allclose(found.details["cells"][0], cells, atol=1e-6)


def test_without_a_layer_there_are_no_features_and_the_error_says_so():
    model = from_torch(network())
    assert model.features is None
    with pytest.raises(ll.InvalidInputError, match="features"):
        ll.GradCam().explain(PHOTO, model)


@pytest.mark.parametrize("layer", ["nowhere", nn.ReLU(), 3])
def test_a_layer_of_another_network_is_refused_and_names_are_offered(layer):
    with pytest.raises(ll.InvalidInputError, match=r"`layer` must be a part of `net`.*'9'"):
        from_torch(network(), layer=layer)


def test_a_layer_without_maps_or_used_twice_is_refused():
    net = network()
    with pytest.raises(ll.InvalidInputError, match=r"Flatten returned Tensor of shape \(1, 6\)"):
        from_torch(net, layer="7").features(PHOTO[None], 0)
    shared = nn.ReLU()
    net = nn.Sequential(nn.Conv2d(3, 2, 1), shared, nn.Conv2d(2, 2, 1), shared, nn.Flatten())
    with pytest.raises(ll.InvalidInputError, match="called 2 times"):
        from_torch(net, layer=shared).features(PHOTO[None], 0)
    unused = nn.ModuleDict({"used": nn.Flatten(), "unused": nn.ReLU()})
    unused.forward = lambda x: unused["used"](x)
    with pytest.raises(ll.InvalidInputError, match="called 0 times"):
        from_torch(unused, layer="unused").features(PHOTO[None], 0)


# -- what is left behind --------------------------------------------------------------------


class Stops(nn.Module):
    def __init__(self):
        super().__init__()
        self.error = None

    def forward(self, x):
        if self.error is not None:
            raise self.error
        return x


def state(net):
    return (
        [module.training for module in net.modules()],
        [len(module._forward_hooks) for module in net.modules()],
        [len(module._forward_pre_hooks) for module in net.modules()],
        [parameter.requires_grad for parameter in net.parameters()],
        [tensor.clone() for tensor in net.state_dict().values()],
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
    )


@pytest.mark.parametrize("error", [None, ValueError("broken"), KeyboardInterrupt()])
@pytest.mark.parametrize("call", ["predict", "prepared", "gradient", "features"])
@pytest.mark.parametrize("trains", [False, True])
def test_flags_and_hooks_are_left_as_they_were(error, call, trains):
    net = nn.Sequential(network(), Stops())
    net.train(trains)
    net[0][1].eval()  # frozen statistics within a network in training
    net[0][0].weight.requires_grad_(False)
    model = from_torch(net, layer="0.4")
    prepared = model.prepare(PHOTO[None])
    calls = {
        "predict": lambda: model(PHOTO[None]),
        "prepared": lambda: model.predict_prepared(prepared),
        "gradient": lambda: model.gradient(PHOTO[None] / 255, 0),
        "features": lambda: model.features(PHOTO[None], 0),
    }
    before = state(net)
    net[1].error = error
    if error is None:
        calls[call]()
    else:
        with pytest.raises(type(error)):
            calls[call]()
    after = state(net)
    for one, other in zip(before[4], after[4], strict=True):
        assert torch.equal(one, other)
    assert before[:4] + before[5:] == after[:4] + after[5:]


def test_the_network_is_asked_in_evaluation_mode():
    net = network().train()
    model = from_torch(net)
    np.testing.assert_array_equal(model(PHOTO[None]), model(PHOTO[None]))  # no dropout
    assert net.training


def test_flags_are_set_back_through_train_which_some_networks_override():
    class Folds(nn.Module):
        folded = False

        def train(self, mode=True):
            self.folded = not mode
            return super().train(mode)

        def forward(self, x):
            assert self.folded
            return x.flatten(1)

    net = Folds()
    from_torch(net, output="raw")(PHOTO[None])
    assert net.training
    assert not net.folded


def test_calls_from_several_threads_do_not_undo_each_others_flags():
    net = network().train()
    model = from_torch(net, mean=MEAN, std=STD)
    wanted = model(PHOTO[None])
    found = []

    def ask():
        found.extend(model(PHOTO[None]) for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert net.training
    assert len(found) == 80
    for scores in found:
        np.testing.assert_array_equal(scores, wanted)


# -- devices and precisions -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["half", "bfloat16", torch.float16, "double"])
def test_another_precision_is_a_copys(dtype):
    net = network()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    model = from_torch(net, dtype=dtype, layer=net[4], mean=MEAN, std=STD)
    np.testing.assert_allclose(model(PHOTO[None]), by_hand(net, PHOTO[None]).softmax(1), rtol=0.05)
    assert model(PHOTO[None]).dtype == (np.float64 if dtype == "double" else np.float32)
    assert model.gradient(PHOTO[None] / 255, 0).any()
    assert model.features(PHOTO[None], 0)[1].any()
    for name, tensor in net.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, before[name])
    found = ll.Ablation(segmenter=ll.Grid(4)).explain(PHOTO, model, target=0)
    plain = ll.Ablation(segmenter=ll.Grid(4)).explain(
        PHOTO, from_torch(net, mean=MEAN, std=STD), target=0
    )
    np.testing.assert_allclose(found.importances, plain.importances, atol=2e-3)


def test_channels_last_answers_the_same():
    net = network()
    model = from_torch(net, channels_last=True, mean=MEAN, std=STD, layer="4")
    plain = from_torch(net, mean=MEAN, std=STD, layer="4")
    np.testing.assert_allclose(model(PHOTO[None]), plain(PHOTO[None]), atol=1e-6)
    np.testing.assert_allclose(
        model.gradient(PHOTO[None], 1), plain.gradient(PHOTO[None], 1), atol=1e-8
    )
    for one, other in zip(
        model.features(PHOTO[None], 1), plain.features(PHOTO[None], 1), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert net[0].weight.is_contiguous()


def test_prepared_images_are_numpy_arrays_on_the_host():
    assert isinstance(from_torch(network()).prepare(PHOTO[None]), np.ndarray)


@pytest.mark.parametrize("option", [{"device": "nowhere"}, {"device": 7.5}, {"dtype": "int8"}])
def test_devices_and_dtypes_that_are_none_are_refused(option):
    with pytest.raises(ll.InvalidInputError, match=f"`{next(iter(option))}` must be"):
        from_torch(network(), **option)


def test_integer_dtypes_are_refused():
    with pytest.raises(ll.InvalidInputError, match="`dtype` must be"):
        from_torch(network(), dtype=torch.int8)


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (network().state_dict(), "load_state_dict"),
        ("net.pt", "must be a torch.nn.Module"),
        (lambda x: x, "must be a torch.nn.Module"),
        (nn.Flatten, "must be a torch.nn.Module"),
    ],
)
def test_what_is_no_network_is_refused(net, words):
    with pytest.raises(ll.InvalidInputError, match=words):
        from_torch(net)


@pytest.mark.parametrize(
    "options",
    [
        {"std": 0},
        {"std": [0.2, -1, 0.2]},
        {"mean": [[0.5]]},
        {"mean": "imagenet"},
        {"scale": 0},
        {"scale": "1/255"},
        {"size": 0},
        {"size": (8, 8, 8)},
        {"size": 0.5},
        {"output": "Softmax"},
        {"output": None},
        {"output": nn.Softmax},
        {"preprocess": 3},
        {"channels_last": 1},
        {"channel_axis": 9},
    ],
)
def test_settings_that_cannot_be_used_are_refused_at_once(options):
    with pytest.raises(ll.InvalidInputError, match=f"`{next(iter(options))}`"):
        from_torch(network(), **options)


def test_images_that_look_channels_first_are_asked_about_and_the_advice_works():
    image = RNG.random((3, 20, 30))
    explainer = ll.Ablation(segmenter=ll.Grid(4))
    with pytest.raises(ll.InvalidInputError, match="Pass channel_axis=0 to the adapter too"):
        explainer.explain(image, from_torch(network()), channel_axis=0)
    model = from_torch(network(), channel_axis=0)
    assert explainer.explain(image, model, channel_axis=0).heatmap().shape == (20, 30)
    last = from_torch(nn.AdaptiveAvgPool2d(1), output=lambda y: y.flatten(1), channel_axis=2)
    assert last(image[None]).shape == (1, 30)


def test_long_doubles_are_taken():
    image = PHOTO.astype(np.longdouble) / 255
    np.testing.assert_allclose(
        from_torch(network())(image[None]), from_torch(network())(PHOTO[None]), atol=1e-6
    )


def test_networks_of_one_mode_are_asked_in_it():
    free = ({0: torch.export.Dim("n")},)
    exported = torch.export.export(
        network().eval(), (torch.zeros(2, 3, 12, 10),), dynamic_shapes=free
    ).module()
    np.testing.assert_allclose(
        from_torch(exported)(PHOTO[None]), from_torch(network())(PHOTO[None]), atol=1e-6
    )


def test_a_network_without_values_is_refused():
    with pytest.raises(ll.InvalidInputError, match="`net` must have values"):
        from_torch(nn.Linear(2, 2, device="meta"))


def test_a_copy_made_in_inference_mode_can_be_differentiated():
    with torch.inference_mode():
        model = from_torch(network(), dtype="double", layer="4")
    assert model.gradient(PHOTO[None] / 255, 0).any()
    assert model.features(PHOTO[None], 0)[1].any()


def test_channels_that_do_not_fit_are_named():
    with pytest.raises(ll.InvalidInputError, match="`mean` must have one value per channel; got 3"):
        from_torch(network(1), mean=MEAN)(PHOTO[None, ..., 0])
    with pytest.raises(RuntimeError) as caught:
        from_torch(network())(PHOTO[None, ..., 0])
    assert any("(1, 1, 12, 10) on cpu" in note for note in caught.value.__notes__)


# -- within the engine ----------------------------------------------------------------------


def test_per_pixel_work_is_done_once_and_changes_no_score():
    shown = []

    class Look(nn.Module):
        def forward(self, x):
            shown.append(x)
            return x.flatten(2).mean(2)

    model = from_torch(Look(), output="raw", mean=MEAN, std=STD)
    lime = ll.Lime(segmenter=ll.Grid(6), n_samples=40)
    once = lime.explain(PHOTO, model, target=0, rng=0)
    each = lime.explain(PHOTO, lambda batch: model(batch), target=0, rng=0)
    np.testing.assert_allclose(once.importances, each.importances, atol=1e-5)


def test_a_read_only_batch_is_left_alone():
    batch = PHOTO[None].copy()
    batch.flags.writeable = False
    model = from_torch(network())
    for function in (model, model.prepare):
        function(batch)
    model.gradient(batch, 0)
    reversed_view = batch[:, ::-1, ::-1]
    np.testing.assert_allclose(model(reversed_view), model(reversed_view.copy()))


def test_class_names_are_kept():
    assert from_torch(network(), class_names=["a", "b", "c", "d"]).class_names == list("abcd")


def test_a_model_can_be_sent_to_another_process():
    model = from_torch(network(), mean=MEAN, std=STD, layer="4")
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy(PHOTO[None]), model(PHOTO[None]))
    np.testing.assert_array_equal(
        copy.features(PHOTO[None], 1)[1], model.features(PHOTO[None], 1)[1]
    )
