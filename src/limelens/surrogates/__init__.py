"""Simple models fitted to scores of masked images."""

from limelens._statistics import weighted_r2
from limelens.games.lime_kernel import cosine_distance, kernel_weights
from limelens.surrogates.fit import Fit
from limelens.surrogates.forward_selection import ForwardSelection
from limelens.surrogates.gaussian_process import GaussianProcess
from limelens.surrogates.lasso import Lasso
from limelens.surrogates.linear import Ridge
from limelens.surrogates.pair_contrasts import PairContrasts
from limelens.surrogates.regressor import Regressor
from limelens.surrogates.tree import Tree

__all__ = [
    "Fit",
    "ForwardSelection",
    "GaussianProcess",
    "Lasso",
    "PairContrasts",
    "Regressor",
    "Ridge",
    "Tree",
    "cosine_distance",
    "kernel_weights",
    "weighted_r2",
]
