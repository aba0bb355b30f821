"""One page for many explanations, to find the images that are worth a look."""

from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from limelens._checks.bands import Bands, warn_of_bands
from limelens._checks.values import check_choice, check_int, check_text, describe, if_failed
from limelens._typing import Floats
from limelens.errors import InvalidInputError
from limelens.pictures.display import resize
from limelens.pictures.report import THEMES, packed_map, page
from limelens.results.explanation import Explanation
from limelens.results.pages import explanation_item
from limelens.results.renderings import n_channels, shown_bands
from limelens.results.words import finite, shown_name
from limelens.results.written import path_ending_in, write_text

_MEAN_SIDE, _QUALITY = 64, 60


def report(
    explanations: Iterable[Any] | str | PathLike[str],
    path: str | PathLike[str],
    *,
    truth: Sequence[int | str] | None = None,
    names: Sequence[str] | None = None,
    title: str = "",
    max_side: int = 320,
    theme: str = "auto",
    bands: Bands = None,
) -> Path:
    """Write a gallery of many explanations as one page that needs nothing else.

    The images can be sorted, and filtered by class, by right and wrong answers, by score and by
    confidence. Every explained target shows its mean map, and every image opens its own page.
    Explanations are read one after the other, so memory holds only one of them and the page.

    Parameters
    ----------
    explanations : iterable of Explanation or path, or path of a folder
        Explanations, or files that `Explanation.save` wrote. For a folder, all its `.npz` files in
        the order of their names.
    path : path
        The file that is written, usually `.html`.
    truth : sequence of int or str, optional
        True class of each image: a score column, or a name among the explained targets.
    names : sequence of str, optional
        Names of the images. Without them, the names of the files, or "image 1", "image 2", ...
    title : str, optional
        Heading of the page, instead of "Explanations".
    max_side : int, optional
        Longest side of each picture. 200 photographs of 320 pixels take up to 5 MB.
    theme : {"auto", "light", "dark"}, optional
        Colours of the page. "auto" follows the reader's system.
    bands : int or sequence of int, optional
        The channels of the images that are shown, see `draw_overlay`.

    Returns
    -------
    path : pathlib.Path

    Raises
    ------
    InvalidInputError
        If there is no explanation, something else is among them, or `truth` or `names` have
        another length.

    Notes
    -----
    An image's class is the column of its highest score; if the target is a function of the scores,
    it is the target. An image's map and score are those of its first target. The page names this
    target where it is another class. The confidence is the highest score. The mean map of a target
    averages the maps of all images that explain it first, each stretched to a square.

    Examples
    --------
    >>> import tempfile
    >>> import limelens as ll
    >>> explainer = ll.Ablation(segmenter=ll.Grid(4), fill=ll.Constant(0))
    >>> bright = explainer.explain(np.eye(8), lambda batch: batch.mean(axis=(1, 2)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report([bright, bright], Path(folder) / "all.html").name
    'all.html'
    """
    check_text("title", title)
    named_path = path_ending_in(".html", path, "report(explanations, {path!r})", several=True)
    max_side = check_int("max_side", max_side, minimum=16)
    check_choice("theme", theme, THEMES)
    items: list[dict[str, Any]] = []
    means: dict[str, list[Floats]] = {}
    methods: dict[str, None] = {}
    told = False
    for index, (name, explanation) in enumerate(opened(explanations)):
        named = name if names is None else _entry("names", names, index)
        true = None if truth is None else _entry("truth", truth, index)
        colors = shown_bands(explanation, bands)
        told = told or warn_of_bands(n_channels(explanation), colors)
        item = explanation_item([explanation], max_side, colors, quality=_QUALITY, brief=True)
        item["card"] = _card(explanation, named, true)
        items.append(item)
        methods[explanation.explainer.partition("(")[0]] = None
        means.setdefault(item["card"]["map"], []).append(_square(explanation))
    _check_lengths(len(items), truth=truth, names=names)
    facts = f"{len(items)} images, explained by {', '.join(filter(None, methods)) or 'limelens'}"
    extra = {
        "heading": title or "Explanations",
        "facts": facts,
        "means": [_mean_of(*each) for each in sorted(means.items())],
    }
    html = page(items, "gallery.js", title="", theme=theme, extra=extra)
    write_text(named_path, html)
    return named_path


def opened(explanations: Any) -> Iterator[tuple[str, Explanation]]:
    """Yield every explanation with its name. A file is read only when its turn comes."""
    if isinstance(explanations, (str, PathLike)):
        folder = Path(explanations)
        if not folder.is_dir():
            raise InvalidInputError(
                "`explanations` must be explanations, their files, or a folder of these; got "
                f"{str(folder)!r}, which is no folder. One file: report([path], ...)."
            )
        explanations = sorted(folder.glob("*.npz"))
    if isinstance(explanations, Explanation) or not isinstance(explanations, Iterable):
        raise InvalidInputError(
            "`explanations` must be a sequence of Explanation: [explanation]; "
            f"got {describe(explanations)}."
        )
    for index, each in enumerate(explanations):
        if isinstance(each, Explanation):
            yield f"image {index + 1}", each
        elif isinstance(each, (str, PathLike)):
            yield Path(each).stem, Explanation.load(each)
        else:
            raise InvalidInputError(
                "`explanations` must hold explanations or their files; got "
                f"{describe(each)}.{if_failed(each)}"
            )


def _entry(name: str, values: Sequence[Any], index: int) -> Any:
    if isinstance(values, str) or not isinstance(values, (Sequence, np.ndarray)):
        raise InvalidInputError(
            f"`{name}` must be a sequence with one entry for each image; got {describe(values)}."
        )
    if index >= len(values):
        raise InvalidInputError(
            f"`{name}` must have one entry for each image; got {len(values)} for more images."
        )
    return check_text(name, values[index]) if name == "names" else values[index]


def _check_lengths(n: int, *, truth: Sequence[Any] | None, names: Sequence[Any] | None) -> None:
    if n == 0:
        raise InvalidInputError("`explanations` must hold at least one explanation; got none.")
    for name, values in (("truth", truth), ("names", names)):
        if values is not None and len(values) != n:
            raise InvalidInputError(
                f"`{name}` must have one entry for each of the {n} images; got {len(values)}."
            )


def _card(explanation: Explanation, name: str, truth: Any) -> dict[str, Any]:
    """Return the facts about one image that the gallery shows and filters by."""
    values, reliability = explanation.target_values, explanation.reliability
    true, right = _verdict(explanation, truth)
    return {
        "name": name,
        "class": _class_of(explanation),
        "map": shown_name(explanation, 0),
        "truth": true,
        "right": right,
        "score": None if values is None else finite(values[0, 0]),
        "confidence": finite(explanation.scores.max()),
        "reliability": None if reliability is None else finite(reliability[0]),
    }


def _class_of(explanation: Explanation) -> str:
    """Return the class that the model answers with."""
    if not explanation.targets_are_columns or len(explanation.scores) == 1:
        return shown_name(explanation, 0)
    return _name_of(explanation, int(np.argmax(explanation.scores)))


def _name_of(explanation: Explanation, column: int) -> str:
    if column in explanation.targets:
        return shown_name(explanation, explanation.targets.index(column))
    return f"class {column}"


def _verdict(explanation: Explanation, truth: Any) -> tuple[str | None, bool | None]:
    """Return the name of the true class, and whether the model's answer is it."""
    if truth is None:
        return None, None
    if isinstance(truth, str):
        return truth, truth == _class_of(explanation)
    if isinstance(truth, Integral) and not isinstance(truth, bool):
        column = check_int("truth", truth, minimum=0, maximum=len(explanation.scores) - 1)
        return _name_of(explanation, column), column == int(np.argmax(explanation.scores))
    raise InvalidInputError(f"`truth` must hold score columns or names; got {describe(truth)}.")


def _square(explanation: Explanation) -> Floats:
    """Return the first target's map stretched to a square; for volumes, the mean of the slices."""
    heatmap = explanation.heatmap(interpolation="nearest")
    plane = heatmap.mean(axis=0) if heatmap.ndim == 3 else heatmap
    return np.asarray(resize(plane, (_MEAN_SIDE, _MEAN_SIDE)), dtype=np.float64)


def _mean_of(name: str, squares: list[Floats]) -> dict[str, Any]:
    mean = np.mean(squares, axis=0)
    peak = float(np.abs(mean).max())
    return {"class": name, "count": len(squares), "peak": peak, "map": packed_map([mean], peak)}
