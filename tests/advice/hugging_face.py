"""Advice of the adapters for transformers and timm."""

import numpy as np
import timm
import tokenizers
import torch
import transformers
from PIL import Image
from skimage.data import astronaut

import limelens as ll

NEEDS = ("torch", "transformers", "timm", "tokenizers")
ROOMS = ("adapters/transformers.py", "adapters/timm.py")

photo = astronaut()[:40, 100:150]
torch.manual_seed(0)
SMALL = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16, "patch_size": 4}
model = transformers.ViTForImageClassification(
    transformers.ViTConfig(num_hidden_layers=2, image_size=16, **SMALL)
).eval()
detector = transformers.YolosForObjectDetection(
    transformers.YolosConfig(
        num_hidden_layers=1, image_size=[16, 16], num_detection_tokens=5, num_labels=3, **SMALL
    )
).eval()
processor = transformers.ViTImageProcessor(size={"height": 16, "width": 16})
pipeline = transformers.pipeline("image-classification", model=model, image_processor=processor)
net = timm.create_model("test_resnet", pretrained=False, num_classes=4).eval()
plain = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())


def clip():
    words = {"[UNK]": 0, "[PAD]": 1, "a": 2, "cat": 3, "dog": 4, "[EOS]": 5}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", eos_token="[EOS]"
    )
    images = transformers.CLIPImageProcessor(
        size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}
    )
    tower = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }  # fmt: skip
    text = {**tower, "vocab_size": 6, "max_position_embeddings": 8, "eos_token_id": 5}
    text |= {"bos_token_id": 0, "pad_token_id": 1}
    torch.manual_seed(0)
    net = transformers.CLIPModel(
        transformers.CLIPConfig(
            text_config=text,
            vision_config={**tower, "image_size": 16, "patch_size": 4},
            projection_dim=8,
        )
    )
    return net.eval(), transformers.CLIPProcessor(image_processor=images, tokenizer=tokenizer)


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
