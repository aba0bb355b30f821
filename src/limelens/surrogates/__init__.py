"""Simple models fitted to scores of masked images."""

from limelens.surrogates.fit import Fit
from limelens.surrogates.kernels import cosine_distance, kernel_weights
from limelens.surrogates.lasso import Lasso
from limelens.surrogates.linear import Ridge, weighted_r2

__all__ = ["Fit", "Lasso", "Ridge", "cosine_distance", "kernel_weights", "weighted_r2"]
