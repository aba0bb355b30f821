"""Detectors of torchvision and Hugging Face, with random weights, as they come."""

import numpy as np
import pytest

import limelens as ll

torch = pytest.importorskip("torch", reason="needs PyTorch")

pytestmark = pytest.mark.filterwarnings("ignore")  # what these libraries warn of is theirs

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
EXPLAINER = ll.Ablation(segmenter=ll.Grid(cell=(32, 32)), fill=ll.Constant(0))


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)
    torch.set_num_threads(1)


def check(detect, found):
    """Explain the two surest detections by hand and by `box_scores`."""
    boxes, sure, labels = (found[key][:2].numpy() for key in ("boxes", "scores", "labels"))
    assert len(boxes) == 2
    boxes = np.clip(boxes, 0, [96, 64, 96, 64])
    scores = ll.box_scores(detect, boxes, labels)
    both = scores(np.stack([IMAGE, IMAGE * 0]))
    assert both.shape == (2, 2)
    assert (both[0] >= 0.9 * sure).all()  # each box finds itself, but for what clipping took
    assert ((both >= 0) & (both <= 1)).all()
    explanation = EXPLAINER.explain(IMAGE, scores, target=[0, 1])
    np.testing.assert_allclose(explanation.scores, both[0], atol=1e-5)
    return np.abs(explanation.importances).max()


def test_torchvisions_detections_are_read_as_they_come():
    try:
        from torchvision.models import detection
    except (ImportError, RuntimeError) as error:  # a build that does not fit PyTorch's
        pytest.skip(f"needs torchvision: {error}")
    net = detection.ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=4, score_thresh=0.01
    ).eval()

    def detect(batch):
        with torch.inference_mode():
            return net(list(torch.from_numpy(batch).permute(0, 3, 1, 2) / 255))

    check(detect, detect(IMAGE[np.newaxis])[0])


def yolos():
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    config = transformers.YolosConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=[64, 96],
        patch_size=16,
        num_detection_tokens=5,
        num_labels=3,
    )
    processor = transformers.YolosImageProcessor(size={"height": 64, "width": 96})
    return transformers.YolosForObjectDetection(config).eval(), processor


def test_detections_of_hugging_face_are_read_as_they_come():
    net, processor = yolos()

    def detect(batch):
        inputs = processor(images=list(batch), return_tensors="pt")
        with torch.inference_mode():
            outputs = net(pixel_values=inputs["pixel_values"])
        sizes = [image.shape[:2] for image in batch]
        return processor.post_process_object_detection(outputs, 0.0, target_sizes=sizes)

    assert check(detect, detect(IMAGE[np.newaxis])[0]) > 0


def test_a_pipeline_of_hugging_face_is_read_as_it_comes():
    net, processor = yolos()
    from PIL import Image
    from transformers import ObjectDetectionPipeline

    pipeline = ObjectDetectionPipeline(model=net, image_processor=processor)

    def detect(batch):
        return pipeline([Image.fromarray(image) for image in batch], threshold=0.0)

    first = detect(IMAGE[np.newaxis])[0][0]
    box = np.clip(
        [first["box"][edge] for edge in ("xmin", "ymin", "xmax", "ymax")], 0, [96, 64] * 2
    )
    scores = ll.box_scores(detect, box, labels=first["label"])
    assert scores(IMAGE[np.newaxis])[0, 0] >= 0.8 * first["score"]


def test_a_detector_may_come_through_the_adapter_of_hugging_face():
    adapter = pytest.importorskip("limelens.adapters.transformers")
    net, processor = yolos()
    size = torch.tensor([96, 64, 96, 64])

    def rows(outputs):  # box, score, label
        sure = outputs.logits.softmax(-1)[..., :-1].max(-1, keepdim=True)
        return torch.cat([outputs.pred_boxes * size, sure.values, sure.indices], -1)

    detect = adapter.from_transformers(net, processor, output=rows)
    found = detect(IMAGE[np.newaxis])[0, :2]
    scores = ll.box_scores(detect, found[:, :4], found[:, 5], box_format="cxcywh")
    assert (scores(IMAGE[np.newaxis])[0] >= found[:, 4] - 1e-6).all()
    assert np.abs(EXPLAINER.explain(IMAGE, scores, target=[0, 1]).importances).max() > 0


def test_a_detector_may_come_through_the_adapter_of_pytorch():
    adapter = pytest.importorskip("limelens.adapters.torch")

    class Net(torch.nn.Module):
        """Answers as torchvision's detectors do: one dict an image, of any number of boxes."""

        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor(1.0))

        def forward(self, images):
            return [
                {
                    "boxes": torch.tensor([0.0, 0.0, 32.0, 32.0]).repeat(int(n), 1),
                    "scores": image[..., :32, :32].mean() * self.scale * torch.ones(int(n)),
                    "labels": torch.ones(int(n), dtype=torch.int64),
                }
                for image, n in zip(images, (images.mean(dim=(1, 2, 3)) > 0.1) * 2, strict=True)
            ]

    def rows(found):  # as many for each image, the rest zeros
        return torch.stack(
            [
                torch.nn.functional.pad(
                    torch.cat([f["boxes"], f["scores"][:, None], f["labels"][:, None]], 1),
                    (0, 0, 0, 3 - len(f["boxes"])),
                )
                for f in found
            ]
        )

    detect = adapter.from_torch(Net(), output=rows)
    scores = ll.box_scores(detect, [0, 0, 32, 32], labels=1)
    both = scores(np.stack([IMAGE, IMAGE * 0]))
    np.testing.assert_allclose(both, [[IMAGE[:32, :32].mean() / 255], [0]], atol=1e-5)


def test_tensors_that_would_need_gradients_are_read_too():
    boxes = torch.tensor([[0.0, 0.0, 8.0, 8.0]], requires_grad=True)
    found = {"boxes": boxes, "scores": boxes[:, 0] + 0.5, "labels": torch.tensor([1])}
    scores = ll.box_scores(lambda batch: [found] * len(batch), boxes, torch.tensor([1]))
    assert scores(IMAGE[np.newaxis]).tolist() == [[0.5]]


def test_embeddings_and_maps_may_be_tensors():
    def embed(batch):
        return torch.from_numpy(batch).float().mean(dim=(1, 2))

    near = ll.similarity_scores(embed, embed(IMAGE[np.newaxis]))
    np.testing.assert_allclose(near(IMAGE[np.newaxis]), [[1.0]], atol=1e-6)
    maps = ll.mask_scores(lambda batch: torch.ones(len(batch), 2, 4, 4), [(1, np.eye(4))])
    assert maps(IMAGE[np.newaxis]).tolist() == [[1.0]]
