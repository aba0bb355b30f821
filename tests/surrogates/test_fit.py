import numpy as np
import pytest

from limelens import InvalidInputError
from limelens.surrogates import Fit


def make(**changes):
    parts = {
        "importances": [[1.0, 2.0]],
        "intercepts": [0.0],
        "fidelity": [0.5],
        "training_fidelity": [0.6],
    }
    return Fit(**(parts | changes))


def test_lists_become_float_arrays():
    fit = make(importances=[[1, 2]], standard_errors=[[0, 1]])
    assert fit.importances.dtype == fit.standard_errors.dtype == np.float64


def test_standard_errors_may_be_absent():
    assert make().standard_errors is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"importances": [1.0, 2.0]}, r"`importances` of a Fit must be finite and of shape"),
        ({"importances": [[1.0, np.nan]]}, "must be finite"),
        ({"standard_errors": [[1.0]]}, r"`standard_errors` of a Fit must have shape \(1, 2\)"),
        ({"intercepts": 0.0}, r"`intercepts` of a Fit must have shape \(1,\)"),
        ({"fidelity": [0.1, 0.2]}, r"`fidelity` of a Fit must have shape \(1,\)"),
        ({"training_fidelity": [[0.1]]}, "`training_fidelity` of a Fit must have shape"),
    ],
)
def test_parts_that_do_not_fit_together_are_named(changes, words):
    with pytest.raises(InvalidInputError, match=words):
        make(**changes)
