"""Captioners and vision-language models: how similar an answer is to a text, or how likely."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from limelens._checks.values import check_callable, describe
from limelens._typing import Batch, Floats
from limelens.errors import InvalidInputError, PredictionError
from limelens.targets.reading import check_names, rows


@dataclass(frozen=True, eq=False)
class TextScores:
    """A model that answers in words, as a model with scores; see `text_scores`.

    Parameters
    ----------
    answer : callable
    score : callable
    class_names : tuple of str or None
        Names of the score columns; None where their number is not known beforehand.
    """

    answer: Callable[[Batch], Any]
    score: Callable[[list[str]], Any]
    class_names: tuple[str, ...] | None

    gives_probabilities: ClassVar[bool] = False

    def __call__(self, batch: Batch) -> Floats:
        """Score a batch `(n, *image.shape)`: `(n, t)`."""
        texts = self.answer(batch)
        is_list = isinstance(texts, (Sequence, np.ndarray)) and not isinstance(texts, (str, bytes))
        if not is_list or len(texts) != len(batch) or not all(isinstance(t, str) for t in texts):
            raise PredictionError(
                f"`answer` was given {len(batch)} images and must return a list of {len(batch)} "
                f"texts; got {describe(texts)}. No answer is an empty text."
            )
        want = f"one number per text, ({len(batch)},) or ({len(batch)}, t)"
        scores = rows("`score`", self.score(list(texts)), len(batch), want, ndim=(1, 2))
        return scores.reshape(len(batch), -1).astype(np.float64)


@dataclass(frozen=True, eq=False)
class TokenOverlap:
    """How many words texts share with references; see `token_overlap`.

    Parameters
    ----------
    references : tuple of str
    """

    references: tuple[str, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the columns: the references."""
        return self.references

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Score texts: `(n, t)`, from 0 to 1."""
        counted = [_words(reference) for reference in self.references]
        return np.array([[_f1(_words(text), other) for other in counted] for text in texts])


@dataclass(frozen=True, eq=False)
class LikelihoodScores:
    """A model that returns how likely answers are, as a model with scores; see `likelihood_scores`.

    Parameters
    ----------
    log_likelihood : callable
    answers : tuple of str
    class_names : tuple of str
        Of the score columns.
    """

    log_likelihood: Callable[[Batch, str], Any]
    answers: tuple[str, ...]
    class_names: tuple[str, ...]

    gives_probabilities: ClassVar[bool] = False

    def __call__(self, batch: Batch) -> Floats:
        """Score a batch `(n, *image.shape)`: `(n, t)`, none positive."""
        n = len(batch)
        want = f"log-probabilities ({n},) of the answer, or ({n}, length) of its tokens"
        columns = []
        for text in self.answers:
            answer = self.log_likelihood(batch, text)
            tokens = rows("`log_likelihood`", answer, n, want, ndim=(1, 2)).reshape(n, -1)
            if tokens.max() > 1e-6:
                raise PredictionError(
                    "`log_likelihood` must return logarithms of probabilities, none above 0; got "
                    f"{tokens.max():g}. Of probabilities take np.log, of logits a log-softmax."
                )
            columns.append(tokens.sum(axis=1, dtype=np.float64))
        return np.stack(columns, axis=1)


def text_scores(
    answer: Callable[[Batch], Any],
    score: Callable[[list[str]], Any],
    *,
    names: Sequence[str] | None = None,
) -> TextScores:
    """Explain a model that answers in words: score its answers to masked images.

    Parameters
    ----------
    answer : callable
        From `(n, *image.shape)` to n texts: captions, or answers to a fixed question. The same
        image must get the same answer, so turn sampling off.
    score : callable
        From texts to numbers `(n,)` or `(n, t)`: `token_overlap`, a similarity of text embeddings,
        or whether a word occurs.
    names : sequence of str, optional
        Names of the score columns; None takes the `class_names` of `score`, if it has them.

    Returns
    -------
    TextScores
        A `predict_fn` with scores (n, t).

    Raises
    ------
    InvalidInputError
        If an argument cannot be used.
    PredictionError
        When called, if `answer` does not return texts, or `score` does not return numbers.

    Notes
    -----
    Words change in steps, so many masked images get the same score. If the model can tell how
    likely an answer is, `likelihood_scores` needs less of it and explains more.

    Examples
    --------
    >>> def answer(batch):
    ...     return ["a bright sky" if image.mean() > 0.5 else "a sky" for image in batch]
    >>> model = text_scores(answer, token_overlap("a bright sky"))
    >>> model(np.array([[[1.0]], [[0.0]]])).round(2)
    array([[1. ],
           [0.8]])
    """
    check_callable("answer", answer, "(batch) -> texts")
    check_callable("score", score, "(texts) -> numbers")
    own = getattr(score, "class_names", None)
    if names is None:
        return TextScores(answer=answer, score=score, class_names=own)
    n = 0 if own is None else len(own)
    is_list = isinstance(names, Sequence) and not isinstance(names, (str, bytes))
    width = n or (len(names) if is_list else 1)
    return TextScores(answer=answer, score=score, class_names=check_names(names, tuple, width))


def token_overlap(references: str | Sequence[str]) -> TokenOverlap:
    r"""Score texts by the words they share with references, for `text_scores`.

    Parameters
    ----------
    references : str or sequence of str
        Reference texts, usually the model's answer to the intact image.

    Returns
    -------
    TokenOverlap
        From texts to scores (n, t): 1 for the same words in any order, 0 for no word in common.

    Raises
    ------
    InvalidInputError
        If there is no reference, or one without a word.

    Notes
    -----
    The score is the F1 of the words as multisets, :math:`2 |A \cap B| / (|A| + |B|)`, known as
    ROUGE-1 (Lin 2004); upper and lower case count as the same. Words are runs of letters and
    digits. Texts written without spaces are one word, so write a function of your own for them.

    References
    ----------
    C.-Y. Lin, "ROUGE: a package for automatic evaluation of summaries", ACL Workshops 2004.

    Examples
    --------
    >>> token_overlap("a cat on a mat")(["A cat.", "no idea"]).round(3)
    array([[0.571],
           [0.   ]])
    """
    return TokenOverlap(_check_texts("references", references, words=True))


def likelihood_scores(
    log_likelihood: Callable[[Batch, str], Any],
    answers: str | Sequence[str],
    *,
    names: Sequence[str] | None = None,
) -> LikelihoodScores:
    r"""Explain why a model gives an answer: score the log-likelihood of given answers.

    Parameters
    ----------
    log_likelihood : callable
        From `(batch, text)` to the log-probability of the text for each image, `(n,)`, or of each
        of its tokens, `(n, length)`.
    answers : str or sequence of str
        Answers to explain: usually the model's own answer, or that and another one.
    names : sequence of str, optional
        Names of the score columns; None takes the answers.

    Returns
    -------
    LikelihoodScores
        A `predict_fn` with scores (n, t), in nats.

    Raises
    ------
    InvalidInputError
        If an argument cannot be used.
    PredictionError
        When called, if the answer is not log-probabilities.

    Notes
    -----
    The score is :math:`\log p(\text{answer} \mid \text{image})`, the sum over the tokens. With two
    answers ``target=ll.margin(0, 1)`` explains why the model prefers one to the other.

    Examples
    --------
    >>> def log_likelihood(batch, text):
    ...     bright = batch.mean(axis=(1, 2))
    ...     return np.log(bright if text == "day" else 1 - bright)
    >>> model = likelihood_scores(log_likelihood, ["day", "night"])
    >>> model(np.array([[[0.75]]])).round(3)
    array([[-0.288, -1.386]])
    """
    check_callable("log_likelihood", log_likelihood, "(batch, text) -> log-probabilities")
    texts = _check_texts("answers", answers)
    return LikelihoodScores(
        log_likelihood=log_likelihood,
        answers=texts,
        class_names=check_names(names, lambda: texts, len(texts)),
    )


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.casefold()))


def _f1(words: Counter[str], others: Counter[str]) -> float:
    return 2 * (words & others).total() / (words.total() + others.total())


def _check_texts(name: str, texts: object, *, words: bool = False) -> tuple[str, ...]:
    listed = (texts,) if isinstance(texts, str) else texts
    if not isinstance(listed, Sequence) or not listed:
        raise InvalidInputError(
            f"`{name}` must be a text or a list of texts; got {describe(texts)}."
        )
    for each in listed:
        if not isinstance(each, str) or not (_words(each) if words else each):
            what = "texts with at least one word" if words else "texts"
            raise InvalidInputError(f"`{name}` must be {what}; got {describe(each)}.")
    return tuple(listed)
