"""The same calls by other libraries, for `bench_user`: near-free models, the same segments.

Run as a script it reads the name of a case a line, and prints the milliseconds of the processor.
"""

import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
from timing import photograph, superpixels

Run = Callable[[], object]


def by_lime() -> Run:
    """A thousand samples of 224 px, fifty given segments."""
    from lime.lime_image import LimeImageExplainer

    image, labels = photograph("astronaut", 224), superpixels("astronaut", 224, 50)
    model = lambda batch: batch[:, ::32, ::32].reshape(len(batch), -1).mean(1)[:, None] / 255  # noqa: E731
    return lambda: LimeImageExplainer(random_state=0).explain_instance(
        image, model, labels=(0,), top_labels=None, num_samples=1000, batch_size=64,
        segmentation_fn=lambda _: labels, num_features=50,
    )  # fmt: skip


def by_captum(name: str, **settings: int) -> Run:
    """32 px and 49 segments."""
    import captum.attr
    import torch

    image = torch.from_numpy(photograph("astronaut", 32)).permute(2, 0, 1)[None].float() / 255
    rows = torch.arange(32) * 7 // 32
    mask = (rows[:, None] * 7 + rows)[None, None]
    weights = torch.from_numpy(np.random.default_rng(5).normal(size=(3072, 5)) / 40).float()
    method = getattr(captum.attr, name)(lambda batch: (batch.flatten(1) @ weights).softmax(1))
    return lambda: method.attribute(image, target=0, feature_mask=mask, **settings)


def by_shap() -> Run:
    """Its image explainer, 200 evaluations of 32 px."""
    import shap

    image = photograph("astronaut", 32)[None].astype(float)
    weights = np.random.default_rng(5).normal(size=(3072, 5)) / 40

    def model(batch: np.ndarray) -> np.ndarray:
        odds = np.exp(batch.reshape(len(batch), -1) / 255 @ weights)
        return odds / odds.sum(axis=1, keepdims=True)

    explainer = shap.Explainer(model, shap.maskers.Image(np.full((32, 32, 3), 128.0), (32, 32, 3)))
    return lambda: explainer(image, max_evals=200, batch_size=64, outputs=[0], silent=True)


def by_xaitk() -> Run:
    """A thousand masks of 224 px, in one thread."""
    from smqtk_classifier import ClassifyImage
    from xaitk_saliency.impls.gen_image_classifier_blackbox_sal.rise import RISEStack

    class Model(ClassifyImage):
        def get_labels(self) -> list[str]:
            return ["a"]

        def classify_images(self, img_iter: object) -> object:
            return ({"a": float(image[::32, ::32].mean()) / 255} for image in img_iter)

        def get_config(self) -> dict[str, object]:
            return {}

    image, rise = photograph("astronaut", 224), RISEStack(1000, 7, 0.5, seed=0, threads=0)
    return lambda: rise.generate(image, Model())


CASES: dict[str, Callable[[], Run]] = {
    "lime": by_lime,
    "captum Ablation": lambda: by_captum("FeatureAblation"),
    "captum KernelShap": lambda: by_captum("KernelShap", n_samples=200, perturbations_per_eval=64),
    "captum Lime": lambda: by_captum("Lime", n_samples=1000, perturbations_per_eval=64),
    "shap": by_shap,
    "xaitk": by_xaitk,
}


def main() -> None:
    warnings.simplefilter("ignore")
    ready: dict[str, Run] = {}
    for line in sys.stdin:
        name = line.strip()
        if name not in ready:
            ready[name] = CASES[name]()
        start = time.process_time()
        ready[name]()
        print(1e3 * (time.process_time() - start), flush=True)


if __name__ == "__main__":
    main()
