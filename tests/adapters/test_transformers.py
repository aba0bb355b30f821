"""`from_transformers`: models and pipelines of Hugging Face, made here and not trained."""

import numpy as np
import pytest
from networks import LABELS, clip, vit, yolos
from networks import vit_processor as processor
from PIL import Image
from skimage.data import astronaut

import limelens as ll
from limelens.adapters.transformers import from_transformers

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")
transformers = pytest.importorskip("transformers", reason="needs transformers")
PHOTO = astronaut()[:40, 100:150]
TEXTS = ["a cat", "a dog"]


def resnet():
    torch.manual_seed(0)
    config = transformers.ResNetConfig(
        depths=[1, 1], hidden_sizes=[8, 12], embedding_size=8, layer_type="basic", id2label=LABELS
    )
    return transformers.ResNetForImageClassification(config).eval()


def logits(net, photos, **options):
    with torch.no_grad():
        return net(**processor(**options)(images=list(photos), return_tensors="pt")).logits


@pytest.mark.parametrize("make", [vit, resnet])
def test_scores_and_names_are_the_models_own(make):
    net = make()
    photos = np.stack([PHOTO, PHOTO[::-1]])
    model = from_transformers(net, processor())
    np.testing.assert_allclose(model(photos), logits(net, photos).softmax(1), atol=1e-6)
    np.testing.assert_allclose(
        model.predict_prepared(model.prepare(photos)), logits(net, photos).softmax(1), atol=1e-6
    )
    assert model.class_names == ("cat", "dog", "tripod")
    found = ll.Ablation(segmenter=ll.Grid(4)).explain(PHOTO, model)
    assert found.target_names[0] in LABELS.values()
    assert found.heatmap().shape == (40, 50)


def test_a_pipeline_brings_its_own_processor():
    net = vit()
    pipe = transformers.pipeline("image-classification", model=net, image_processor=processor())
    wanted = {row["label"]: row["score"] for row in pipe(Image.fromarray(PHOTO))}
    model = from_transformers(pipe)
    for name, score in zip(model.class_names, model(PHOTO[None])[0], strict=True):
        np.testing.assert_allclose(score, wanted[name], atol=1e-6)
    with pytest.raises(ll.InvalidInputError, match="`processor` must be left out"):
        from_transformers(pipe, processor())


@pytest.mark.parametrize(
    ("options", "function"),
    [
        ({}, lambda y: y.softmax(1)),
        ({"problem_type": "multi_label_classification"}, torch.sigmoid),
    ],
)
def test_outputs_become_scores_as_the_models_own_pipeline_has_it(options, function):
    net = vit(**options)
    np.testing.assert_allclose(
        from_transformers(net, processor())(PHOTO[None]),
        function(logits(net, [PHOTO])),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        from_transformers(net, processor(), output="raw")(PHOTO[None]),
        logits(net, [PHOTO]),
        atol=1e-6,
    )


def test_floats_from_zero_to_one_are_what_the_same_image_is_in_integers():
    net = vit()
    options = {"rescale_factor": 1 / 127.5, "do_normalize": False}
    model = from_transformers(net, processor(**options), output="raw")
    # no resizing: nothing is rounded
    photo = PHOTO[:16, :16]
    wanted = logits(net, [photo], **options)
    np.testing.assert_allclose(model(photo[None]), wanted, atol=1e-5)
    np.testing.assert_allclose(model(photo[None] / np.float32(255)), wanted, atol=1e-5)
    np.testing.assert_allclose(model(photo[None].astype(np.uint16) * 257), wanted, atol=1e-5)


def test_gradients_are_finite_differences_in_the_callers_pixels():
    net = vit().double()
    model = from_transformers(net, processor())
    photo = PHOTO / 255.0
    found = model.gradient(photo[None], 1)[0]
    assert found.shape == photo.shape
    for place in [(10, 12, 0), (20, 30, 1)]:
        step = np.zeros_like(photo)
        step[place] = 1e-2
        difference = model(photo[None] + step)[0, 1] - model(photo[None] - step)[0, 1]
        np.testing.assert_allclose(found[place], difference / 2e-2, rtol=2e-2, atol=1e-7)


def test_processors_that_do_not_keep_gradients_are_said():
    pil = getattr(transformers, "ViTImageProcessorPil", None)
    if pil is None:
        pytest.skip("this transformers has no processors of Pillow")
    model = from_transformers(vit(), pil(size={"height": 16, "width": 16}))
    assert model(PHOTO[None]).shape == (1, 3)
    with pytest.raises(ll.InvalidInputError, match="depend on the image"):
        model.gradient(PHOTO[None] / np.float32(255), 0)


def test_grad_cam_is_the_hand_computation():
    net = resnet()
    layer = net.resnet.encoder.stages[-1]
    found = ll.GradCam().explain(
        PHOTO, from_transformers(net, processor(), layer=layer, output="raw"), target=1
    )
    kept = []
    handle = layer.register_forward_hook(lambda *args: kept.append(args[-1]))
    net(**processor()(images=[PHOTO], return_tensors="pt")).logits[0, 1].backward(
        inputs=list(net.parameters())
    )
    handle.remove()
    (maps,) = kept
    x = processor()(images=[PHOTO], return_tensors="pt")["pixel_values"]
    maps = layer(net.resnet.encoder.stages[0](net.resnet.embedder(x))).detach().requires_grad_()
    net.classifier(net.resnet.pooler(maps))[0, 1].backward()
    weights = maps.grad[0].mean(dim=(1, 2))
    cells = torch.relu((weights[:, None, None] * maps.detach()[0]).sum(dim=0))
    np.testing.assert_allclose(found.details["cells"][0], cells, atol=1e-6)


def test_layers_of_tokens_are_refused():
    net = vit()
    with pytest.raises(ll.InvalidInputError, match=r"`layer` must return maps"):
        from_transformers(net, processor(), layer=net.vit.layernorm).features(PHOTO[None], 0)


def test_models_that_compare_images_with_texts_score_the_texts():
    net, both = clip()
    inputs = both(images=[PHOTO], text=TEXTS, return_tensors="pt", padding=True)
    with torch.no_grad():
        wanted = net(**inputs).logits_per_image
    model = from_transformers(net, both, texts=TEXTS)
    np.testing.assert_allclose(model(PHOTO[None]), wanted.softmax(1), atol=1e-6)
    assert model.class_names == tuple(TEXTS)
    raw = from_transformers(net, both, texts=TEXTS, output="raw")
    np.testing.assert_allclose(raw(PHOTO[None]), wanted, rtol=1e-5)
    assert raw.gradient(PHOTO[None] / np.float32(255), 1).any()


def test_a_zero_shot_pipeline_takes_texts():
    net, both = clip()
    pipe = transformers.pipeline(
        "zero-shot-image-classification",
        model=net, image_processor=both.image_processor, tokenizer=both.tokenizer,
    )  # fmt: skip
    wanted = pipe(Image.fromarray(PHOTO), candidate_labels=TEXTS, hypothesis_template="{}")
    model = from_transformers(pipe, texts=TEXTS)
    for name, score in zip(TEXTS, model(PHOTO[None])[0], strict=True):
        (row,) = [row for row in wanted if row["label"] == name]
        np.testing.assert_allclose(score, row["score"], atol=1e-5)


def test_texts_are_asked_for_or_refused_and_the_advice_works():
    net, both = clip()
    with pytest.raises(ll.InvalidInputError, match=r'texts=\["a cat", "a dog"\]'):
        from_transformers(net, both)
    assert from_transformers(net, both, texts=["a cat", "a dog"])(PHOTO[None]).shape == (1, 2)
    with pytest.raises(ll.InvalidInputError, match="takes none"):
        from_transformers(vit(), processor(), texts=TEXTS)
    with pytest.raises(ll.InvalidInputError, match="must have a tokenizer"):
        from_transformers(net, both.image_processor, texts=TEXTS)
    for texts in ("a cat", [], [1]):
        with pytest.raises(ll.InvalidInputError, match="`texts` must be a sequence of str"):
            from_transformers(net, both, texts=texts)


def test_detectors_must_say_what_their_scores_are_and_the_advice_works():
    net = yolos()
    with pytest.raises(ll.InvalidInputError, match=r"outputs\.logits\.softmax\(-1\)"):
        from_transformers(net, processor())
    model = from_transformers(net, processor(), output=lambda outputs: outputs.logits.softmax(-1))
    assert model(PHOTO[None]).shape == (1, 5, 4)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("google/vit-base", "`processor` must be the model's own"),
        (torch.nn.Flatten(), "`processor` must be the model's own"),
    ],
)
def test_what_is_no_model_is_refused(model, words):
    with pytest.raises(ll.InvalidInputError, match=words):
        from_transformers(model)


def test_models_without_images_are_refused():
    with pytest.raises(ll.InvalidInputError, match="must take pixel_values"):
        from_transformers(torch.nn.Flatten(), processor())
    with pytest.raises(ll.InvalidInputError, match=r"must be a torch\.nn\.Module"):
        from_transformers("google/vit-base", processor())


def test_flags_of_training_are_restored():
    net = vit().train()
    from_transformers(net, processor())(PHOTO[None])
    assert all(module.training for module in net.modules())
