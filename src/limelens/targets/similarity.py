"""Embeddings: how close an image is to texts, other images or a class."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from limelens._checks.models import check_model
from limelens._checks.values import describe
from limelens._typing import Batch, Floats
from limelens.errors import InvalidInputError, PredictionError
from limelens.targets.reading import check_names, given_numbers, rows


@dataclass(frozen=True, eq=False)
class SimilarityScores:
    """An embedding as a model with one score per reference; see `similarity_scores`.

    Parameters
    ----------
    embed : callable
    references : ndarray of float64, shape (t, e)
        Reference vectors, each of length 1.
    class_names : tuple of str
        Names of the score columns.
    """

    embed: Callable[[Batch], Any]
    references: Floats
    class_names: tuple[str, ...]

    gives_probabilities: ClassVar[bool] = False

    def __call__(self, batch: Batch) -> Floats:
        """Score a batch `(n, *image.shape)`: `(n, t)`, from -1 to 1."""
        e = self.references.shape[1]
        want = f"vectors ({len(batch)}, {e}) like `references`"
        vectors = rows("`embed`", self.embed(batch), len(batch), want, ndim=(2,))
        if vectors.shape[1] != e:
            raise PredictionError(
                f"`embed` must return vectors of the {e} entries that `references` have; got "
                f"{vectors.shape[1]}. Make both with the same model."
            )
        return np.asarray(_of_length_one(vectors.astype(np.float64)) @ self.references.T)


def similarity_scores(
    embed: Callable[[Batch], Any],
    references: ArrayLike | Mapping[str, ArrayLike],
    *,
    names: Sequence[str] | None = None,
) -> SimilarityScores:
    r"""Explain a retrieval or zero-shot model: cosine similarity to reference vectors.

    References may be the embeddings of texts (a zero-shot classifier), of other images (why these
    were retrieved) or the mean embedding of a class. `Rise` on these scores is SBSM.

    Parameters
    ----------
    embed : callable
        From `(n, *image.shape)` to embeddings `(n, e)`, of any length.
    references : array_like, shape (t, e) or (e,), or mapping from name to (e,)
        Vectors that embeddings are compared with.
    names : sequence of str, optional
        Names of the score columns.

    Returns
    -------
    SimilarityScores
        A `predict_fn` with scores (n, t) from -1 to 1; 0 for an embedding of zeros, which has no
        direction.

    Raises
    ------
    InvalidInputError
        If an argument cannot be used.
    PredictionError
        When called, if the embeddings do not fit the references.

    Notes
    -----
    The score of reference r is :math:`x \cdot r / (|x| |r|)`. A softmax over several prompts would
    make every score depend on all of them. The similarities themselves show one prompt alone, and
    ``target=ll.margin(0, 1)`` shows one against another.

    References
    ----------
    B. Dong, R. Collins, A. Hoogs, "Explainability for content-based image retrieval", CVPR
    Workshops 2019.

    Examples
    --------
    >>> def embed(batch):  # amounts of red, green and blue
    ...     return batch.mean(axis=(1, 2))
    >>> model = similarity_scores(embed, {"red": [1, 0, 0], "yellow": [1, 1, 0]})
    >>> model(np.array([[[[1.0, 0.0, 0.0]]], [[[0.0, 0.0, 1.0]]]])).round(3)
    array([[1.   , 0.707],
           [0.   , 0.   ]])
    """
    check_model("embed", embed, "embeddings")
    if isinstance(references, Mapping):
        if names is not None:
            raise InvalidInputError(
                "`names` must be left out where `references` have names of their own."
            )
        names = list(references)
        try:
            references = np.stack(
                [given_numbers("references", each) for each in references.values()]
            )
        except ValueError as error:
            if isinstance(error, InvalidInputError):
                raise
            raise InvalidInputError(
                f"`references` must be vectors of one length, at least one; {error}."
            ) from error
    vectors = given_numbers("references", references).astype(np.float64)
    vectors = vectors[np.newaxis] if vectors.ndim == 1 else vectors
    if vectors.ndim != 2 or vectors.size == 0:
        raise InvalidInputError(f"`references` must be vectors (t, e); got {describe(vectors)}.")
    empty = np.flatnonzero(~vectors.any(axis=1))
    if len(empty):
        raise InvalidInputError(
            f"`references` must have a direction; vector {empty[0]} is all zero."
        )
    t = len(vectors)
    return SimilarityScores(
        embed=embed,
        references=_of_length_one(vectors),
        class_names=check_names(names, lambda: [f"reference {i}" for i in range(t)], t),
    )


def _of_length_one(vectors: Floats) -> Floats:
    """Return the directions of vectors (n, e); zeros stay zeros."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)  # squares of huge entries would overflow
    vectors = vectors / np.where(largest > 0, largest, 1.0)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0))
