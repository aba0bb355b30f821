"""A model behind a web address, or behind any other client."""

import http.client
import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from limelens._checks.values import check_callable, check_int, check_number, describe
from limelens._typing import Batch, ClassNames
from limelens.adapters.in_flight import PassingError, Remote
from limelens.engine.model import Model
from limelens.errors import InvalidInputError, PredictionError

PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Statuses after which another try may succeed."""


def from_http(
    url: "str | Callable[[Batch], Any]",
    *,
    encode: Callable[[Batch], bytes | str] | None = None,
    decode: Callable[[bytes], Any] | None = None,
    images_per_request: int = 1,
    in_flight: int = 8,
    retries: int = 3,
    timeout: float = 30.0,
    backoff: float = 0.5,
    headers: Mapping[str, str] | None = None,
    class_names: ClassNames = None,
) -> Model:
    """Make a model of a web service, or of any client that is slow to answer.

    Several requests are under way at once, and their answers are put in order. A request that
    fails is sent again after a wait that doubles each time. If a request fails for good, the
    answers to the others are kept, and the next call of the same model does not ask again.

    Parameters
    ----------
    url : str or callable
        Address that images are posted to, or a callable ``(images (m, *image.shape)) -> scores
        (m, k)`` that sends one request in another way. Several threads may call it at once.
    encode : callable, optional
        ``(images (m, *image.shape)) -> bytes or str``, the body of a request. None writes JSON,
        ``{"instances": [...]}``, which TensorFlow Serving, KServe and Vertex AI read.
    decode : callable, optional
        ``(body of the answer) -> scores (m, k)``, or `(k,)` for one image. None reads JSON,
        ``{"predictions": [...]}``.
    images_per_request : int
        Most images that one request holds.
    in_flight : int
        Most requests under way at once.
    retries : int
        How often a request is sent again. An address is tried again after a connection that fails
        or breaks off, a time-out, an answer that cannot be decoded, and the statuses 408, 425, 429,
        500, 502, 503 and 504. A callable is tried again after any exception that is not plainly a
        bug, such as TypeError.
    timeout : float
        Seconds to wait for an answer.
    backoff : float
        Longest wait in seconds before the second try; each further wait is twice as long. A
        server's Retry-After is obeyed, up to `timeout`.
    headers : mapping from str to str, optional
        Headers of every request, such as Authorization or Content-Type.
    class_names : sequence of str or mapping from int to str, optional
        Names of the score columns.

    Returns
    -------
    Model
        Raises `PredictionError` when a request has failed for good.

    Raises
    ------
    InvalidInputError
        If an argument cannot be used, or one that describes requests is given with a callable.

    Notes
    -----
    `explain` passes `batch_size` images at once, so no more images of one batch can be in flight.
    The model may be called from several threads: with `images_per_request=64`, for example,
    ``explain(..., batch_size=64, in_flight=8)`` keeps eight requests under way.

    Examples
    --------
    A callable in place of an address needs no network here:

    >>> import numpy as np
    >>> def send(images):
    ...     return images.mean(axis=(1, 2))
    >>> model = from_http(send, in_flight=2)
    >>> model(np.array([[[1.0, 3.0]], [[5.0, 7.0]]]))
    array([[2.],
           [6.]])
    """
    remote = Remote(
        send=_sender(url, encode=encode, decode=decode, headers=headers, timeout=timeout),
        images_per_request=check_int("images_per_request", images_per_request, minimum=1),
        in_flight=check_int("in_flight", in_flight, minimum=1),
        retries=check_int("retries", retries, minimum=0),
        timeout=check_number("timeout", timeout, minimum=0, open_minimum=True),
        backoff=check_number("backoff", backoff, minimum=0),
    )
    return Model(predict_fn=remote, class_names=class_names)


@dataclass(frozen=True, kw_only=True, eq=False)
class Post:
    """One request: images in, scores out."""

    url: str
    encode: Callable[[Batch], bytes | str]
    decode: Callable[[bytes], Any]
    headers: Mapping[str, str]
    timeout: float

    def __call__(self, images: Batch) -> Any:
        """Send some images and return their scores."""
        answer = self._post(self._body(images))
        try:
            return self.decode(answer)
        except Exception as error:
            start = answer[:80].decode(errors="replace")
            raise PassingError(
                f"`decode` cannot read the answer {start!r} ({type(error).__name__}: {error})"
            ) from error

    def _body(self, images: Batch) -> bytes:
        try:
            body = self.encode(images)
        except Exception as error:  # the same images would fail again
            raise PredictionError(f"`encode` raised {type(error).__name__}: {error}") from error
        if not isinstance(body, (bytes, str)):
            raise PredictionError(f"`encode` must return bytes or a str; got {describe(body)}.")
        return body.encode() if isinstance(body, str) else body

    def _post(self, data: bytes) -> bytes:
        request = urllib.request.Request(
            self.url, data=data, headers=dict(self.headers), method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            raise _refused(error, self.url) from error
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            raise PassingError(f"{self.url}: {getattr(error, 'reason', error)!r}") from error


def to_json(images: Batch) -> bytes:
    """Write images as ``{"instances": [...]}``.

    Examples
    --------
    >>> to_json(np.array([[[0, 255]]], np.uint8))
    b'{"instances": [[[0, 255]]]}'
    """
    return json.dumps({"instances": images.tolist()}).encode()


def from_json(body: bytes) -> Any:
    """Read scores from ``{"predictions": [...]}``.

    Examples
    --------
    >>> from_json(b'{"predictions": [[0.25, 0.75]]}')
    array([[0.25, 0.75]])
    """
    return np.asarray(json.loads(body)["predictions"], dtype=np.float64)


def _sender(
    url: object, *, encode: object, decode: object, headers: object, timeout: float
) -> Callable[[Batch], Any]:
    """Return the function that sends one request."""
    if not isinstance(url, str):
        check_callable("url", url, "(images) -> scores, or a web address")
        for name, value in (("encode", encode), ("decode", decode), ("headers", headers)):
            if value is not None:
                raise InvalidInputError(
                    f"`{name}` belongs to a web address; the callable `url` does all of that."
                )
        return url  # type: ignore[return-value]
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InvalidInputError(
            '`url` must be an address such as "http://127.0.0.1:8501/v1/models/m:predict", or a '
            f"callable; got {describe(url)}."
        )
    return Post(
        url=url,
        encode=to_json if encode is None else check_callable("encode", encode, "(images) -> bytes"),
        decode=from_json
        if decode is None
        else check_callable("decode", decode, "(bytes) -> scores"),
        headers=_headers(headers, is_json=encode is None),
        timeout=timeout,
    )


def _headers(headers: object, *, is_json: bool) -> dict[str, str]:
    kind = "application/json" if is_json else "application/octet-stream"
    if headers is None:
        return {"Content-Type": kind}
    items = headers.items() if isinstance(headers, Mapping) else [(None, headers)]
    if not all(isinstance(text, str) for pair in items for text in pair):
        raise InvalidInputError(
            f"`headers` must be a mapping from str to str; got {type(headers).__name__}."
        )
    pairs = {str(name): str(value) for name, value in items}
    named = {name.lower() for name in pairs}
    return pairs if "content-type" in named else {"Content-Type": kind, **pairs}


def _refused(error: urllib.error.HTTPError, url: str) -> Exception:
    """Return the error for a status other than success: it says whether to try again."""
    with error:
        try:
            text = error.read(500).decode(errors="replace").strip()
        except (OSError, http.client.HTTPException):
            text = ""
    said = f"HTTP {error.code} {error.reason}" + (f": {text[:200]}" if text else "")
    if error.code in PASSING:
        return PassingError(f"{url}: {said}", _seconds(error.headers.get("Retry-After")))
    return PredictionError(f"{url} refused a request of images with {said}.")


def _seconds(retry_after: str | None) -> float | None:
    """Return a Retry-After in seconds; None for a date, which the back-off replaces."""
    try:
        seconds = float(retry_after or "nan")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None
