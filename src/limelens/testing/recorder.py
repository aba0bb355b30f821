"""A `predict_fn` that records the batches it was called with."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from limelens._checks.values import check_callable, check_flag, check_int
from limelens._typing import Batch, PredictFn

_OFFERS = ("gradient", "features", "prepare", "predict_prepared", "class_names")


@dataclass(eq=False)
class Recorder:
    """Wrap a `predict_fn`, pass every call through, and remember it.

    Parameters
    ----------
    predict_fn : callable
        From `(n, *image.shape)` to scores. The recorder offers the optional attributes `gradient`,
        `features`, `prepare` and `predict_prepared` only if the model has them.
    keep : bool, default False
        Also keep a copy of every batch in `batches`.
    fail_at_call : int, optional
        Raise `error` at this call (the first is 1) instead of answering; later calls work again.
    max_images : int, optional
        Raise `MemoryError` whenever a batch holds more images than this.
    error : Exception, optional
        Exception that is raised at `fail_at_call`; by default a RuntimeError.

    Attributes
    ----------
    batch_sizes, shapes, dtypes : list
        One entry for each answered call of the model or of its `predict_prepared`.
    gradient_batch_sizes : list of int
        One entry for each call of `gradient` or `features`.
    batches : list of ndarray
        The batches themselves, if `keep`.
    n_calls : int
        Calls so far, the failed ones included.

    Examples
    --------
    >>> import numpy as np
    >>> model = Recorder(lambda batch: batch.mean(axis=(1, 2)))
    >>> model(np.zeros((3, 2, 2), dtype=np.uint8))
    array([0., 0., 0.])
    >>> model.n_images, model.batch_sizes, model.shapes, model.dtypes
    (3, [3], [(3, 2, 2)], [dtype('uint8')])
    >>> hasattr(model, "gradient")
    False
    """

    predict_fn: PredictFn
    _: KW_ONLY
    keep: bool = False
    fail_at_call: int | None = None
    max_images: int | None = None
    error: Exception = field(default_factory=lambda: RuntimeError("this call fails on purpose"))
    batch_sizes: list[int] = field(default_factory=list, init=False)
    shapes: list[tuple[int, ...]] = field(default_factory=list, init=False, repr=False)
    dtypes: list[Any] = field(default_factory=list, init=False, repr=False)
    gradient_batch_sizes: list[int] = field(default_factory=list, init=False, repr=False)
    batches: list[Batch] = field(default_factory=list, init=False, repr=False)
    n_calls: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        check_callable("predict_fn", self.predict_fn, "(batch) -> scores")
        check_flag("keep", self.keep)
        for name in ("fail_at_call", "max_images"):
            if getattr(self, name) is not None:
                check_int(name, getattr(self, name), minimum=1)

    @property
    def n_images(self) -> int:
        """Number of images that the model has scored."""
        return sum(self.batch_sizes)

    def __call__(self, batch: Batch) -> Any:
        """Answer as the model does."""
        return self._answer(self.predict_fn, batch)

    def __getattr__(self, name: str) -> Any:
        # Known names only: `copy` asks a new object for attributes before it has any fields.
        offered = getattr(self.predict_fn, name, None) if name in _OFFERS else None
        if offered is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if name in ("prepare", "class_names"):
            return offered
        if name == "predict_prepared":
            return lambda batch: self._answer(offered, batch)
        return lambda batch, target: self._differentiate(offered, batch, target)

    def _answer(self, predict_fn: PredictFn, batch: Batch) -> Any:
        self.n_calls += 1
        if self.n_calls == self.fail_at_call:
            raise self.error
        if self.max_images is not None and len(batch) > self.max_images:
            raise MemoryError(f"{len(batch)} images do not fit; {self.max_images} do")
        if self.keep:
            self.batches.append(batch.copy() if hasattr(batch, "copy") else batch)
        shape, dtype = tuple(batch.shape), batch.dtype
        answer = predict_fn(batch)
        self.batch_sizes.append(len(batch))
        self.shapes.append(shape)
        self.dtypes.append(dtype)
        return answer

    def _differentiate(self, offered: Callable[..., Any], batch: Batch, target: int) -> Any:
        self.gradient_batch_sizes.append(len(batch))
        return offered(batch, target)
