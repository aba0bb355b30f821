"""Small models trained on the spot on bundled pictures, and their images as games."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from call_games import Game, Masks, softmax, target_columns
from numpy.typing import NDArray

from limelens import Constant, Grid, ImageMean, Slic

PATCH = 48
TEXTURES = (
    "astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel",
    "hubble_deep_field", "immunohistochemistry", "moon", "rocket",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ImageGame:
    """Masks one image with a background and asks a model."""

    image: NDArray
    background: NDArray
    segments: NDArray
    model: Callable[[NDArray], NDArray]

    def __call__(self, coalitions: Masks) -> NDArray:
        parts = []
        for start in range(0, len(coalitions), 512):
            kept = coalitions[start : start + 512][:, self.segments]
            kept = kept.reshape(*kept.shape, *([1] * (self.image.ndim - 2)))
            parts.append(self.model(np.where(kept, self.image, self.background)))
        return np.concatenate(parts)


def image_game(
    name: str, cell: str, image: NDArray, segmenter: Callable, fill: Callable, model: Callable
) -> Game:
    labels = segmenter(image)
    segments = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    background = fill(image, segments)
    change = np.square(image - background).reshape(segments.size, -1).sum(axis=1)
    energy = np.bincount(segments.ravel(), weights=change)
    scores = ImageGame(image, background, segments, model)
    intact = scores(np.ones((1, len(energy)), bool))[0]
    targets = target_columns(intact) if len(intact) > 2 else {"predicted": int(np.argmax(intact))}
    return Game(name, cell, energy, scores, targets, len(intact))


# Which picture is this patch from? A convolutional network with one hidden layer, 12 classes


@functools.cache
def filters() -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    bank = rng.normal(size=(8, 8, 3, 24))
    bank -= bank.mean(axis=(0, 1, 2))
    return (bank / np.sqrt(np.square(bank).sum(axis=(0, 1, 2)))).reshape(192, 24).astype(np.float32)


def texture_features(batch: NDArray) -> NDArray[np.float32]:
    windows = np.lib.stride_tricks.sliding_window_view(batch.astype(np.float32), (8, 8), (1, 2))
    windows = windows[:, ::5, ::5].transpose(0, 1, 2, 4, 5, 3).reshape(len(batch), 9, 9, 192)
    answers = np.abs(windows @ filters())
    cells = [
        answers[:, a : a + 3, b : b + 3].mean(axis=(1, 2)) for a in (0, 3, 6) for b in (0, 3, 6)
    ]
    colour = batch.reshape(len(batch), 3, 16, 3, 16, 3).mean(axis=(2, 4)).reshape(len(batch), -1)
    return np.concatenate([*cells, colour], axis=1).astype(np.float32)


def patches(n: int, *, held_out: bool, seed: int) -> tuple[NDArray, NDArray[np.intp]]:
    """Cut patches from the left two thirds of the pictures, or from the rest."""
    from skimage import color, data, transform

    rng = np.random.default_rng(seed)
    cut, labels = [], []
    for label, name in enumerate(TEXTURES):
        picture = np.asarray(getattr(data, name)(), dtype=np.float64) / 255
        picture = color.gray2rgb(picture) if picture.ndim == 2 else picture[..., :3]
        picture = transform.resize(picture, (256, 384))
        low, high = (256, 384 - PATCH) if held_out else (0, 256 - PATCH)
        for _ in range(n):
            row, column = rng.integers(0, 256 - PATCH), rng.integers(low, high)
            cut.append(picture[row : row + PATCH, column : column + PATCH])
            labels.append(label)
    return np.array(cut), np.array(labels)


@functools.cache
def texture_network():
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    images, labels = patches(120, held_out=False, seed=0)
    network = make_pipeline(
        StandardScaler(), MLPClassifier((64,), max_iter=60, early_stopping=True, random_state=0)
    )
    return network.fit(texture_features(images), labels)


def texture_logits(batch: NDArray) -> NDArray:
    network = texture_network()
    scaled = network[0].transform(texture_features(batch))
    hidden = np.maximum(scaled @ network[1].coefs_[0] + network[1].intercepts_[0], 0)
    return hidden @ network[1].coefs_[1] + network[1].intercepts_[1]


def texture_games(n: int) -> Iterator[Game]:
    images, labels = patches(2, held_out=True, seed=11)
    order = np.random.default_rng(12).permutation(len(images))
    kinds = {
        "textures": lambda batch: softmax(texture_logits(batch)).astype(np.float32),
        "textures, logits": texture_logits,
        "textures, 8 bit": lambda batch: np.rint(256 * softmax(texture_logits(batch))) / 256,
    }
    for cell, model in kinds.items():
        for number in order[: n if cell == "textures" else max(1, n // 3)]:
            name = f"{TEXTURES[labels[number]]} {number} ({cell})"
            yield image_game(
                name, cell, images[number], Slic(50, compactness=5), Constant(0.5), model
            )


# Digits: a perceptron, 10 classes


@functools.cache
def digit_network():
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    images = enlarge(load_digits().images / 16)
    network = MLPClassifier((100,), max_iter=80, random_state=0)
    return network.fit(images[:1500].reshape(1500, -1), load_digits().target[:1500])


def enlarge(images: NDArray) -> NDArray:
    """Enlarge 8 x 8 digits to 28 x 28 by bilinear interpolation."""
    places = np.clip((np.arange(28) + 0.5) * 8 / 28 - 0.5, 0, 7)
    low = np.minimum(places.astype(int), 6)
    rows = np.zeros((28, 8))
    rows[np.arange(28), low] = 1 - (places - low)
    rows[np.arange(28), low + 1] += places - low
    return rows @ images @ rows.T


def digit_games(n: int) -> Iterator[Game]:
    from sklearn.datasets import load_digits

    def model(batch: NDArray) -> NDArray:
        return digit_network().predict_proba(batch.reshape(len(batch), -1)).astype(np.float32)

    images = enlarge(load_digits().images[1500:] / 16)
    for number in np.random.default_rng(13).permutation(len(images))[:n]:
        yield image_game(f"digit {number}", "digits", images[number], Grid(49), Constant(0), model)


# Faces or not: a perceptron and a forest, two classes


@functools.cache
def face_models():
    from skimage import data
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neural_network import MLPClassifier

    images = data.lfw_subset()
    labels = np.repeat([1, 0], 100)
    train = np.random.default_rng(0).permutation(200)[:150]
    flat = images.reshape(200, -1)[train]
    network = MLPClassifier((64, 32), max_iter=300, alpha=1e-3, random_state=0)
    forest = RandomForestClassifier(100, min_samples_leaf=3, random_state=0)
    test = np.setdiff1d(np.arange(200), train)
    return network.fit(flat, labels[train]), forest.fit(flat, labels[train]), images[test]


def face_games(n: int) -> Iterator[Game]:
    network, forest, images = face_models()
    for cell, model in {"faces": network, "faces, forest": forest}.items():

        def predict(batch: NDArray, model=model) -> NDArray:
            return model.predict_proba(batch.reshape(len(batch), -1)).astype(np.float32)

        for number in range(n if cell == "faces" else max(1, n // 2)):
            yield image_game(
                f"{cell} {number}", cell, images[number], Grid(49), ImageMean(), predict
            )


def small_games(n: int) -> Iterator[Game]:
    """Yield the same images in about ten segments: all coalitions can be asked."""
    images, labels = patches(2, held_out=True, seed=11)

    def textures(batch: NDArray) -> NDArray:
        return softmax(texture_logits(batch)).astype(np.float32)

    for number in np.random.default_rng(12).permutation(len(images))[:n]:
        name = f"{TEXTURES[labels[number]]}, few"
        yield image_game(name, "few", images[number], Grid(9), Constant(0.5), textures)
    network, _, faces = face_models()

    def face(batch: NDArray) -> NDArray:
        return network.predict_proba(batch.reshape(len(batch), -1)).astype(np.float32)

    for number in range(n):
        yield image_game(f"face {number}, few", "few", faces[number], Grid(9), ImageMean(), face)
