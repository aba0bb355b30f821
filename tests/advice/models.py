"""Advice of the engine: what a model answers, gradients, rows that are reused."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import limelens as ll

pool = ThreadPoolExecutor(1)
rng = np.random.default_rng(0)
image = rng.random((24, 24))
photo = (255 * rng.random((24, 24, 3))).astype(np.uint8)


async def waiting(batch):
    return every_pixel(batch)


class Net:
    """Answers at random until it is told not to."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def eval(self):
        self.rng = None

    def __call__(self, batch, training=True):
        scores = every_pixel(batch)
        if self.rng is None or not training:
            return scores
        return scores * self.rng.uniform(0.5, 1.5, len(batch))


class Normalised(Net):
    """Normalises by the batch until it is told not to."""

    def __call__(self, batch):
        scores = every_pixel(batch)
        return scores if self.rng is None else (scores - scores.mean()) / (scores.std() + 1e-3)


class OncePerCall(Net):
    """Draws one random number a call until it is told not to."""

    def __call__(self, batch):
        return every_pixel(batch) * (1 if self.rng is None else self.rng.uniform(0.5, 1.5))


class Output:
    """What a model of Hugging Face returns."""

    def __init__(self, logits):
        self.logits = logits


class OnDevice:
    """A tensor that NumPy cannot read."""

    device = "cuda:0"

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def detach(self):
        return self

    cpu = float = detach

    def numpy(self):
        return self.values


def two(batch):
    """Return scores (n, 2)."""
    scores = every_pixel(batch)
    return np.column_stack([scores, -scores]) / 100


def softmax(batch, axis):
    scores = np.exp(two(batch))
    return scores / scores.sum(axis=axis, keepdims=True)


def maps(*sides):
    """Return a model with scores (n, *sides), of which each class tells another thing."""

    def dense(batch):
        shares = 1.5 + np.cos(np.arange(np.prod(sides))).reshape(sides)  # in no order
        return every_pixel(batch).reshape(-1, *[1] * len(sides)) * shares

    return dense


def labelled(batch):
    return [
        [{"label": name, "score": score} for name, score in sorted(zip("ab", row, strict=True))]
        for row in two(batch)
    ]


def only_four(batch):
    if len(batch) != 4:
        raise ValueError("this graph takes 4 images")
    return every_pixel(batch)


def only_one(batch):
    if len(batch) != 1:
        raise ValueError("this graph takes 1 image")
    return every_pixel(batch)


def heads(batch):
    return [two(batch), two(batch)[:, :1]]


def of(predict_fn, **how):
    return explain(image, predict_fn, **how)


def kept(path, samples):
    """Return an explanation as it comes from a file."""
    ll.Ablation(segmenter=ll.Grid(4)).explain(image, two).save(path, samples=samples)
    return ll.Explanation.load(path)


def reduced(shape):
    """Return the message's target for scores of a shape, as it is to be copied."""
    from limelens.engine.answers import _reducing

    return _reducing((2, *shape)).rpartition("example ")[2].removesuffix(".")


SHAPES = ((2, 5, 5), (5, 5, 2), (5, 3, 5), (4, 4, 4), (7, 5), (1, 5, 6))

CASES = [
    # the other images of the batch, chance
    (
        "of(lambda batch: softmax(batch, axis=0))",
        {"axis=-1": "of(lambda batch: softmax(batch, axis=-1))"},
    ),
    *[
        (
            f"net = {kind}(); of(net)",
            {"net.eval()": f"net = {kind}(); net.eval(); of(net)"},
        )
        for kind in ("Normalised", "OncePerCall")
    ],
    ("net = Net(); of(net)", {"net.eval()": "net = Net(); net.eval(); of(net)"}),
    (
        "net = Net(); of(net, batch_size=4)",
        {
            "net.eval()": "net = Net(); net.eval(); of(net, batch_size=4)",
            "training=False": "net = Net(); of(lambda batch: net(batch, training=False))",
        },
    ),
    (
        "net = Net(); e = explain(image, net, batch_size=1); of(net, reuse=e)",
        {"net.eval()": "net = Net(); net.eval(); of(net, reuse=of(net))"},
    ),
    # what is returned
    (
        "of(lambda batch: np.ma.masked_less(two(batch), 0))",
        {
            "scores.filled(0)": """
def predict(batch):
    scores = np.ma.masked_less(two(batch), 0)
    return scores.filled(0)
of(predict)
"""
        },
    ),
    *[
        (
            f"of(maps{shape})",
            {reduced(shape): f"of(maps{shape}, {reduced(shape)})"},
        )
        for shape in SHAPES
    ],
    (
        "of(maps(5, 1, 1))",
        {
            "scores.reshape(len(scores), -1)": """
def predict(batch):
    scores = maps(5, 1, 1)(batch)
    return scores.reshape(len(scores), -1)
of(predict)
""",
        },
    ),
    (
        "of(lambda batch: {'loss': 0, 'probs': two(batch)})",
        {
            "output['probs']": """
def predict(batch):
    output = {'loss': 0, 'probs': two(batch)}
    return output['probs']
of(predict)
""",
        },
    ),
    (
        "of(lambda batch: (0, two(batch)))",
        {
            "output[1]": """
def predict(batch):
    output = 0, two(batch)
    return output[1]
of(predict)
""",
        },
    ),
    (
        "of(lambda batch: Output(two(batch)))",
        {
            "output.logits": """
def predict(batch):
    output = Output(two(batch))
    return output.logits
of(predict)
""",
        },
    ),
    (
        "of(lambda batch: [dict(zip('ab', row)) for row in two(batch)])",
        {
            "[list(image.values()) for image in output]": """
def predict(batch):
    output = [dict(zip("ab", row)) for row in two(batch)]
    return [list(image.values()) for image in output]
of(predict)
""",
        },
    ),
    (
        "of(labelled)",
        {
            "[[each['score'] for each in sorted(image, key=lambda each: each['label'])] "
            "for image in output]": """
def predict(batch):
    output = labelled(batch)
    return [[each['score'] for each in sorted(image, key=lambda each: each['label'])] \
for image in output]
of(predict)
""",
        },
    ),
    (
        "of(heads)",
        {
            "output[0]": """
def predict(batch):
    output = heads(batch)
    return output[0]
of(predict)
""",
        },
    ),
    (
        "of(lambda batch: (score for score in every_pixel(batch)))",
        {
            "np.array(list(scores))": """
def predict(batch):
    scores = (score for score in every_pixel(batch))
    return np.array(list(scores))
of(predict)
""",
        },
    ),
    (
        "of(waiting)",
        {
            "predict_fn=lambda batch: asyncio.run(predict_fn(batch))": """
predict_fn = waiting
explain(image, **dict(predict_fn=lambda batch: asyncio.run(predict_fn(batch))))
""",
        },
    ),
    (
        "of(lambda batch: pool.submit(every_pixel, batch))",
        {
            "output.result()": """
def predict(batch):
    output = pool.submit(every_pixel, batch)
    return output.result()
of(predict)
""",
        },
    ),
    (
        "of(lambda batch: np.stack([every_pixel(batch)] * 3))",
        {
            "scores.T": """
def predict(batch):
    scores = np.stack([every_pixel(batch)] * 3)
    return scores.T
of(predict)
""",
        },
    ),
    (
        "of(lambda batch: every_pixel(batch).astype(object))",
        {
            "np.asarray(scores, dtype=float)": """
def predict(batch):
    scores = every_pixel(batch).astype(object)
    return np.asarray(scores, dtype=float)
of(predict)
""",
        },
    ),
    (
        "of(lambda batch: (batch > 0.5).sum(axis=(1, 2)))",
        {
            "np.asarray(counts, float)": """
def predict(batch):
    counts = (batch > 0.5).sum(axis=(1, 2))
    return np.asarray(counts, float)
of(predict)
""",
        },
    ),
    (
        "of(lambda batch: OnDevice(two(batch)))",
        {
            "scores.detach().cpu().float().numpy()": """
def predict(batch):
    scores = OnDevice(two(batch))
    return scores.detach().cpu().float().numpy()
of(predict)
""",
        },
    ),
    ("of(only_one)", {"batch_size=1": "of(only_one, batch_size=1)"}),
    # gradients
    (
        "IntegratedGradients().explain(image, every_pixel)",
        {
            "limelens.with_gradient(predict_fn, gradient_fn)": """
predict_fn, weights = every_pixel, np.linspace(0.5, 1, image.size).reshape(image.shape)
gradient_fn = lambda batch, target: np.zeros(batch.shape) + weights
explain(image, limelens.with_gradient(predict_fn, gradient_fn), IntegratedGradients())
""",
        },
    ),
    (
        "GradCam().explain(image, every_pixel)",
        {
            "limelens.with_gradient(predict_fn, features_fn=features_fn)": """
predict_fn = lambda batch: batch.sum(axis=(1, 2))
features_fn = lambda batch, target: (batch[:, np.newaxis], np.ones((len(batch), 1, 24, 24)))
explain(image, limelens.with_gradient(predict_fn, features_fn=features_fn), GradCam())
""",
        },
    ),
    (
        "image = photo; IntegratedGradients().explain(image, limelens.testing.LinearModel(image + 1.))",
        {
            "image.astype(np.float32) / 255": """
from limelens.testing import LinearModel
image = photo
image = image.astype(np.float32) / 255
explain(image, LinearModel(np.ones(image.shape)), IntegratedGradients())
""",
        },
    ),
    # rows that are reused
    (
        "e = kept('why.npz', None); of(two, reuse=e)",
        {
            "explanation.save(path, samples='all')": """
path = 'why.npz'
explanation = of(two)
explanation.save(path, samples='all')
of(two, reuse=Explanation.load(path))
""",
        },
    ),
    (
        "e = kept('why.npz', 'targets'); of(two, reuse=e)",
        {
            "save(path, samples='all')": """
path = 'why.npz'
of(two).save(path, samples='all')
of(two, reuse=Explanation.load(path))
""",
        },
    ),
    (
        "e = kept('why.npz', 'targets'); e.samples.only((1,))",
        {
            "explanation.save(path, samples='all')": """
path = 'why.npz'
explanation = of(two)
explanation.save(path, samples='all')
Explanation.load(path).samples.only((1,))
""",
        },
    ),
]
