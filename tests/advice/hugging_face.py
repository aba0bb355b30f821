"""Advice of the adapters for transformers and timm."""

import numpy as np
import timm
import torch
import transformers
from networks import clip, vit, vit_processor, yolos
from PIL import Image
from skimage.data import astronaut

import limelens as ll

NEEDS = ("torch", "transformers", "timm", "tokenizers")
ROOMS = ("adapters/transformers.py", "adapters/timm.py")

photo = astronaut()[:40, 100:150]
torch.manual_seed(0)
model, detector, processor = vit(), yolos(), vit_processor()
pipeline = transformers.pipeline("image-classification", model=model, image_processor=processor)
net = timm.create_model("test_resnet", pretrained=False, num_classes=4).eval()
plain = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())


class AutoImageProcessor:
    """Stands for that of transformers, which would ask the network."""

    @staticmethod
    def from_pretrained(name):
        return processor


def of(model, **how):
    return explain(photo, model, ll.Ablation(segmenter=ll.Grid(4)), **how)


CASES = [
    (
        "explain(photo, model)",
        {
            "limelens.from_transformers(model, processor)": """
of(limelens.from_transformers(model, processor))
""",
        },
    ),
    (
        "explain(photo, pipeline)",
        {"limelens.from_transformers(pipeline)": "of(limelens.from_transformers(pipeline))"},
    ),
    ("explain(photo, net)", {"limelens.from_timm(net)": "of(limelens.from_timm(net))"}),
    (
        "from_transformers(model, 'vit')",
        {
            "AutoImageProcessor.from_pretrained(...)": """
of(from_transformers(model, AutoImageProcessor.from_pretrained('vit')))
""",
        },
    ),
    (
        "from_transformers(detector, processor)",
        {
            "output=lambda outputs: outputs.logits.softmax(-1)": """
detect = from_transformers(detector, processor, output=lambda outputs: outputs.logits.softmax(-1))
of(detect, target=lambda scores: scores[:, 0, 1])
""",
        },
    ),
    (
        "model, processor = clip(); from_transformers(model, processor)",
        {
            'from_transformers(model, processor, texts=["a cat", "a dog"])': """
model, processor = clip()
from_transformers(model, processor, texts=["a cat", "a dog"])(photo[None])
""",
        },
    ),
    (
        "from_timm(plain)",
        {
            "from_torch(net, mean=..., std=..., size=...)": """
net = plain
of(from_torch(net, mean=[0.5, 0.5, 0.5], std=[0.2, 0.2, 0.2], size=16))
""",
            "timm.create_model": "of(from_timm(timm.create_model('test_resnet', num_classes=2).eval()))",
        },
    ),
]
