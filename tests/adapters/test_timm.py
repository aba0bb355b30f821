"""`from_timm`: networks prepared for as timm's own configuration says."""

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

import limelens as ll
from limelens.adapters.timm import from_timm
from limelens.adapters.torch import from_torch

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")
timm = pytest.importorskip("timm", reason="needs timm: pip install timm")
PHOTO = astronaut()[:200, 80:330]


def network(**options):
    torch.manual_seed(0)
    return timm.create_model("test_resnet", pretrained=False, num_classes=4, **options).eval()


def by_hand(net, photos):
    config = timm.data.resolve_model_data_config(net)
    transform = timm.data.create_transform(**config, is_training=False)
    with torch.no_grad():
        return net(torch.stack([transform(photo) for photo in photos])).softmax(1)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"crop_pct": 1.0},
        {"interpolation": "bilinear"},
        {"crop_mode": "squash"},
        {"std": 3 * (1,)},
    ],
)
def test_scores_are_those_of_timms_own_transform(config):
    net = network()
    net.pretrained_cfg = {**net.pretrained_cfg, **config}
    wanted = by_hand(net, [Image.fromarray(PHOTO), Image.fromarray(PHOTO[::-1])])
    model = from_timm(net)
    photos = np.stack([PHOTO, PHOTO[::-1]])
    np.testing.assert_allclose(model(photos), wanted, atol=1e-6)
    np.testing.assert_allclose(model.predict_prepared(model.prepare(photos)), wanted, atol=1e-6)


def test_floats_are_resized_as_a_batch():
    net = network()
    photo = PHOTO / np.float32(255)
    x = torch.from_numpy(photo).movedim(-1, 0)
    np.testing.assert_allclose(from_timm(net)(photo[None]), by_hand(net, [x]), atol=1e-6)
    np.testing.assert_allclose(from_timm(net)(photo[None]), from_timm(net)(PHOTO[None]), atol=0.01)


def test_sixteen_bits_are_scaled_to_one():
    net = network()
    deep = PHOTO.astype(np.uint16) * 257
    np.testing.assert_allclose(
        from_timm(net)(deep[None]), from_timm(net)(PHOTO[None] / np.float32(255)), atol=1e-6
    )


def test_grey_networks_take_grey_images():
    net = network(in_chans=1)
    net.pretrained_cfg = {**net.pretrained_cfg, "mean": (0.5,), "std": (0.25,)}
    grey = PHOTO[..., 0]
    wanted = by_hand(net, [Image.fromarray(grey)])
    np.testing.assert_allclose(from_timm(net)(grey[None]), wanted, atol=1e-6)


def test_gradients_are_autograds_in_the_callers_pixels():
    net = network()
    config = timm.data.resolve_model_data_config(net)
    transform = timm.data.create_transform(**config, is_training=False)
    photo = PHOTO / np.float32(255)
    x = torch.from_numpy(photo[None]).requires_grad_()
    net(transform(x.movedim(-1, 1))).softmax(1)[0, 1].backward()
    np.testing.assert_allclose(from_timm(net).gradient(photo[None], 1), x.grad, atol=1e-9)


def test_grad_cam_comes_from_a_layer_by_its_name():
    net = network()
    found = ll.GradCam().explain(PHOTO, from_timm(net, layer="layer4"), target=0)
    assert found.importances.shape == (1, 200, 250)


def test_classes_are_named_where_the_configuration_says_of_what():
    net = timm.create_model("test_resnet.r160_in1k", pretrained=False)
    names = from_timm(net).class_names
    assert len(names) == 1000
    assert "tabby" in names[281]
    assert from_timm(network()).class_names is None  # other classes than it was trained on
    assert from_timm(net, class_names={281: "cat"}).class_names == {281: "cat"}
    net.pretrained_cfg = {**net.pretrained_cfg, "label_names": [str(i) for i in range(1000)]}
    assert from_timm(net).class_names[7] == "7"


def test_the_map_is_zero_where_the_network_crops():
    net = network()
    net.pretrained_cfg = {**net.pretrained_cfg, "crop_pct": 0.5}
    found = ll.Occlusion(window=(20, 25), stride=(20, 25)).explain(PHOTO, from_timm(net), target=0)
    heat = found.heatmap()
    assert not heat[:20].any()
    assert not heat[:, :25].any()
    assert heat[80:120, 100:150].any()


def test_networks_without_a_configuration_are_refused_and_the_advice_works():
    net = torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten())
    with pytest.raises(ll.InvalidInputError, match=r"from_torch\(net, mean="):
        from_timm(net)
    with pytest.raises(ll.InvalidInputError, match=r"must be a torch\.nn\.Module"):
        from_timm("resnet50")
    model = from_torch(net, mean=0.5, std=0.5, size=16)
    assert model(PHOTO[None]).shape == (1, 12)


def test_flags_of_training_are_restored():
    net = network().train()
    from_timm(net)(PHOTO[None])
    assert all(module.training for module in net.modules())
