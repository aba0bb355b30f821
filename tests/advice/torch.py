"""Advice of the adapters for PyTorch, and of what gradients and `predict_fn` say of networks."""

import numpy as np
import torch
from torch import nn

import limelens as ll

NEEDS = ("torch",)
ROOMS = (
    "adapters/torch.py",
    "adapters/torch_network.py",
    "adapters/outputs.py",
    "adapters/pixels.py",
)

rng = np.random.default_rng(0)
image = rng.random((12, 10, 3)).astype(np.float32)
photo = (255 * image).astype(np.uint8)
torch.manual_seed(0)
net = nn.Sequential(
    nn.Conv2d(3, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)
).eval()


class Answering(nn.Module):
    """A network that answers in another form."""

    def __init__(self, form):
        super().__init__()
        self.net, self.form = net, form

    def forward(self, images):
        return self.form(self.net(images))


boxed = Answering(lambda scores: {"labels": scores.argmax(1), "probs": scores.softmax(1)})
dense = Answering(lambda scores: scores[:, :, None, None].expand(-1, -1, 2, 2))
loose = Answering(lambda scores: [[scores, 0.5]])
cut = Answering(lambda scores: scores.detach())


def of(model, picture=image, explainer=None, **how):
    explainer = explainer or ll.Ablation(segmenter=ll.Grid(4))
    return explain(picture, model, explainer, **how)


CASES = [
    (
        "explain(image, net)",
        {
            "limelens.from_torch(net)": "of(limelens.from_torch(net))",
            "predict_fn=lambda batch: model(batch)": """
model = from_torch(net)
explain(image, predict_fn=lambda batch: model(batch))
""",
        },
    ),
    *[
        (
            f"explain(image, 'net{suffix}')",
            {
                f"net = torch.load('net{suffix}')": f"""
torch.save(net.state_dict(), 'net{suffix}')
state = torch.load('net{suffix}')
net.load_state_dict(state)
torch_load, torch.load = torch.load, lambda path: net
try:
    net = torch.load('net{suffix}')
finally:
    torch.load = torch_load
of(from_torch(net))
""",
                "limelens.from_torch(net)": "of(limelens.from_torch(net))",
            },
        )
        for suffix in (".pt", ".pth")
    ],
    (
        "from_torch(net.state_dict())",
        {
            "net.load_state_dict(state)": """
state = net.state_dict()
net.load_state_dict(state)
of(from_torch(net))
""",
        },
    ),
    (
        "IntegratedGradients().explain(image, lambda batch: batch.mean(axis=(1, 2, 3)))",
        {
            "limelens.from_torch(net)": "of(limelens.from_torch(net), explainer=IntegratedGradients())"
        },
    ),
    (
        "GradCam().explain(image, lambda batch: batch.mean(axis=(1, 2, 3)))",
        {
            "limelens.from_torch(net, layer=...)": "of(limelens.from_torch(net, layer='0'), explainer=GradCam())"
        },
    ),
    (
        "of(from_torch(boxed))",
        {
            "output=lambda outputs: outputs['probs']": """
of(from_torch(boxed, output=lambda outputs: outputs['probs']))
""",
        },
    ),
    (
        "from_torch(dense).gradient(image[None], 0)",
        {
            "output=lambda outputs: ...": """
assert from_torch(dense, output=lambda outputs: outputs.mean((2, 3))).gradient(image[None], 0).any()
""",
        },
    ),
    (
        "of(from_torch(loose))",
        {
            "output=lambda outputs: ...": "of(from_torch(loose, output=lambda outputs: outputs[0][0]))"
        },
    ),
    (
        "from_torch(cut).gradient(image[None], 0)",
        {
            ".detach()": "assert from_torch(net).gradient(image[None], 0).any()  # without .detach()",
            "torch.no_grad": "assert from_torch(net).gradient(image[None], 0).any()  # torch.no_grad",
        },
    ),
    (
        "from_torch(net, preprocess=lambda images: images / 255).gradient(photo[None], 0)",
        {
            "image.astype(np.float32) / 255": """
image = photo
image = image.astype(np.float32) / 255
assert from_torch(net, preprocess=lambda images: images * 1.0).gradient(image[None], 0).any()
""",
        },
    ),
    (
        "of(from_torch(net), (16 * photo.astype(np.int32)))",
        {"scale=1/4095": "of(from_torch(net, scale=1/4095), 16 * photo.astype(np.int32))"},
    ),
    (
        "first = np.zeros((3, 20, 20), np.float32); from_torch(net)(first[None])",
        {
            "channel_axis=0": """
first = rng.random((3, 20, 20)).astype(np.float32)
of(from_torch(net, channel_axis=0), first, channel_axis=0)
""",
        },
    ),
]
