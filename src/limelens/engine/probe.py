"""The first calls of a run: the intact and the hidden image, before anything is paid for."""

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Scores
from limelens.engine.agreement import check_one_model, check_same_model, check_same_target
from limelens.engine.answers import (
    mean_scores,
    warn_of_class_numbers,
    warn_of_sorted_scores,
)
from limelens.engine.batches import Batches
from limelens.engine.caller import Caller
from limelens.engine.composer import Composer
from limelens.engine.ledger import Ledger
from limelens.engine.second_look import SecondLook


def ask_ends(caller: Caller, batches: Batches, itself: Composer, ends: NDArray[np.intp]) -> Scores:
    """Return the scores of the intact image (0), of the hidden one (1), or of both."""
    parts = [itself.backgrounds if end else itself.image[np.newaxis] for end in ends]
    images = np.concatenate(parts, dtype=itself.image.dtype)

    def score(rows: slice, claimed: object) -> Scores:
        return caller.receive(caller.send(images[rows].copy(), itself))

    answers: list[Scores] = []
    batches.each(len(images), score, lambda _, scores: answers.append(scores))
    scores, n_intact = np.concatenate(answers), int(ends[0] == 0)
    rows = [*scores[:n_intact]]
    if n_intact < len(images):
        rows.append(mean_scores(scores[n_intact:]))
    return np.stack(rows)


def probe(
    ledger: Ledger,
    keys: NDArray[np.uint8],
    caller: Caller,
    batches: Batches,
    second_look: SecondLook,
    composers: tuple[Composer, Composer],
) -> tuple[Scores, Scores]:
    """Return the scores of both ends, shape (k,) each, with at least the intact image asked now.

    Where nothing is hidden, those of the hidden image are NaN.

    Parameters
    ----------
    ledger : Ledger
        Holds the ends afterwards; those of an earlier run are compared.
    keys : ndarray of uint8, shape (1 or 2, w)
        Of the intact image, and of the hidden one if anything is hidden.
    caller, batches, second_look
        How the model is asked; `second_look` is told what the intact image scores.
    composers : tuple of Composer
        The model itself, and what scores masked images.

    Raises
    ------
    InvalidInputError
        If rows of an earlier run are of another model or target, or a prepared model disagrees
        with itself.
    """
    itself, composer = composers
    missing = ledger.missing(keys)
    # Rows of an earlier run: does the model, does a callable still answer as it did?
    is_missing = np.zeros(len(keys), np.bool_)
    is_missing[missing] = True
    asked = np.flatnonzero(is_missing | (np.arange(len(keys)) == 0) | caller.reduces)
    rows = ask_ends(caller, batches, itself, asked)
    known = ~is_missing[asked]
    if known.any():
        earlier = ledger.find(keys[asked[known]])
        if caller.reduces:
            check_same_target(rows[known], earlier)
        else:
            check_same_model(rows[0], earlier[0])
    if len(missing):
        ledger.extend(keys[missing], rows[~known])
    if not caller.reduces:
        warn_of_class_numbers(ledger.find(keys))
        warn_of_sorted_scores(ledger.find(keys))
    second_look.know(itself.asked, rows[0], alone=len(asked) == 1 or batches.size == 1)
    if composer is not itself and not known.any():
        prepared = caller.receive(caller.send(composer.intact(), composer))[0]
        check_one_model(prepared, rows[0])
        second_look.know(composer.asked, prepared, alone=True)
    intact, *hidden = ledger.find(keys)
    return intact, hidden[0] if hidden else np.full(intact.shape, np.nan)
