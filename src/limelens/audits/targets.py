"""The log-odds of a class, called by the class's name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats
from limelens.errors import PredictionError
from limelens.targets.columns import column_named
from limelens.targets.of_scores import LogOdds, check_no_percents


@dataclass(frozen=True)
class OddsOf(LogOdds):
    """The log-odds of a column of probabilities, in the words of an audit."""

    def __call__(self, scores: NDArray[Any]) -> Floats:
        """Return the log-odds, shape (n,), of scores (n, k)."""
        number = column_named(self.column, None)
        column = scores[:, number] if number < scores.shape[1] else np.zeros(1)
        check_no_percents(self.column, scores)
        if np.min(column) < 0 or np.max(column) > 1:
            raise PredictionError(
                f"`target` {self.column!r} means the log-odds of a probability; got scores from "
                f"{np.min(column):g} to {np.max(column):g}. For logits, or any other scores, pass "
                f"the score itself: target=lambda scores: scores[:, {self.column}]."
            )
        return super().__call__(scores)

    def with_names(self, names: Mapping[int, str] | None, n_columns: int) -> "OddsOf":
        """Return the log-odds of a column number, called as the class is."""
        column = column_named(self.column, names)
        label = f"class {column}" if names is None else names.get(column, "")
        return replace(self, column=column, label=label)
