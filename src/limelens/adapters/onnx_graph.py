"""An ONNX graph called from NumPy, in its own layout, dtype and batch size."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import describe
from limelens._typing import Batch
from limelens.adapters.outputs import Output, activated
from limelens.adapters.pixels import Pixels
from limelens.errors import InvalidInputError, add_note

DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(uint16)": "uint16",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}
LAYOUTS = ("channels_first", "channels_last")


@dataclass(frozen=True, kw_only=True, eq=False)
class Session:
    """A session of ONNX Runtime. Only its graph is sent to another process.

    Attributes
    ----------
    source : str, bytes or None
        A path or the graph itself; None for a session that the caller made.
    session : onnxruntime.InferenceSession
    """

    source: str | bytes | None
    session: Any

    def __getstate__(self) -> dict[str, Any]:
        if self.source is None:
            raise TypeError(
                "a session cannot be sent to another process; make the model of the graph's path: "
                'from_onnx("model.onnx").'
            )
        return {"source": self.source}

    def __setstate__(self, state: dict[str, Any]) -> None:
        object.__setattr__(self, "source", state["source"])
        object.__setattr__(self, "session", start_session(state["source"]))


def start_session(source: str | bytes) -> Any:
    """Load a graph, on the best of the devices that ONNX Runtime has here."""
    import onnxruntime  # noqa: PLC0415

    return onnxruntime.InferenceSession(source, providers=onnxruntime.get_available_providers())


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """A graph, and the conversion of the caller's batches to its input.

    Attributes
    ----------
    session : Session
    name : str
        Name of the graph's input.
    shape : tuple of int or None
        Shape of the input; None where an axis may have any length.
    dtype : numpy.dtype
        Dtype of the input.
    pixels : Pixels
    preprocess : callable or None
        Makes the graph's input from a batch, in place of all other settings.
    size : (int, int) or None
    layout : str or None
        Where the input has its channels; None finds it from the shape.
    output : str or callable
    """

    session: Session
    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]
    pixels: Pixels
    preprocess: Callable[[Batch], Any] | None
    size: tuple[int, int] | None
    layout: str | None
    output: Output

    def predict(self, batch: Batch) -> NDArray[Any]:
        """Return the scores of a batch in the caller's layout."""
        if self.preprocess is not None:
            return self._run(np.asarray(self.preprocess(batch)).astype(self.dtype, copy=False))
        return self.predict_prepared(self.prepare(batch))

    def prepare(self, batch: Batch) -> NDArray[Any]:
        """Return the batch in the graph's layout and dtype, scaled and normalised."""
        axis = self.pixels.axis_of(batch.shape)
        images = batch[:, np.newaxis] if axis is None else np.moveaxis(batch, axis, 1)
        images = self._scaled(images)
        if self._layout_for(images.shape) == "channels_last":
            images = np.moveaxis(images, 1, -1)
        return np.ascontiguousarray(images)

    def predict_prepared(self, prepared: NDArray[Any]) -> NDArray[Any]:
        """Return the scores of prepared images."""
        if self.size is not None:
            prepared = resized(prepared, self.size, self._channel_axis(prepared))
        return self._run(prepared)

    def _scaled(self, images: NDArray[Any]) -> NDArray[Any]:
        """Scale and normalise `(n, C, *spatial)`; a graph that takes integers gets the pixels."""
        pixels = self.pixels
        if self.dtype.kind != "f":
            untouched = pixels.scale is None and pixels.mean is None and pixels.std is None
            if images.dtype != self.dtype or not untouched:
                raise InvalidInputError(
                    f"`image` must be {self.dtype} for this graph, which takes pixels as they are, "
                    f"without scale, mean and std; got {images.dtype}. Or pass preprocess=..."
                )
            return images
        work = np.promote_types(self.dtype, np.float32)
        scaled = images.astype(work) * work.type(pixels.scale_of(images.dtype))
        moments = pixels.moments(images.shape[1])
        if moments is not None:
            shape = (-1, *(1,) * (images.ndim - 2))
            mean, std = (values.astype(work).reshape(shape) for values in moments)
            scaled = (scaled - mean) / std
        return scaled.astype(self.dtype, copy=False)

    def _layout_for(self, shape: tuple[int, ...]) -> str:
        """Return where the graph has the channels of images `(n, C, *spatial)`."""
        if self.layout is not None:
            return self.layout
        channels, spatial = shape[1], shape[2:] if self.size is None else self.size
        options = {
            "channels_first": (channels, *spatial),
            "channels_last": (*spatial, channels),
        }
        fitting = [name for name, sides in options.items() if self._takes(sides)]
        if len(fitting) == 1:
            return fitting[0]
        raise InvalidInputError(self._misfit(options, fitting))

    def _takes(self, sides: tuple[int, ...]) -> bool:
        return len(self.shape) == len(sides) + 1 and all(
            wanted in (None, side) for wanted, side in zip(self.shape[1:], sides, strict=True)
        )

    def _misfit(self, options: dict[str, tuple[int, ...]], fitting: list[str]) -> str:
        """Say why no layout, or more than one, fits."""
        wanted = tuple("any" if side is None else side for side in self.shape)
        if fitting:
            return (
                f"`layout` must say where the graph has its channels, as its input {wanted} fits "
                'both: pass layout="channels_first" or layout="channels_last".'
            )
        msg = (
            f"`model` has an input of shape {wanted}, which images of {options['channels_last']} "
            "(channels last) do not fit."
        )
        if len(self.shape) == 4:
            channels = options["channels_first"][0]
            ends = (self.shape[1] == channels, self.shape[3] == channels)
            if ends[0] != ends[1]:
                sides = self.shape[2:] if ends[0] else self.shape[1:3]
                if None not in sides:
                    return f"{msg} Pass size={sides}."
        return f"{msg} Make its input of them: preprocess=lambda batch: ..."

    def _channel_axis(self, prepared: NDArray[Any]) -> int:
        """Return where a prepared batch has its channels."""
        if self.layout is not None:
            return 1 if self.layout == "channels_first" else prepared.ndim - 1
        height, width = self.size or (0, 0)
        first = self._takes((prepared.shape[1], height, width))
        return 1 if first else prepared.ndim - 1

    def _run(self, images: NDArray[Any]) -> NDArray[Any]:
        parts = []
        for part, n_images in self._batches(images):
            try:
                outputs = self.session.session.run(None, {self.name: part})
            except Exception as error:
                given = f"{part.dtype} array of {part.shape}"
                add_note(error, f"raised by the graph on its input {self.name!r}, a {given}")
                raise
            raw = self.output(outputs) if callable(self.output) else outputs[0]
            parts.append(_check_array(raw, len(part))[:n_images])
        raw = np.concatenate(parts)
        if raw.dtype == np.float16:
            return activated(raw.astype(np.float32), self.output, is_coarse=True)
        return activated(raw, self.output)

    def _batches(self, images: NDArray[Any]) -> Iterator[tuple[NDArray[Any], int]]:
        """Yield batches of the size that the graph takes, and how many of their images count."""
        fixed = self.shape[0] if self.shape else None
        step = len(images) if fixed is None else fixed
        for start in range(0, len(images), step):
            part = images[start : start + step]
            n_images = len(part)
            if n_images < step:
                part = np.concatenate([part, np.repeat(part[-1:], step - n_images, axis=0)])
            yield np.ascontiguousarray(part), n_images


def resized(batch: NDArray[Any], size: tuple[int, int], channel_axis: int) -> NDArray[Any]:
    """Resize pictures as PyTorch does: bilinear, with antialiasing where they shrink.

    Examples
    --------
    >>> resized(np.array([[[[0.0, 1.0, 2.0, 3.0]]]], np.float32), (1, 2), 1).round(3)
    array([[[[0.714, 2.286]]]], dtype=float32)
    """
    from PIL import Image  # noqa: PLC0415

    if batch.ndim != 4:
        raise InvalidInputError(
            "`size` must be left out for volumes; resize them in `preprocess`. Got an array of "
            f"shape {batch.shape}."
        )
    height, width = size
    planes = np.moveaxis(batch, channel_axis, 1)
    made = np.empty((*planes.shape[:2], height, width), dtype=np.float32)
    for place in np.ndindex(*made.shape[:2]):
        plane = Image.fromarray(np.ascontiguousarray(planes[place], dtype=np.float32))
        made[place] = plane.resize((width, height), Image.Resampling.BILINEAR)
    if batch.dtype.kind != "f":
        made = np.rint(made)
    return np.ascontiguousarray(np.moveaxis(made, 1, channel_axis).astype(batch.dtype))


def _check_array(raw: Any, n_images: int) -> NDArray[Any]:
    """Return the scores if they are an array with one row for each image."""
    is_array = isinstance(raw, np.ndarray) and raw.dtype.kind in "buif" and raw.ndim > 0
    if not is_array or len(raw) != n_images:
        raise InvalidInputError(
            f"`output` must pick scores, an array ({n_images}, n_targets) for {n_images} images; "
            f"got {describe(raw)}. Pass output=lambda outputs: outputs[1], for example."
        )
    return raw
