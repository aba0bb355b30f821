"""Facts about an explanation in words."""

import numpy as np

from limelens.results.record import Record

_GOOD, _FAIR = 0.9, 0.7

_FIDELITY = {
    "good": "the map accounts for the scores",
    "fair": "the map accounts for most of the scores",
    "poor": "take the map as a rough guide",
}
_RELIABILITY = {
    "good": "another run would give nearly the same map",
    "fair": "another run would give a similar map",
    "poor": "another run may give another map; ask for more samples",
}


def number(value: float) -> str:
    """Return three significant digits, or "unknown".

    Examples
    --------
    >>> number(0.12345), number(np.nan)
    ('0.123', 'unknown')
    >>> number(-0.0)
    '0'
    """
    return "unknown" if np.isnan(value) else f"{value + 0.0:.3g}"


def share(value: float) -> str:
    """Return a fidelity or reliability; "1" only where nothing at all is missing.

    Examples
    --------
    >>> share(0.9999999), share(1.0), share(0.5)
    ('>0.999', '1', '0.5')
    """
    return ">0.999" if 0.9995 <= value < 1 else number(value)


def grade(value: float) -> str:
    """Return "good" from 0.9, "fair" from 0.7, else "poor".

    Examples
    --------
    >>> grade(0.95), grade(0.8), grade(-0.1)
    ('good', 'fair', 'poor')
    """
    return "good" if value >= _GOOD else "fair" if value >= _FAIR else "poor"


def facts_of(explanation: Record) -> list[str]:
    """Say how many images were scored, and what the pictures hatch."""
    left_out = [] if explanation.valid is None else ["hatched pixels do not count"]
    return [f"{explanation.n_predictions} images scored", *left_out]


def fidelity_words(explanation: Record, row: int) -> str:
    """Say how far the map of one target can be trusted, as far as it is known."""
    if not explanation.importances[row].any():
        return "All importances are zero."
    sentences = []
    for name, words in (("fidelity", _FIDELITY), ("reliability", _RELIABILITY)):
        values = getattr(explanation, name)
        if values is not None and np.isfinite(values[row]):
            value = float(values[row])
            sentences.append(f"{name.capitalize()} {share(value)}: {words[grade(value)]}.")
    return " ".join(sentences)


def shown_name(explanation: Record, row: int) -> str:
    """Return the name of a target as it is shown: "class 3" for a column without a name."""
    name, column = explanation.target_names[row], explanation.targets[row]
    if name != str(column) or not explanation.targets_are_columns:
        return name
    return "the score" if len(explanation.scores) == 1 else f"class {column}"


def question(explanation: Record, row: int) -> str:
    """Return the question that the map of a target answers, for example "Why cat?"."""
    name = shown_name(explanation, row)
    return "Why this score?" if name == "the score" else f"Why {name}?"


def score_words(explanation: Record, row: int) -> str:
    """Return the score of a target, and that with everything hidden, where they are known."""
    if explanation.target_values is None:
        return ""
    intact, hidden = explanation.target_values[row]
    known = "" if np.isnan(hidden) else f", {number(hidden)} with all hidden"
    return f"score {number(intact)}{known}"


def score_range(explanation: Record) -> tuple[float, float]:
    """Return the ends of a bar of scores: 0 and 1 where all are in it, else zero and the largest.

    The same for all targets, so that their bars compare.
    """
    known = explanation.target_values
    seen = np.zeros(0) if known is None else known[np.isfinite(known)]
    if not seen.size or (seen.min() >= 0 and seen.max() <= 1):
        return 0.0, 1.0
    return min(0.0, float(seen.min())), max(0.0, float(seen.max()))


def finite(value: float) -> float | None:
    """Return a number for JSON: None where it is NaN or infinite."""
    return float(value) if np.isfinite(value) else None
