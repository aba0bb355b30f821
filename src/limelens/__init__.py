"""Why an image classifier answers as it does: attribution for any model given as a function.

Names are loaded when they are first used, so that `import limelens` costs no more than
importing NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limelens.adapters.gradient import with_gradient
    from limelens.errors import (
        ConvergenceWarning,
        InvalidInputError,
        LimelensError,
        LimelensWarning,
        PredictionError,
    )
    from limelens.explainers.ablation import Ablation
    from limelens.explainers.anchors import Anchors
    from limelens.explainers.gradcam import GradCam, grad_cam
    from limelens.explainers.gradients import ExpectedGradients, IntegratedGradients
    from limelens.explainers.kernelshap import KernelShap
    from limelens.explainers.lime import Lime
    from limelens.explainers.occlusion import Occlusion
    from limelens.explainers.owen import Owen
    from limelens.explainers.permutation import PermutationShapley
    from limelens.explainers.quicklime import QuickLime
    from limelens.explainers.quickshap import QuickShap
    from limelens.explainers.rise import Rise
    from limelens.explainers.shapley import ExactShapley
    from limelens.masking.fills import (
        Backgrounds,
        Blur,
        Constant,
        ImageMean,
        Noise,
        SegmentMean,
    )
    from limelens.masking.inpaint import Inpaint
    from limelens.masking.perturb import perturb
    from limelens.pictures.preview import segment_preview
    from limelens.results.explanation import Explanation
    from limelens.results.samples import Samples
    from limelens.sampling.designs import Foldover, Leverage, ShapleySizes
    from limelens.sampling.samplers import Bernoulli, Exhaustive
    from limelens.segmenting.fixed import Grid, LabelImage
    from limelens.segmenting.merge_tree import HalvingTree, RegionTree
    from limelens.segmenting.superpixels import Felzenszwalb, Quickshift, Slic, Watershed
    from limelens.surrogates.forward_selection import ForwardSelection
    from limelens.surrogates.gaussian_process import GaussianProcess
    from limelens.surrogates.interactions import interaction_index
    from limelens.surrogates.lasso import Lasso
    from limelens.surrogates.linear import Ridge
    from limelens.surrogates.pair_contrasts import PairContrasts
    from limelens.surrogates.regressor import Regressor
    from limelens.surrogates.tree import Tree
    from limelens.targets import Top, log_odds, margin

__version__ = "0.1.0"

_HOMES = {
    "Ablation": "explainers.ablation",
    "Anchors": "explainers.anchors",
    "Backgrounds": "masking.fills",
    "Bernoulli": "sampling.samplers",
    "Blur": "masking.fills",
    "Constant": "masking.fills",
    "ConvergenceWarning": "errors",
    "ExactShapley": "explainers.shapley",
    "Exhaustive": "sampling.samplers",
    "ExpectedGradients": "explainers.gradients",
    "Explanation": "results.explanation",
    "Felzenszwalb": "segmenting.superpixels",
    "Foldover": "sampling.designs",
    "ForwardSelection": "surrogates.forward_selection",
    "GaussianProcess": "surrogates.gaussian_process",
    "GradCam": "explainers.gradcam",
    "Grid": "segmenting.fixed",
    "HalvingTree": "segmenting.merge_tree",
    "ImageMean": "masking.fills",
    "Inpaint": "masking.inpaint",
    "IntegratedGradients": "explainers.gradients",
    "InvalidInputError": "errors",
    "KernelShap": "explainers.kernelshap",
    "LabelImage": "segmenting.fixed",
    "Lasso": "surrogates.lasso",
    "Leverage": "sampling.designs",
    "Lime": "explainers.lime",
    "LimelensError": "errors",
    "LimelensWarning": "errors",
    "Noise": "masking.fills",
    "Occlusion": "explainers.occlusion",
    "Owen": "explainers.owen",
    "PairContrasts": "surrogates.pair_contrasts",
    "PermutationShapley": "explainers.permutation",
    "PredictionError": "errors",
    "QuickLime": "explainers.quicklime",
    "QuickShap": "explainers.quickshap",
    "Quickshift": "segmenting.superpixels",
    "RegionTree": "segmenting.merge_tree",
    "Regressor": "surrogates.regressor",
    "Ridge": "surrogates.linear",
    "Rise": "explainers.rise",
    "Samples": "results.samples",
    "SegmentMean": "masking.fills",
    "ShapleySizes": "sampling.designs",
    "Slic": "segmenting.superpixels",
    "Top": "targets",
    "Tree": "surrogates.tree",
    "Watershed": "segmenting.superpixels",
    "grad_cam": "explainers.gradcam",
    "interaction_index": "surrogates.interactions",
    "log_odds": "targets",
    "margin": "targets",
    "perturb": "masking.perturb",
    "segment_preview": "pictures.preview",
    "with_gradient": "adapters.gradient",
}

__all__ = [
    "Ablation",
    "Anchors",
    "Backgrounds",
    "Bernoulli",
    "Blur",
    "Constant",
    "ConvergenceWarning",
    "ExactShapley",
    "Exhaustive",
    "ExpectedGradients",
    "Explanation",
    "Felzenszwalb",
    "Foldover",
    "ForwardSelection",
    "GaussianProcess",
    "GradCam",
    "Grid",
    "HalvingTree",
    "ImageMean",
    "Inpaint",
    "IntegratedGradients",
    "InvalidInputError",
    "KernelShap",
    "LabelImage",
    "Lasso",
    "Leverage",
    "Lime",
    "LimelensError",
    "LimelensWarning",
    "Noise",
    "Occlusion",
    "Owen",
    "PairContrasts",
    "PermutationShapley",
    "PredictionError",
    "QuickLime",
    "QuickShap",
    "Quickshift",
    "RegionTree",
    "Regressor",
    "Ridge",
    "Rise",
    "Samples",
    "SegmentMean",
    "ShapleySizes",
    "Slic",
    "Top",
    "Tree",
    "Watershed",
    "grad_cam",
    "interaction_index",
    "log_odds",
    "margin",
    "perturb",
    "segment_preview",
    "with_gradient",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'limelens' has no attribute {name!r}")
    value = getattr(import_module(f"limelens.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
