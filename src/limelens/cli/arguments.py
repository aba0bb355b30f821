"""What the commands share: images, models, methods and targets as they are written in a shell."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import limelens
from limelens.adapters.onnx import from_onnx
from limelens.engine.batches import BatchSize
from limelens.errors import InvalidInputError
from limelens.runs.models import loaded_model
from limelens.runs.reading import named_images, read_image
from limelens.targets.columns import meant


@dataclass(frozen=True, kw_only=True, eq=False)
class Command:
    """One command of the command line.

    Attributes
    ----------
    name, usage, help, examples : str
        What `--help` shows.
    add_arguments : callable
        Adds the command's arguments to its parser.
    run : callable
        From the parsed arguments to the exit code.
    """

    name: str
    usage: str
    help: str
    examples: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def number_or_auto(text: str) -> BatchSize:
    """Read a batch size.

    Examples
    --------
    >>> number_or_auto("32"), number_or_auto("auto")
    (32, 'auto')
    """
    return "auto" if text == "auto" else int(text)


def add_model(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the arguments that say what is asked, and what it is asked about."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        required=required,
        metavar="MODEL",
        help="model.onnx, or module:function: from a batch (n, H, W, C) to scores (n, k)",
    )
    group.add_argument("--classes", metavar="FILE", help="names of the score columns, one a line")
    group.add_argument(
        "--target",
        action="append",
        metavar="CLASS",
        help="score column or name of a class, may be repeated (default: the highest score)",
    )
    group.add_argument(
        "--batch-size",
        type=number_or_auto,
        default="auto",
        metavar="N",
        help="most images a call; auto finds the fastest",
    )
    group.add_argument(
        "--in-flight",
        type=int,
        default=1,
        metavar="N",
        help="calls under way at once, for models that may be called from threads (default: 1)",
    )
    group = parser.add_argument_group("pixels of an ONNX model")
    words = "{} of the scaled pixels, a number or one for each channel: 0.485,0.456,0.406"
    group.add_argument("--mean", type=_numbers, metavar="X", help=words.format("mean"))
    group.add_argument("--std", type=_numbers, metavar="X", help="standard deviation likewise")
    group.add_argument("--scale", type=float, metavar="X", help="factor (default: 1/255 for uint8)")
    group.add_argument("--size", type=_size, metavar="N", help="side of its input, or height,width")
    group.add_argument(
        "--activation",
        choices=("softmax", "sigmoid", "raw"),
        help="what makes scores of its output (default: softmax)",
    )


def add_method(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that set an explainer, beside its name."""
    group = parser.add_argument_group("method")
    group.add_argument("--calls", type=int, metavar="N", help="budget: masked images, or orders")
    add_segments(group, "segments")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is random")


def add_segments(group: Any, name: str) -> None:
    """Add the number of superpixels."""
    group.add_argument(f"--{name}", type=int, metavar="N", help="superpixels (default: about 50)")


def add_color(parser: argparse.ArgumentParser) -> None:
    """Add what becomes of the colours."""
    parser.add_argument(
        "--color",
        choices=("rgb", "grey"),
        help="turn every image into colour or grey (default: as it is stored)",
    )


def add_output(parser: argparse.ArgumentParser, default: str, what: str = "the picture") -> None:
    """Add where a picture goes."""
    parser.add_argument(
        "--output",
        metavar="FILE",
        default=default,
        help=f"where {what} goes (default: %(default)s)",
    )


def model_asked(options: argparse.Namespace) -> Any:
    """Return the model; an ONNX file with what was said of its pixels.

    Raises
    ------
    InvalidInputError
        If it cannot be loaded, or has no such pixels.
    """
    said = {
        "mean": options.mean,
        "std": options.std,
        "scale": options.scale,
        "size": options.size,
        "output": options.activation,
    }
    said = {name: value for name, value in said.items() if value is not None}
    is_onnx = options.model.lower().endswith(".onnx")
    if is_onnx and Path(options.model).is_file():
        return from_onnx(options.model, **said)
    if said and not is_onnx:
        raise InvalidInputError(
            f"--{'activation' if 'output' in said else next(iter(said))} is for ONNX files; got "
            f"--model {options.model}. A function prepares its pixels itself."
        )
    if os.getcwd() not in sys.path:  # noqa: PTH109 - as `python -m` does
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        return loaded_model(options.model)
    except InvalidInputError as error:
        raise InvalidInputError(
            str(error)
            .replace("`predict_fn`", "--model")
            .replace("a callable (batch) -> scores, ", "")
        ) from error


def class_names_asked(options: argparse.Namespace) -> list[str] | None:
    """Return the names of the classes, one a line of a file."""
    return None if options.classes is None else names_of("--classes", options.classes)


def names_of(option: str, path: str) -> list[str]:
    """Return the names in a file, one a line; a mark of the byte order is no part of the first.

    Raises
    ------
    InvalidInputError
        If it cannot be read, or holds none.
    """
    try:
        # Python's `splitlines` would also cut at letters that a name may hold, such as U+2028.
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{option} must be a text file in UTF-8, a name a line; {path!r} is in another "
            "encoding. Save it anew as UTF-8."
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidInputError(
            f"{option} must be a text file, a name a line; {path!r}: {reason}"
        ) from error
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise InvalidInputError(f"{option} must be a text file, a name a line; {path!r} is empty")
    return [line.strip() for line in lines]


def target_asked(options: argparse.Namespace) -> Any:
    """Return score columns and names; digits are a column unless a class has that name.

    Raises
    ------
    InvalidInputError
        If --classes has no such name, and not so many columns.
    """
    if options.target is None:
        return None
    names = class_names_asked(options)
    known = names or []
    found = [
        int(each) if each.isdecimal() and each not in known else each for each in options.target
    ]
    odd = [each for each in found if each not in known and each not in range(len(known))]
    if names is not None and odd:
        raise InvalidInputError(
            f"--target must be a name in {options.classes!r}, or a column from 0 to "
            f"{len(known) - 1}; got {odd[0]!r}.{meant(str(odd[0]), known)}"
        )
    return found


def one_target_asked(options: argparse.Namespace) -> int | str | None:
    """Return the one score column or name that was asked for, if any.

    Raises
    ------
    InvalidInputError
        If there are several, or it is not in --classes.
    """
    found = target_asked(options) or [None]
    if len(found) > 1:
        raise InvalidInputError(f"--target must be given once; got {' and '.join(options.target)}")
    target: int | str | None = found[0]
    return target


def methods() -> dict[str, Any]:
    """Return all explainers by the name of their class in small letters.

    Examples
    --------
    >>> list(methods())[:3]
    ['ablation', 'anchors', 'exactshapley']
    """
    public = {name: getattr(limelens, name) for name in dir(limelens)}
    return {name.lower(): each for name, each in public.items() if hasattr(each, "explain")}


def explainers_asked(names: list[str], options: argparse.Namespace) -> list[Any]:
    """Return explainers with the budget and the segments that were asked for.

    Raises
    ------
    InvalidInputError
        If there is none of a name, or none of them has such a setting.
    """
    known = methods()
    odd = [name for name in names if name.lower() not in known]
    if odd or not names:
        said = f"got {odd[0]!r}.{meant(odd[0], known)}" if odd else "got none."
        raise InvalidInputError(f"--method must be one of {', '.join(known)}; {said}")
    found = [known[name.lower()]() for name in names]
    segmenter = None if options.segments is None else limelens.Slic(options.segments)
    found = _with(found, BUDGETS, options.calls, "--calls", names)
    return _with(found, ("segmenter",), segmenter, "--segments", names)


BUDGETS = ("n_samples", "max_samples", "n_masks", "n_permutations", "n_steps")
"""What --calls sets, of each explainer one."""


def _with(
    explainers: list[Any], fits: tuple[str, ...], value: Any, option: str, names: list[str]
) -> list[Any]:
    """Return explainers with a setting, those that have one of this kind."""
    if value is None:
        return explainers
    own = [
        [each.name for each in fields(explainer) if each.name in fits] for explainer in explainers
    ]
    if not any(own):
        raise InvalidInputError(f"{option} is no setting of {', '.join(names)}; leave it out")
    return [
        replace(explainer, **dict.fromkeys(kept[:1], value))
        for explainer, kept in zip(explainers, own, strict=True)
    ]


def images_asked(paths: list[str], color: str | None, output: Path | None) -> list[tuple[str, Any]]:
    """Return the images of files, folders and patterns by name; colours are turned when read."""
    pairs = [pair for path in paths for pair in named_images(path, leave_out=output).pairs]
    return [(name, partial(_read, path, color) if color else path) for name, path in pairs]


def _read(path: Path, color: str) -> NDArray[Any]:
    return colored(read_image(path), color)


def colored(image: NDArray[Any], color: str | None) -> NDArray[Any]:
    """Return an image of bytes as "rgb" (H, W, 3) or "grey" (H, W).

    Examples
    --------
    >>> colored(np.zeros((2, 2), np.uint8), "rgb").shape
    (2, 2, 3)
    """
    if color is None:
        return image
    if image.dtype not in (np.uint8, np.bool_):
        raise InvalidInputError(
            f"--color is for images of 8 bits; got {image.dtype}. Leave it out."
        )
    from PIL import Image  # noqa: PLC0415

    return np.asarray(Image.fromarray(image).convert({"rgb": "RGB", "grey": "L"}[color]))


def _numbers(text: str) -> float | list[float]:
    values = [float(each) for each in text.split(",")]
    return values[0] if len(values) == 1 else values


def _size(text: str) -> int | tuple[int, int]:
    height, _, width = text.partition(",")
    return (int(height), int(width)) if width else int(height)


# argparse names them in its errors
_numbers.__name__, _size.__name__, number_or_auto.__name__ = "number", "size", "number"


def shown(text: object) -> str:
    r"""Return text for one line: what cannot be printed is escaped.

    Examples
    --------
    >>> print(shown("new\nline.png"))
    new\nline.png
    """
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in str(text)
    )


def target_words(explanation: Any) -> Iterator[str]:
    """Yield each target with its score, most of what a line can say of an explanation."""
    values = explanation.target_values
    for row, name in enumerate(explanation.target_names):
        yield name if values is None else f"{name} {values[row, 0] + 0.0:.3g}"
