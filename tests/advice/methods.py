"""Advice of segmenting, sampling, surrogates and explainers."""

import numpy as np
from skimage.data import astronaut
from sklearn.linear_model import BayesianRidge
from sklearn.neighbors import KNeighborsRegressor

import limelens as ll
from limelens.surrogates import PairContrasts

photo = astronaut()[:256:4, 80:336:4]
flat = np.full((24, 24), 0.5)
flat[0, 0] = 0.6
noise = np.random.default_rng(0).random((24, 24))


def scored(batch):
    """Return the same as every pixel, as a probability near 1 in single precision."""
    return (1 - 1e-12 * every_pixel(batch)).astype(np.float32)[:, np.newaxis]


def bent(steepness, start):
    """Return a model with a probability that needs contrast in the left half."""

    def score(batch):
        return 1 / (1 + np.exp(-steepness * batch[:, :, :12].std(axis=(1, 2)) + start))

    return score


bending, certain = bent(100, 20), bent(300, 50)
quick = {"max_samples": 60, "segmenter": ll.Grid(16)}


CASES = [
    # segmenting
    (
        "image = np.arange(64.).reshape(8, 8); explain(image, explainer=Lime(segmenter=Slic(100)))",
        {
            "Slic(64)": """
image = np.arange(64.).reshape(8, 8)
explain(image, explainer=Lime(segmenter=Slic(64)))
""",
        },
    ),
    (
        "explain(noise, explainer=Ablation(segmenter=Slic(50, compactness=0.01)))",
        {"Grid(50)": "explain(noise, explainer=Ablation(segmenter=Grid(50)))"},
    ),
    (
        "explain(flat, explainer=Ablation(segmenter=Felzenszwalb()))",
        {"segmenter=Grid(50)": "explain(flat, explainer=Ablation(segmenter=Grid(50)))"},
    ),
    # sampling
    (
        "explain(photo, explainer=Lime(sampler=Exhaustive(), n_samples=100))",
        {"sampler=Bernoulli()": "explain(photo, explainer=Lime(sampler=Bernoulli()))"},
    ),
    (
        "explain(photo, explainer=Lime(sampler=Exhaustive(), segmenter=Grid(36)))",
        {
            "sampler=Bernoulli()": "explain(photo, explainer=Lime(segmenter=Grid(36), sampler=Bernoulli()))"
        },
    ),
    # fills
    (
        "explain(photo, explainer=Ablation(fill=Backgrounds([photo])))",
        {"fill=Constant(0)": "explain(photo, explainer=Ablation(fill=Constant(0)))"},
    ),
    (
        "explain(np.zeros((24, 24, 3), np.uint8), explainer=Ablation(segmenter=Grid(4)))",
        {
            "fill=Constant(1)": """
black = np.zeros((24, 24, 3), np.uint8)
explain(black, explainer=Ablation(segmenter=Grid(4), fill=Constant(1)))
""",
        },
    ),
    (
        "image = photo[..., 0]; Backgrounds(image)",
        {"Backgrounds([image])": "image = photo[..., 0]; Backgrounds([image])"},
    ),
    # surrogates
    (
        "explain(photo, explainer=Lime(surrogate=Lasso(alpha=1e9)))",
        {"alpha=None": "explain(photo, explainer=Lime(surrogate=Lasso(alpha=None)))"},
    ),
    (
        "Regressor(BayesianRidge)",
        {"BayesianRidge()": "explain(photo, explainer=Lime(surrogate=Regressor(BayesianRidge())))"},
    ),
    (
        "Regressor(KNeighborsRegressor())",
        {"BayesianRidge()": "explain(photo, explainer=Lime(surrogate=Regressor(BayesianRidge())))"},
    ),
    (
        "explain(photo, explainer=Lime(surrogate=PairContrasts()))",
        {
            "sampler=Foldover()": """
explain(photo, explainer=Lime(surrogate=PairContrasts(), sampler=Foldover()))
""",
            "surrogate=GaussianProcess()": """
explain(photo, explainer=Lime(surrogate=GaussianProcess(), n_samples=200))
""",
        },
    ),
    (
        """
class Coarse:
    def __call__(self, n, d, rng):
        half = rng.random((n // 2, d)) < 0.5
        half[:, 1] = half[:, 0]
        return np.concatenate([half, ~half])
explain(photo, explainer=Lime(surrogate=PairContrasts(), sampler=Coarse()))
""",
        {
            "sampler=Foldover()": """
explain(photo, explainer=Lime(surrogate=PairContrasts(), sampler=Foldover()))
""",
        },
    ),
    # explainers
    (
        "explain(photo, explainer=Ablation(interactions=True, segmenter=Grid(400)))",
        {
            "segmenter=Slic(30)": """
explain(photo, explainer=Ablation(interactions=True, segmenter=Slic(30)))
""",
        },
    ),
    (
        "explain(photo, scored)",
        {"target=limelens.log_odds(0)": "explain(photo, scored, target=limelens.log_odds(0))"},
    ),
    (
        "KernelShap(surrogate=GaussianProcess())",
        {'GaussianProcess("shapley")': 'KernelShap(surrogate=GaussianProcess("shapley"))'},
    ),
    (
        "explain(photo, explainer=KernelShap(n_samples=20))",
        {
            "QuickShap()": "explain(photo, explainer=QuickShap())",
            "PermutationShapley(n_permutations=1)": """
explain(photo, explainer=PermutationShapley(n_permutations=1))
""",
        },
    ),
    (
        "explain(photo, explainer=KernelShap(n_samples=60, segmenter=Grid(25)))",
        {
            "n_samples=100": "explain(photo, explainer=KernelShap(n_samples=100, segmenter=Grid(25)))",
            "QuickShap()": "explain(photo, explainer=QuickShap())",
            "PermutationShapley()": "explain(photo, explainer=PermutationShapley())",
        },
    ),
    (
        "explain(photo, explainer=Occlusion(window=16, stride=16, shape='disc'))",
        {
            'edges="center"': """
explain(photo, explainer=Occlusion(window=16, stride=8, shape='disc', edges="center"))
""",
        },
    ),
    (
        "explain(photo, explainer=Rise(grid=100))",
        {"grid=4": "explain(photo, explainer=Rise(grid=4, n_masks=100))"},
    ),
    (
        "explain(noise, lambda b: 1e-30 * bending(b), QuickLime(scale='link', **quick))",
        {
            "link='auto', scale='score'": """
explain(
    noise,
    lambda b: 1e-30 * bending(b),
    QuickLime(link='auto', scale='score', tolerance=0, **quick),
)
""",
        },
    ),
    (
        "QuickLime(link='softmax', scale='link')",
        {"scale='score'": "QuickLime(link='softmax', scale='score')"},
    ),
    (
        "explain(photo, explainer=ExactShapley())",
        {
            "segmenter=Slic(10)": "explain(photo, explainer=ExactShapley(segmenter=Slic(10)))",
            "KernelShap()": "explain(photo, explainer=KernelShap())",
            "PermutationShapley()": "explain(photo, explainer=PermutationShapley())",
        },
    ),
    (
        "Sharp(segmenters=[Slic()], faithful=True)",
        {
            "Sharp(max_samples=256, faithful=True)": """
explain(photo, explainer=Sharp(max_samples=256, faithful=True))
""",
        },
    ),
    (
        "Sharp(segmenters=Slic(30))",
        {
            "segmenters=[Slic(30), Slic(60)]": """
explain(photo, explainer=Sharp(segmenters=[Slic(30), Slic(60)]))
""",
        },
    ),
    (
        "explain(photo, explainer=Occlusion(window=100))",
        {"window=0.2": "explain(photo, explainer=Occlusion(window=0.2, stride=8))"},
    ),
    (
        "explain(photo, explainer=Occlusion(window=8, stride=9))",
        {"stride=8": "explain(photo, explainer=Occlusion(window=8, stride=8))"},
    ),
    (
        "explain(photo, explainer=Owen(n_trees=4, tree=HalvingTree()))",
        {
            "tree=RegionTree()": "explain(photo, explainer=Owen(n_trees=4, tree=RegionTree()))",
            "n_trees=1": "explain(photo, explainer=Owen(n_trees=1, tree=HalvingTree()))",
        },
    ),
    # the words of QuickLime and QuickShap
    *[
        (
            f"explain(noise, {model}, QuickLime(tolerance={tolerance}, **quick))",
            {
                "scale='link'": f"""
explain(noise, {model}, QuickLime(scale='link', tolerance={tolerance}, **quick))
""",
            },
        )
        for model, tolerance in (("bending", 0.3), ("certain", 0.5))
    ],
]
