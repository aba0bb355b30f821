"""Advice of targets, and of the adapters that need no framework."""

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier

import limelens as ll

rng = np.random.default_rng(0)
image = rng.random((24, 24))
color = rng.random((24, 24, 3))
one = image[np.newaxis]
half = ll.Ablation(segmenter=ll.Grid(4))
rows = np.concatenate([rng.random((30, 576)), 0.5 * rng.random((30, 576))])
labels = np.repeat([0, 1], 30)


def two(batch):
    """Return scores (n, 2)."""
    scores = every_pixel(batch) / 10
    return np.column_stack([scores, -scores])


def probability(batch):
    return 1 / (1 + np.exp(-two(batch) / 10))


def of(predict_fn=two, picture=image, **how):
    return explain(picture, predict_fn, **how)


def box(score):
    """Return one detection an image: box, score, label."""
    return np.column_stack([np.tile([2.0, 2.0, 20.0, 20.0], (len(score), 1)), score])


def boxes_of(batch):
    return [row[np.newaxis] for row in box(batch.reshape(len(batch), -1).mean(axis=1))]


class Processor:
    """The part of a processor of transformers that makes boxes of outputs."""

    def post_process_object_detection(self, outputs, batch):
        return [
            {"boxes": found[:, :4], "scores": found[:, 4], "labels": np.zeros(len(found), int)}
            for found in boxes_of(batch)
        ]


processor = Processor()


def segment(batch, k=2):
    """Return scores of k classes for every pixel, (n, k, H, W)."""
    bright = batch[:, np.newaxis]
    return np.concatenate([bright - c / k for c in range(k)], axis=1)


def label_maps(batch):
    return (batch > 0.5).astype(int)


def fails_once():
    """Return a service that is away at first."""
    calls = []

    def ask(batch):
        calls.append(len(batch))
        if len(calls) == 2:
            raise ConnectionError("the service is away")
        return two(batch)

    return ask


class RidgeClassifierOnly(RidgeClassifier):
    """An estimator without scores."""

    @property
    def decision_function(self):
        raise AttributeError


def table_of(images):
    return images.reshape(len(images), -1)[:, :576]


regions = [(0, np.arange(576).reshape(24, 24) < 200)]

CASES = [
    (
        "of(class_names=['cat', 'dog'], target=b'cat')",
        {
            "target.decode()": "target = b'cat'; of(class_names=['cat', 'dog'], target=target.decode())"
        },
    ),
    (
        "of(target=lambda scores: scores.argmax(axis=1))",
        {
            "np.asarray(counts, float)": """
def target(scores):
    counts = np.rint(scores[:, 0]).astype(int)
    return np.asarray(counts, float)
of(target=target)
""",
        },
    ),
    (
        "rng = np.random.RandomState(0); Lime(n_samples=100).explain(image, two, rng=rng)",
        {
            "rng.randint(2**31)": """
rng = np.random.RandomState(0)
Lime(n_samples=100).explain(image, two, rng=rng.randint(2**31))
""",
        },
    ),
    (
        "rng = np.random.PCG64(0); Lime(n_samples=100).explain(image, two, rng=rng)",
        {
            "np.random.Generator(rng)": """
rng = np.random.PCG64(0)
Lime(n_samples=100).explain(image, two, rng=np.random.Generator(rng))
""",
        },
    ),
    (
        "rng = [1, 2]; Lime(n_samples=100).explain(image, two, rng=rng)",
        {
            "np.random.SeedSequence(rng)": """
rng = [1, 2]
Lime(n_samples=100).explain(image, two, rng=np.random.SeedSequence(rng))
""",
        },
    ),
    (
        "explain(image, target=lambda scores: np.ma.masked_less(scores[:, 0], 1e9))",
        {
            "values.filled(0)": """
def target(scores):
    values = np.ma.masked_less(scores[:, 0], 1)
    return values.filled(0)
explain(image, target=target)
""",
        },
    ),
    # boxes
    (
        "box_scores(boxes_of, [[2, 2, 40, 20]])(one)",
        {
            "np.clip": "box_scores(boxes_of, np.clip([[2, 2, 40, 20]], 0, 24))(one)",
        },
    ),
    (
        "first = np.moveaxis(color, -1, 0); box_scores(boxes_of, [[2, 2, 20, 20]])(first[None])",
        {
            "channel_axis=0": """
first = np.moveaxis(color, -1, 0)
assert box_scores(boxes_of, [[2, 2, 20, 20]], channel_axis=0)(first[None]).any()
""",
        },
    ),
    (
        "found = boxes_of(one)[0]; box_scores(boxes_of, found)",
        {
            "found[:, :4]": "found = boxes_of(one)[0]; assert box_scores(boxes_of, found[:, :4])(one).any()"
        },
    ),
    (
        "box_scores(boxes_of, [[2, 2, 20, 20]], channel_axis=None)(color[None])",
        {
            "box_scores(..., channel_axis=0)": """
first = np.moveaxis(color, -1, 0)[None]
assert box_scores(boxes_of, [[2, 2, 20, 20]], channel_axis=0)(first).any()
""",
        },
    ),
    (
        "box_scores(boxes_of, [[20, 20, 4, 4]])",
        {
            'box_format="xywh"': 'box_scores(boxes_of, [[20, 20, 4, 4]], box_format="xywh")',
            'box_format="cxcywh"': 'box_scores(boxes_of, [[20, 20, 4, 4]], box_format="cxcywh")',
        },
    ),
    (
        """
def detect(batch):
    found = Processor().post_process_object_detection(None, batch)
    return {key: [each[key] for each in found] for key in found[0]}
box_scores(detect, [[2, 2, 20, 20]])(one)
""",
        {
            "[{key: values[i] for key, values in found.items()} for i in range(len(batch))]": """
def detect(batch):
    found = Processor().post_process_object_detection(None, batch)
    found = {key: [each[key] for each in found] for key in found[0]}
    return [{key: values[i] for key, values in found.items()} for i in range(len(batch))]
assert box_scores(detect, [[2, 2, 20, 20]])(one).any()
""",
        },
    ),
    (
        """
def detect(batch):
    found = np.stack(boxes_of(batch))
    return found[..., :4], found[..., 4], np.zeros(found.shape[:2], int)
box_scores(detect, [[2, 2, 20, 20]])(one)
""",
        {
            "list(zip(boxes, scores, labels))": """
def detect(batch):
    found = np.stack(boxes_of(batch))
    boxes, scores, labels = found[..., :4], found[..., 4], np.zeros(found.shape[:2], int)
    return list(zip(boxes, scores, labels))
assert box_scores(detect, [[2, 2, 20, 20]])(one).any()
""",
            "[detections]": """
def detect(batch):
    assert len(batch) == 1
    detections = boxes_of(batch)[0]
    return [detections]
assert box_scores(detect, [[2, 2, 20, 20]])(one).any()
""",
        },
    ),
    (
        "box_scores(lambda batch: [{'pred_boxes': 0}], [[2, 2, 20, 20]])(one)",
        {
            "processor.post_process_object_detection(outputs, ...)": """
def detect(batch):
    outputs = None
    return processor.post_process_object_detection(outputs, batch)
assert box_scores(detect, [[2, 2, 20, 20]])(one).any()
""",
        },
    ),
    # regions
    (
        "mask_scores(segment, [(0, None)])(one)",
        {
            "mask_scores(...).for_image(image)": """
assert mask_scores(segment, [(0, None)]).for_image(image)(one).any()
""",
        },
    ),
    (
        "mask_scores(label_maps, regions)(one)",
        {
            "(labels[:, None] == np.arange(k)[:, None, None])": """
def maps(batch):
    labels, k = label_maps(batch), 2
    return (labels[:, None] == np.arange(k)[:, None, None])
assert mask_scores(maps, regions)(one).any()
""",
        },
    ),
    (
        "mask_scores(lambda batch: np.moveaxis(segment(batch), 1, -1), [(30, regions[0][1])])(one)",
        {
            "channel_axis=-1": """
last = lambda batch: np.moveaxis(segment(batch, 31), 1, -1)
assert mask_scores(last, [(30, regions[0][1])], channel_axis=-1)(one).any()
""",
        },
    ),
    (
        "mask_scores(lambda batch: batch[:, None], [(0, None)]).for_image(image)",
        {
            "np.concatenate([1 - p, p], axis=1)": """
def maps(batch):
    p = batch[:, None]
    return np.concatenate([1 - p, p], axis=1)
assert mask_scores(maps, [(0, None)]).for_image(image)(one).any()
""",
        },
    ),
    # texts
    (
        "likelihood_scores(lambda batch, text: np.full(len(batch), 0.5), ['a cat'])(one)",
        {
            "np.log": """
tell = lambda batch, text: np.log(np.full(len(batch), 0.5))
assert likelihood_scores(tell, ['a cat'])(one).any()
""",
        },
    ),
    # two models
    (
        "change(two, probability, target=0, scale='log-odds')(one)",
        {'scale="score"': 'change(two, probability, target=0, scale="score")(one)'},
    ),
    (
        "change(probability, probability, target=margin(0, 1), scale='log-odds')",
        {
            "target=log_odds(column)": """
column = 1
change(probability, probability, target=log_odds(column))(one)
""",
        },
    ),
    # columns
    (
        "of(target='cat')",
        {
            "class_names=[...]": "of(target='cat', class_names=['cat', 'dog'])",
            "Top(k)": "k = 2; of(target=Top(k))",
        },
    ),
    ("of(target=1.5)", {"Top(k)": "k = 1; of(target=Top(k))"}),
    ("of(target=log_odds(1))", {"target=1": "of(target=1)"}),
    (
        """
class Both(LogisticRegression):
    def __call__(self, batch):
        return two(batch)
model = Both().fit(rows, labels)
explain(image, model)
""",
        {
            "predict_fn=lambda batch: model(batch)": """
model = two
explain(image, predict_fn=lambda batch: model(batch))
""",
        },
    ),
    # adapters
    (
        "explain(image, from_http(fails_once(), retries=0), batch_size=3)",
        {
            "reuse=error.samples": """
model = from_http(fails_once(), retries=0)
try:
    explain(image, model, batch_size=3)
except PredictionError as error:
    explain(image, model, batch_size=3, reuse=error.samples)
""",
        },
    ),
    (
        "estimator = LogisticRegression().fit(rows, labels); of(from_sklearn(estimator), color)",
        {
            "from_sklearn(estimator, preprocess=...)": """
estimator = LogisticRegression().fit(rows, labels)
of(from_sklearn(estimator, preprocess=table_of), color)
""",
        },
    ),
    (
        "from_sklearn(RidgeClassifierOnly().fit(rows, labels))",
        {
            "CalibratedClassifierCV(estimator).fit(rows, labels)": """
estimator = RidgeClassifier()
of(from_sklearn(CalibratedClassifierCV(estimator).fit(rows, labels)))
""",
            'method="predict"': """
from_sklearn(RidgeClassifierOnly().fit(rows, labels), method="predict")
""",
        },
    ),
    (
        """
estimator = RandomForestClassifier(5, random_state=0).fit(rows, np.column_stack([labels, labels]))
of(from_sklearn(estimator))
""",
        {
            "lambda batch: estimator.predict_proba(batch.reshape(len(batch), -1))[0]": """
estimator = RandomForestClassifier(5, random_state=0).fit(rows, np.column_stack([labels, labels]))
of(lambda batch: estimator.predict_proba(batch.reshape(len(batch), -1))[0])
""",
        },
    ),
    (
        "model = LogisticRegression().fit(rows, labels); explain(image, model)",
        {
            "limelens.from_sklearn(estimator)": """
estimator = LogisticRegression().fit(rows, labels)
explain(image, limelens.from_sklearn(estimator))
""",
        },
    ),
    (
        "explain(image, 'model.joblib')",
        {
            "limelens.from_sklearn(joblib.load('model.joblib'))": """
import joblib
joblib.dump(LogisticRegression().fit(rows, labels), 'model.joblib')
explain(image, limelens.from_sklearn(joblib.load('model.joblib')))
""",
        },
    ),
    (
        "explain(image, 'http://127.0.0.1:9/predict')",
        {
            "limelens.from_http('http://127.0.0.1:9/predict')": """
limelens.from_http('http://127.0.0.1:9/predict')
""",
        },
    ),
]
