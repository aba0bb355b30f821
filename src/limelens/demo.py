"""Explains two face classifiers of the same accuracy: they look at different things."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import describe
from limelens._typing import Batch, Floats, Image, Segments
from limelens.errors import InvalidInputError
from limelens.explainers.lime import Lime
from limelens.explainers.sharp import Sharp
from limelens.results.explanation import Explanation
from limelens.segmenting import Grid

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

CLASS_NAMES = ("no face", "face")
FACE = 1
SIDE = 25
N_CELLS = 49
HELD_OUT = 61
"""Number of the bundled face that is explained; neither classifier is trained on it."""


@dataclass(frozen=True, eq=False)
class FaceClassifier:
    """Returns how likely each image shows a face: `(n, H, W)` or `(n, H, W, 3)` -> `(n, 2)`.

    Parameters
    ----------
    name : str
    features : callable
        From grey images `(n, 25, 25)` in [0, 1] to features `(n, p)`.
    pipeline : scikit-learn classifier
        Fitted to the features.
    accuracy : float
        Mean of a five-fold cross-validation.
    """

    name: str
    features: Callable[[Floats], Floats]
    pipeline: Any
    accuracy: float

    def __call__(self, batch: Batch) -> Floats:
        """Return the probabilities of `CLASS_NAMES`."""
        return self.pipeline.predict_proba(self.features(small_grey(batch)))


def small_grey(batch: Batch) -> Floats:
    """Return images of any size, grey or colour, as `(n, 25, 25)` in [0, 1].

    Examples
    --------
    >>> small_grey(np.full((1, 50, 50, 3), 51, np.uint8))[0, :1, :4].round(3)
    array([[0.2, 0.2, 0.2, 0.2]])
    """
    from skimage import color, transform  # noqa: PLC0415

    grey = color.rgb2gray(batch) if batch.ndim == 4 else batch
    if grey.shape[1:] == (SIDE, SIDE):
        return grey
    resize: Any = transform.resize
    return resize(grey, (len(grey), SIDE, SIDE), anti_aliasing=True)


def gradients(images: Floats) -> Floats:
    """Return histograms of oriented gradients, which show shapes at any brightness."""
    from skimage.feature import hog  # noqa: PLC0415

    settings: dict[str, Any] = {"pixels_per_cell": (5, 5), "cells_per_block": (2, 2)}
    return np.stack([hog(image, orientations=8, **settings) for image in images])


def pixels(images: Floats) -> Floats:
    """Return the pixels as they are."""
    return images.reshape(len(images), -1)


def train() -> tuple[FaceClassifier, FaceClassifier]:
    """Train both classifiers on the faces that come with scikit-image, in about two seconds."""
    from sklearn.calibration import CalibratedClassifierCV  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415
    from sklearn.svm import SVC  # noqa: PLC0415

    machine = make_pipeline(StandardScaler(), SVC())
    return (
        _fit("HOG + SVC", gradients, CalibratedClassifierCV(machine, ensemble=False)),
        _fit("pixels + logistic regression", pixels, LogisticRegression(max_iter=1000)),
    )


def _fit(name: str, features: Callable[[Floats], Floats], classifier: Any) -> FaceClassifier:
    from sklearn.model_selection import StratifiedKFold, cross_val_score  # noqa: PLC0415

    images = _bundled().lfw_subset()  # a hundred faces, then a hundred other crops
    is_face = (np.arange(len(images)) < 100).astype(int)
    table = features(images)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    accuracy = float(cross_val_score(classifier, table, is_face, cv=folds).mean())
    seen = np.arange(len(images)) != HELD_OUT
    return FaceClassifier(name, features, classifier.fit(table[seen], is_face[seen]), accuracy)


@dataclass(frozen=True, eq=False)
class Photograph:
    """A cropped face and where its parts are.

    Parameters
    ----------
    title : str
    image : ndarray, shape (H, W) or (H, W, 3)
    levels : tuple of float
        Where forehead, eyes, nose and mouth end, as shares of the height; the rest is chin.
    """

    title: str
    image: Image
    levels: tuple[float, float, float, float]

    def places(self, segments: Segments) -> list[tuple[str, str]]:
        """Return what every segment's centre lies on, and on which side.

        Examples
        --------
        >>> photograph = Photograph("", np.zeros((7, 7)), (0.2, 0.4, 0.6, 0.8))
        >>> photograph.places(np.array([[0] * 4 + [1] * 3] * 7))
        [('nose', 'left'), ('nose', 'right')]
        """
        n_pixels = np.bincount(segments.ravel())
        rows, columns = (
            np.bincount(segments.ravel(), (index.ravel() + 0.5) / side) / n_pixels
            for index, side in zip(np.indices(segments.shape), segments.shape, strict=True)
        )
        level = np.searchsorted(self.levels, rows)
        side = np.searchsorted((0.15, 0.42, 0.58, 0.85), columns)
        return [(_LEVELS[i], _SIDES[j]) for i, j in zip(level, side, strict=True)]


_LEVELS = ("forehead", "eyes", "nose", "mouth", "chin")
_SIDES = ("left edge", "left", "middle", "right", "right edge")
_FEATURES = {(level, side) for level in _LEVELS[1:4] for side in _SIDES[1:4]}


def photographs() -> tuple[Photograph, Photograph]:
    """Return a crop in colour, and a grey face that neither classifier was trained on."""
    astronaut = _bundled().astronaut()[75:180, 175:280]
    face = _bundled().lfw_subset()[HELD_OUT]
    return (
        Photograph("Astronaut, 105 x 105 colour", astronaut, (1 / 7, 2 / 7, 4 / 7, 5 / 7)),
        Photograph("Bundled face, 25 x 25 grey", face, (2 / 7, 3 / 7, 4 / 7, 6 / 7)),
    )


def _bundled() -> Any:
    from skimage import data  # noqa: PLC0415

    return data


@dataclass(frozen=True, eq=False)
class Case:
    """One photograph explained for one classifier: effects of cells, and one sharp map."""

    photograph: Photograph
    classifier: FaceClassifier
    explanation: Explanation
    sharp: Explanation

    @property
    def score(self) -> float:
        """Probability of a face."""
        return float(self.explanation.scores[FACE])

    @property
    def on_features(self) -> NDArray[np.bool_]:
        """Which segments lie on eyes, nose and mouth."""
        places = self.photograph.places(_segments(self.explanation))
        return np.array([place in _FEATURES for place in places])

    @property
    def evidence_on_features(self) -> float:
        """Share of the positive importances that lies on eyes, nose and mouth."""
        return self._on_features(self.explanation)

    @property
    def sharp_evidence_on_features(self) -> float:
        """The same of the sharp map, summed over the same cells."""
        return self._on_features(self.sharp.by_segment(_segments(self.explanation)))

    def _on_features(self, explanation: Explanation) -> float:
        evidence = np.maximum(explanation.importances[0], 0.0)
        total = float(evidence.sum())
        return float(evidence[self.on_features].sum()) / total if total else 0.0

    def report(self) -> str:
        """Return the findings in words."""
        explanation = self.explanation
        hidden = explanation.hidden_scores[FACE]
        fidelity = np.nan if explanation.fidelity is None else explanation.fidelity[0]
        places = self.photograph.places(_segments(explanation))
        lines = [f"  {self.classifier.name}: face {self.score:.3f}, all hidden {hidden:.3f}"]
        for segment in explanation.top_segments(4, sign="absolute"):
            level, side = places[segment]
            lines.append(f"    {explanation.importances[0, segment]:+.3f}  {level}, {side}")
        lines += [
            f"    {self.evidence_on_features:.0%} of the evidence lies on eyes, nose and mouth, "
            f"{self.on_features.mean():.0%} of the picture",
            f"    fidelity {fidelity:.2f} (held-out R2), {explanation.n_predictions} images scored",
            f"    Sharp: {self.sharp_evidence_on_features:.0%} on eyes, nose and mouth, "
            f"{self.sharp.n_predictions} images scored",
        ]
        return "\n".join(lines)


def _segments(explanation: Explanation) -> Segments:
    if explanation.segments is None:
        raise TypeError("the demo explains segments")
    return explanation.segments


def draw(cases: Sequence[Case]) -> "Picture":
    """Draw one row per photograph: as it is, then for each classifier LIME's map and the sharp one.

    LIME's maps share one scale, that of the colour bar. A sharp map is a density: its title says
    what its full colour stands for.
    """
    from limelens.pictures.colors import color_limit  # noqa: PLC0415
    from limelens.pictures.overlay import draw_image, draw_overlay  # noqa: PLC0415
    from limelens.pictures.sheet import sheet  # noqa: PLC0415

    maps = [case.explanation.heatmap(interpolation="bicubic") for case in cases]
    limit = color_limit(maps)
    tiles: list[Any] = []
    titles: list[str] = []
    for case, heatmap in zip(cases, maps, strict=True):
        image = case.photograph.image
        if case.photograph.title not in titles:
            tiles.append(draw_image(image))
            titles.append(case.photograph.title)
        full = color_limit([case.sharp.heatmap()])
        tiles += [draw_overlay(image, heatmap, scale=limit), case.sharp.to_image(scale=full)]
        titles += [
            f"{case.classifier.name}: face {case.score:.2f}\n"
            f"Lime: {case.evidence_on_features:.0%} on eyes, nose, mouth",
            "the same by Sharp, smooth\n"
            f"{case.sharp_evidence_on_features:.0%} on them; full colour: {full:.1g} per pixel",
        ]
    accuracies = dict.fromkeys(f"{case.classifier.accuracy:.1%}" for case in cases)
    heading = (
        f"Two face classifiers, {' and '.join(accuracies)} right, for different reasons"
        "; the colour bar is that of Lime"
    )
    return sheet(tiles, titles, columns=5, limit=limit, heading=heading)


def check_output(output: str | Path, name: str = "output") -> Path:
    """Return the path if a picture can be written there; nothing is left behind."""
    path = Path(output)
    if path.suffix.lower() not in {".png", ".jpg", ".jpeg", ".webp"}:
        raise InvalidInputError(
            f"`{name}` must be a file name that ends in .png, .jpg or .webp; "
            f"got {describe(str(path))}."
        )
    existed = path.exists()
    try:
        path.open("ab").close()
    except OSError as error:
        raise InvalidInputError(
            f"`{name}` must be a file that can be written; got {str(path)!r} ({error.strerror})."
        ) from error
    if not existed:
        path.unlink()
    return path


def run(output: str | Path = "limelens-demo.png", *, n_samples: int = 1000) -> Path:
    """Train, explain, write the sheet, and report on standard output.

    Parameters
    ----------
    output : path
        The picture, a PNG, JPEG or WebP file.
    n_samples : int
        Masked images per explanation.

    Returns
    -------
    output : Path

    Raises
    ------
    InvalidInputError
        If the file cannot be written; said before any work is done.
    """
    path = check_output(output)
    start = time.perf_counter()
    tell("Training two classifiers: face or no face, on 199 bundled images of 25 x 25 pixels")
    classifiers = train()
    for classifier in classifiers:
        tell(f"  {classifier.name}: {classifier.accuracy:.1%} right in five-fold cross-validation")
    explainer = Lime(segmenter=Grid(N_CELLS), n_samples=n_samples)
    cases = []
    for photograph in photographs():
        tell(f"\nWhy is this a face? {photograph.title}")
        for classifier in classifiers:
            explanation, sharp = (
                each.explain(
                    photograph.image,
                    classifier,
                    target=FACE,
                    class_names=CLASS_NAMES,
                    rng=0,
                    progress=tick,
                )
                for each in (explainer, Sharp())
            )
            cases.append(Case(photograph, classifier, explanation, sharp))
            tell(cases[-1].report())
    draw(cases).save(path)
    tell(f"\nWrote {path} after {time.perf_counter() - start:.0f} s.")
    return path


def tell(text: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def tick(done: int, total: int) -> None:
    """Count scored images in one line of the terminal; files and pipes get no such line."""
    if sys.stderr.isatty():
        line = f"  {done} of {total} images"
        sys.stderr.write(f"\r{line}" if done < total else "\r" + " " * len(line) + "\r")
        sys.stderr.flush()
