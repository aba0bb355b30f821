"""Advice on what is no array of numbers: objects, words, other libraries' containers, Pillow."""

import io
from pathlib import Path

import numpy as np
import PIL.Image

import limelens as ll

rng = np.random.default_rng(0)
grey = rng.random((24, 24))
color = (255 * rng.random((24, 24, 3))).astype(np.uint8)
half = np.arange(576).reshape(24, 24) // 300
four = ll.Ablation(segmenter=ll.Grid(4))


def two(batch):
    scores = every_pixel(batch)
    return np.column_stack([scores, -scores]) / 100


def of(predict_fn=two, picture=grey, **how):
    return explain(picture, predict_fn, **how)


def one_picture(image):
    if image.ndim != 3:
        raise ValueError("expects a single picture")
    return image.mean(axis=(0, 1))


def channels_first(batch):
    if batch.shape[1] != 3:
        raise ValueError(f"expected 3 channels, got {batch.shape[1]}")
    return batch.mean(axis=(2, 3))


class Scan:
    """What pydicom reads of a file."""

    pixel_array = property(lambda self: grey)


class Brain:
    """What nibabel reads of a file."""

    def get_fdata(self):
        return grey


class Sparse:
    """A sparse table, as of SciPy."""

    def __init__(self, table):
        self.table = table

    def toarray(self):
        return self.table


class Lazy:
    """A table that is still to be computed, as of polars."""

    def __init__(self, table):
        self.table = table

    def collect(self):
        return self.table


class Named:
    """An array whose axes have names and coordinates, as of xarray."""

    def __init__(self, array, dims=("y", "x"), rows=()):
        self.array, self.dims, self.coords = array, dims, {"y": np.array(rows)}

    def __array__(self, dtype=None, copy=None):
        return self.array

    def transpose(self, *dims):
        return Named(self.array.T, dims, self.coords["y"])

    def reindex_like(self, image, fill_value):
        place = {row: at for at, row in enumerate(self.coords["y"].tolist())}
        rows = image.coords["y"].tolist()
        lines = [
            self.array[place[row]] if row in place else self.array[0] & fill_value for row in rows
        ]
        return Named(np.array(lines), self.dims, rows)


class Column:
    """A column of a table, as of pandas."""

    def __init__(self, values):
        self.values = np.array(values)
        self.shape = self.values.shape

    def __iter__(self):
        return iter(self.values)

    def __array__(self, dtype=None, copy=None):
        return self.values


def pages():
    """Return a file of three pictures."""
    frames = [PIL.Image.fromarray(color + np.uint8(i)) for i in range(3)]
    file = io.BytesIO()
    frames[0].save(file, "TIFF", save_all=True, append_images=frames[1:])
    return PIL.Image.open(file)


def photo_file():
    file = io.BytesIO()
    PIL.Image.fromarray(color).save(file, "PNG")
    file.seek(0)
    return file


CASES = [
    # images
    (
        "image = Scan(); of(picture=image)",
        {"image.pixel_array": "image = Scan(); of(picture=image.pixel_array)"},
    ),
    (
        "image = Brain(); of(picture=image)",
        {"image.get_fdata()": "image = Brain(); of(picture=image.get_fdata())"},
    ),
    (
        "image = {'ct': grey}; of(picture=image)",
        {"image['ct']": "image = {'ct': grey}; of(picture=image['ct'])"},
    ),
    (
        "image = (row for row in grey); of(picture=image)",
        {
            "np.array(list(image))": "image = (row for row in grey); of(picture=np.array(list(image)))"
        },
    ),
    (
        "image = grey * 1j; of(picture=image)",
        {"np.abs(image)": "image = grey * 1j; of(picture=np.abs(image))"},
    ),
    (
        "image = grey + 0j; of(picture=image)",
        {"np.real(image)": "image = grey + 0j; of(picture=np.real(image))"},
    ),
    (
        "image = grey.astype(object); of(picture=image)",
        {
            "np.asarray(image, dtype=float)": "image = grey.astype(object); of(picture=np.asarray(image, dtype=float))"
        },
    ),
    (
        "image = 'photo.png'; of(picture=image)",
        {
            "explain(PIL.Image.open(image), ...)": """
image = photo_file()
explain(PIL.Image.open(image), every_pixel)
""",
        },
    ),
    (
        "image = photo_file().getvalue(); of(picture=image)",
        {
            "explain(PIL.Image.open(io.BytesIO(image)), ...)": """
image = photo_file().getvalue()
explain(PIL.Image.open(io.BytesIO(image)), every_pixel)
""",
        },
    ),
    (
        "image = [PIL.Image.fromarray(color)] * 3; of(picture=image)",
        {
            "image[0]": "image = [PIL.Image.fromarray(color)] * 3; of(picture=image[0])",
            "explain_many(explainer, image, predict_fn)": """
image, explainer, predict_fn = [PIL.Image.fromarray(color)] * 3, four, two
for each in explain_many(explainer, image, predict_fn):
    assert each.importances.any()
""",
            "np.stack(image)": "image = [PIL.Image.fromarray(color)] * 3; of(picture=np.stack(image))",
        },
    ),
    (
        "image = pages(); of(picture=image)",
        {
            "image.copy()": "image = pages(); of(picture=image.copy())",
            "image.seek(number)": """
image, number = pages(), 2
image.seek(number)
assert of(picture=image.copy()).image.max() != of(picture=pages().copy()).image.max()
""",
        },
    ),
    # labels and masks
    (
        "labels = half.astype(object); LabelImage(labels)",
        {
            "np.asarray(labels, dtype=int)": "labels = half.astype(object); LabelImage(np.asarray(labels, dtype=int))"
        },
    ),
    (
        "labels = half.astype(float); LabelImage(labels)",
        {
            "np.asarray(labels, dtype=int)": "labels = half.astype(float); LabelImage(np.asarray(labels, dtype=int))"
        },
    ),
    (
        "labels = np.where(half, 1.0, np.nan); LabelImage(labels)",
        {
            "np.nan_to_num(labels, nan=-1).astype(int)": """
labels = np.where(half, 1.0, np.nan)
assert LabelImage(np.nan_to_num(labels, nan=-1).astype(int)).n_segments == 2
""",
        },
    ),
    (
        "valid = np.where(half, 1.0, np.nan); of(valid=valid)",
        {
            "valid == 1": "valid = np.where(half, 1.0, np.nan); assert not of(valid=valid == 1).valid.all()",
            "valid > 0": "valid = np.where(half, 1.0, np.nan); assert not of(valid=valid > 0).valid.all()",
        },
    ),
    (
        "of(picture=Named(grey), valid=Named(half > 0, ('x', 'y')))",
        {
            "valid.transpose('y', 'x')": """
valid = Named(half.T > 0, ('x', 'y'))
assert (of(picture=Named(grey), valid=valid.transpose('y', 'x')).valid == half).all()
""",
        },
    ),
    (
        "of(picture=Named(grey, rows=range(24)), valid=Named(half > 0, rows=range(24)[::-1]))",
        {
            "valid.reindex_like(image, fill_value=False)": """
image = Named(grey, rows=range(24))
valid = Named(half > 0, rows=range(24)[::-1])
found = of(picture=image, valid=valid.reindex_like(image, fill_value=False))
assert (found.valid == half[::-1]).all()
""",
        },
    ),
    (
        "images = [PIL.Image.fromarray(color).convert('P')]; Backgrounds(images)",
        {
            'images[0].convert("RGB")': """
images = [PIL.Image.fromarray(color).convert("P")]
Backgrounds([images[0].convert("RGB")])
""",
        },
    ),
    (
        "images = [np.ma.masked_less(color, 100)] * 2; Backgrounds(images)",
        {
            "[each.filled(0) for each in images]": """
images = [np.ma.masked_less(color, 100)] * 2
Backgrounds([each.filled(0) for each in images])
""",
        },
    ),
    # scores
    (
        "of(lambda batch: Sparse(two(batch)))",
        {
            "scores.toarray()": """
def predict(batch):
    scores = Sparse(two(batch))
    return scores.toarray()
of(predict)
""",
        },
    ),
    (
        "of(lambda batch: Lazy(two(batch)))",
        {
            "scores.collect()": """
def predict(batch):
    scores = Lazy(two(batch))
    return scores.collect()
of(predict)
""",
        },
    ),
    (
        "of(lambda batch: {i: row for i, row in enumerate(two(batch))}.values())",
        {
            "np.array(list(scores))": """
def predict(batch):
    scores = {i: row for i, row in enumerate(two(batch))}.values()
    return np.array(list(scores))
of(predict)
""",
        },
    ),
    (
        "of(lambda batch: np.rec.fromarrays(two(batch).T))",
        {
            "np.stack([scores[field] for field in scores.dtype.names], axis=-1)": """
def predict(batch):
    scores = np.rec.fromarrays(two(batch).T)
    return np.stack([scores[field] for field in scores.dtype.names], axis=-1)
of(predict)
""",
        },
    ),
    (
        "of(lambda batch: np.array([{'cat': row[0], 'dog': row[1]} for row in two(batch)]))",
        {
            "np.array([list(each.values()) for each in scores])": """
def predict(batch):
    scores = np.array([{'cat': row[0], 'dog': row[1]} for row in two(batch)])
    return np.array([list(each.values()) for each in scores])
of(predict)
""",
        },
    ),
    (
        "of(lambda batch: np.array([*map(list, two(batch)), None], object)[:-1])",
        {
            "np.stack(scores)": """
def predict(batch):
    scores = np.array([*map(list, two(batch)), None], object)[:-1]
    return np.stack(scores)
of(predict)
""",
        },
    ),
    (
        "of(lambda batch: two(batch).ravel())",
        {
            "scores.reshape(len(batch), -1)": """
def predict(batch):
    scores = two(batch).ravel()
    return scores.reshape(len(batch), -1)
of(predict)
""",
        },
    ),
    (
        "of(lambda batch: two(batch)[np.newaxis])",
        {
            "scores[0]": """
def predict(batch):
    scores = two(batch)[np.newaxis]
    return scores[0]
of(predict)
""",
        },
    ),
    (
        "of(lambda batch: two(batch)[:1])",
        {
            "predict_fn=lambda batch: np.array([np.ravel(predict_fn(image[np.newaxis])) for image in batch])": """
def predict_fn(batch):
    return two(batch)[:1]
explain(grey, predict_fn=lambda batch: np.array([np.ravel(predict_fn(image[np.newaxis])) for image in batch]))
""",
        },
    ),
    (
        "of(one_picture, color)",
        {
            "predict_fn=lambda batch: np.array([predict_fn(image) for image in batch])": """
predict_fn = one_picture
explain(color, predict_fn=lambda batch: np.array([predict_fn(image) for image in batch]))
""",
            "PIL.Image.fromarray(image)": """
of(lambda batch: np.array([PIL.Image.fromarray(image).resize((4, 4)).getpixel((1, 1)) for image in batch]), color)
""",
        },
    ),
    (
        "of(channels_first, color)",
        {
            "predict_fn(batch.transpose(0, 3, 1, 2))": """
predict_fn = channels_first
of(lambda batch: predict_fn(batch.transpose(0, 3, 1, 2)), color)
""",
        },
    ),
    # targets and class names
    (
        "target = np.float64(1); of(target=target)",
        {"int(target)": "target = 1.0; of(target=int(target))"},
    ),
    ("target = {1}; of(target=target)", {"list(target)": "target = {1}; of(target=list(target))"}),
    (
        "of(target=Column([1]))",
        {"np.asarray(target)": "target = Column([1]); of(target=np.asarray(target))"},
    ),
    (
        "of(class_names=Column(['cat', 'dog']))",
        {
            "np.asarray(class_names)": "class_names = Column(['cat', 'dog']); of(class_names=np.asarray(class_names))"
        },
    ),
    (
        "Path('names.txt').write_text('cat\\ndog'); of(class_names='names.txt')",
        {
            "Path(class_names).read_text().splitlines()": """
class_names = 'names.txt'
Path(class_names).write_text('cat\\ndog')
of(class_names=Path(class_names).read_text().splitlines(), target='dog')
""",
        },
    ),
    (
        "of(class_names=[['cat', 'dog']])",
        {
            "class_names[0]": "class_names = [['cat', 'dog']]; of(class_names=class_names[0], target='dog')"
        },
    ),
    (
        "valid = np.ones((24, 24, 3), bool); valid[0] = False; of(picture=color, valid=valid)",
        {
            "valid.any(axis=2)": """
valid = np.ones((24, 24, 3), bool); valid[0] = False
assert not of(picture=color, valid=valid.any(axis=2)).valid.all()
""",
            "valid.all(axis=2)": """
valid = np.ones((24, 24, 3), bool); valid[0] = False
assert not of(picture=color, valid=valid.all(axis=2)).valid.all()
""",
        },
    ),
    (
        "of(lambda batch: np.log(np.maximum(two(batch) - two(batch).max(), 0)))",
        {
            "np.log(np.maximum(scores, 1e-12))": """
def predict(batch):
    scores = np.maximum(two(batch), 0)
    return np.log(np.maximum(scores, 1e-12))
of(predict)
""",
        },
    ),
    (
        "of(class_names=['', 'cat', 'dog'])",
        {
            "[text for text in class_names if text]": """
class_names = ['', 'cat', 'dog']
of(class_names=[text for text in class_names if text], target='dog')
""",
        },
    ),
    (
        "of(class_names={'cat': 0, 'dog': 1}.keys())",
        {
            "list(class_names)": "class_names = {'cat': 0, 'dog': 1}.keys(); of(class_names=list(class_names))"
        },
    ),
    (
        "of(class_names={'0': 'cat', '1': 'dog'})",
        {
            "{int(column): text for column, text in class_names.items()}": """
class_names = {'0': 'cat', '1': 'dog'}
of(class_names={int(column): text for column, text in class_names.items()}, target='dog')
""",
        },
    ),
    (
        "of(class_names={'cat': 0, 'dog': 1})",
        {
            "{column: text for text, column in class_names.items()}": """
class_names = {'cat': 0, 'dog': 1}
of(class_names={column: text for text, column in class_names.items()}, target='dog')
""",
        },
    ),
    (
        "of(class_names=[b'cat', b'dog'])",
        {
            "[each.decode() for each in class_names]": """
class_names = [b'cat', b'dog']
of(class_names=[each.decode() for each in class_names], target='dog')
""",
        },
    ),
    (
        "of(lambda batch: np.repeat(two(batch), 2, axis=1), class_names=['cat', None, 'dog', None])",
        {
            "class_names={0: 'cat', 2: 'dog'}": """
predict = lambda batch: np.repeat(two(batch), 2, axis=1)
of(predict, class_names={0: 'cat', 2: 'dog'}, target='dog')
""",
        },
    ),
    # settings
    (
        "value = np.array(3); Constant(value)",
        {
            "float(value)": "value = np.array(3); of(picture=color, explainer=Ablation(segmenter=Grid(4), fill=Constant(float(value))))"
        },
    ),
    (
        "k = np.array(3); Top(k)",
        {"int(k)": "k = np.array(2); of(target=Top(int(k)))"},
    ),
]
