"""What `limelens.__all__` promises: complete, documented, consistent."""

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

import pytest

import limelens
from limelens.surrogates import PairContrasts

NAMES = limelens.__all__
# A class of such a folder whose verb takes these arguments is for users to choose.
STRATEGIES = {
    "segmenting": ("__call__", "self, image"),
    "fills": ("__call__", "self, image, segments"),
    "sampling": ("__call__", "self, n, d, rng"),
    "surrogates": ("__call__", "self, coalitions, scores, weights"),
    "explainers": ("explain", "self, image, predict_fn, target"),
}

# Shared parameters whose default differs on purpose: (parameter, owner) -> why.
OWN_DEFAULTS = {
    ("alpha", "Lasso"): "chosen along the path, where Ridge's is LIME's fixed 1",
    ("batch_size", "explain_many"): "a run that was stopped has the digits of one that was not",
    ("channel_axis", "Explanation"): "counted from the front, None where there are no channels",
    ("channel_axis", "mask_scores"): "of what the model returns, not of the image",
    ("compactness", "Watershed"): "scikit-image's scale: not SLIC's",
    ("fill", "Explanation.masked_image"): "None stands for the mean colour",
    ("fill", "audit"): "None stands for ImageMean()",
    ("in_flight", "from_http"): "requests of one batch to a service, not batches of any model",
    ("grid", "audit"): "cells of the map that images share, not of soft masks",
    ("grid", "summarize"): "as audit",
    ("n", "Audit.contact_sheet"): "images, not segments",
    ("rng", "audit"): "a report on a model is the same when it is read again",
    ("rng", "summarize"): "as audit",
    ("segmenter", "audit"): "None stands for the labels, or Slic()",
    ("shape", "Audit.heatmap"): "of a map, not of a window",
    ("max_side", "Explanation.to_image"): "of a picture to look at",
    ("max_side", "Explanation.top_image"): "of a picture to look at",
    ("max_samples", "Anchors"): "of a search for a rule, not of an average",
    ("max_samples", "Owen"): "more make the map worse",
    ("max_samples", "Sharp"): "as Owen",
    ("samples", "Explanation.save"): "which scores a file keeps, not the rows themselves",
    ("sigma", "Blur"): "None is a share of the side; Slic smooths by a pixel",
    ("tolerance", "Anchors"): "of a precision, not of a relative error",
    ("max_side", "Explanation.to_html"): "of a photograph on a page of its own",
    ("max_side", "report"): "of a picture among hundreds",
    ("max_side", "Inpaint"): "the biharmonic fill of one segment is cubic in its size",
    ("method", "from_sklearn"): "of the estimator, not a rule for an integral",
    ("n", "Noise"): "backgrounds, not segments",
    ("n", "Explanation.plot"): "bars have more room in a figure of their own",
    ("surrogate", "KernelShap"): "None stands for its own constrained least squares",
    ("n_segments", "Grid"): "49 cells are 7 x 7 on a square image",
    ("n_steps", "ExpectedGradients"): "random draws, not points of a rule",
    ("max_side", "Run.report"): "as report",
    ("output", "explain_many"): "a folder, not what a network returns",
    ("output", "from_keras"): "most Keras models end in their own softmax",
    ("output", "from_transformers"): "None stands for what the model's own pipeline does",
    ("rng", "explain_many"): "a run that is to be gone on with needs a seed",
    ("rng", "Noise"): "a fill is the same on every call",
    ("rng", "Quickshift"): "scikit-image's, and so lime's",
    **{
        ("scale", f"Explanation.{name}"): "of colours, not of scores"
        for name in ("figure", "plot", "to_image")
    },
    **dict.fromkeys((("scale", "show"), ("scale", "signed_panels")), "of colours, not of scores"),
    ("scale", "Felzenszwalb"): "scikit-image's word for the size of its segments",
    ("scale", "change"): "of two models' scores, settled by what they are",
    ("scale", "from_onnx"): "of pixels, not of scores",
    ("scale", "from_torch"): "of pixels, not of scores",
    ("sigma", "Felzenszwalb"): "as in scikit-image's examples, half of SLIC's",
    ("sign", "Explanation.top_image"): "a picture shows both signs, in two colours",
}


# A surrogate that no explainer uses: public in its room, not at the top.
BENEATH = (PairContrasts,)


def public_objects() -> dict[str, object]:
    return {name: getattr(limelens, name) for name in NAMES}


def callables() -> list[str]:
    """Return the public names that users call: no exceptions, warnings or base classes."""
    return [
        name
        for name, value in public_objects().items()
        if callable(value) and not (inspect.isclass(value) and issubclass(value, BaseException))
    ]


def explainers() -> list[str]:
    return [name for name in callables() if hasattr(getattr(limelens, name), "explain")]


def sections(docstring: str) -> dict[str, str]:
    """Split a numpydoc docstring into its sections."""
    parts = re.split(
        r"^([A-Z][A-Za-z ]+)\n-{3,}\n", inspect.cleandoc(docstring), flags=re.MULTILINE
    )
    return {"Summary": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def documented_parameters(text: str) -> list[str]:
    """Return the names before the colons of a Parameters section; `a, b : float` are two."""
    heads = re.findall(r"^(\*{0,2}\w[\w, *]*)(?: :.*)?$", text, flags=re.MULTILINE)
    return [name.strip() for head in heads for name in head.split(",")]


def test_the_list_of_public_names_is_sorted_and_importable():
    assert sorted(set(NAMES), key=lambda name: (not name[0].isupper(), name)) == NAMES
    assert set(NAMES) <= set(dir(limelens))
    for name, value in public_objects().items():
        assert value.__name__ == name


def classes(folder: str) -> Iterator[type]:
    """Yield the classes that the modules of a folder define, base classes left out."""
    package = importlib.import_module(f"limelens.{folder}")
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        for value in vars(importlib.import_module(info.name)).values():
            if (
                inspect.isclass(value)
                and value.__module__ == info.name
                and info.name.rpartition(".")[2] not in ("base", "sequential")
            ):
                yield value


@pytest.mark.parametrize("folder", STRATEGIES)
def test_every_strategy_and_explainer_is_public(folder):
    verb, arguments = STRATEGIES[folder]
    for value in classes(folder):
        role = next((vars(base)[verb] for base in value.__mro__ if verb in vars(base)), None)
        takes = ", ".join(list(inspect.signature(role).parameters)[:4]) if role else ""
        if takes == arguments and value.__name__[0] != "_" and value not in BENEATH:
            assert value.__name__ in NAMES, f"add it to __all__ in {limelens.__file__}"


@pytest.mark.parametrize("name", callables())
def test_docstring_has_every_section(name):
    value = getattr(limelens, name)
    found = sections(value.__doc__ or "")
    parameters = inspect.signature(value).parameters
    assert found["Summary"].strip(), f"{name} has no summary"
    assert "Examples" in found, f"{name} has no Examples section"
    assert ">>>" in found["Examples"], f"the example of {name} does not run"
    assert not parameters or "Parameters" in found, f"{name} has no Parameters section"
    if not inspect.isclass(value):
        assert "Returns" in found, f"{name} has no Returns section"


@pytest.mark.parametrize("name", callables())
def test_docstring_names_exactly_the_parameters(name):
    value = getattr(limelens, name)
    parameters = [p for p in inspect.signature(value).parameters if not p.startswith("_")]
    text = sections(value.__doc__ or "").get("Parameters", "")
    assert sorted(documented_parameters(text)) == sorted(parameters)


@pytest.mark.parametrize("name", callables())
def test_public_methods_have_docstrings(name):
    for attribute, value in vars(getattr(limelens, name)).items():
        is_method = inspect.isfunction(value) or isinstance(value, property | classmethod)
        if is_method and not attribute.startswith("_"):
            assert value.__doc__, f"{name}.{attribute} has no docstring"


def signatures() -> dict[str, inspect.Signature]:
    """Return the signatures of all public callables and of their public methods."""
    found = {}
    for name in callables():
        value = getattr(limelens, name)
        found[name] = inspect.signature(value)
        if inspect.isclass(value):
            for attribute, method in inspect.getmembers(value, inspect.isroutine):
                if not attribute.startswith("_"):
                    found[f"{name}.{attribute}"] = inspect.signature(method)
    return found


def test_no_signature_takes_arbitrary_keywords():
    for name, signature in signatures().items():
        kinds = {parameter.kind for parameter in signature.parameters.values()}
        assert inspect.Parameter.VAR_KEYWORD not in kinds, f"{name} accepts **kwargs"


def test_booleans_are_never_positional():
    for name, signature in signatures().items():
        for parameter in signature.parameters.values():
            if isinstance(parameter.default, bool):
                assert parameter.kind is parameter.KEYWORD_ONLY, f"{name}({parameter.name}=...)"


def default_of(owner: str, parameter: inspect.Parameter) -> str:
    """Spell a default; that of a field made by a factory is what the factory makes."""
    value = getattr(limelens, owner.split(".")[0])
    if dataclasses.is_dataclass(value) and "." not in owner:
        for field in dataclasses.fields(value):
            if field.name == parameter.name and field.default_factory is not dataclasses.MISSING:
                return repr(field.default_factory())
    return repr(parameter.default)


def test_one_parameter_has_one_default_everywhere():
    seen: dict[str, dict[str, str]] = {}
    for owner, signature in signatures().items():
        for parameter in signature.parameters.values():
            shared = (parameter.name, owner) not in OWN_DEFAULTS
            if shared and parameter.default is not parameter.empty:
                seen.setdefault(parameter.name, {})[owner] = default_of(owner, parameter)
    differing = {name: owners for name, owners in seen.items() if len(set(owners.values())) > 1}
    assert not differing, "\n".join(f"{name}: {owners}" for name, owners in differing.items())


@pytest.mark.parametrize("name", explainers())
def test_explainers_are_frozen_records_of_keywords(name):
    explainer = getattr(limelens, name)
    assert dataclasses.is_dataclass(explainer)
    assert explainer.__dataclass_params__.frozen
    assert not explainer.__dataclass_params__.eq
    assert all(field.kw_only for field in dataclasses.fields(explainer) if field.init)


@pytest.mark.parametrize("name", explainers())
def test_explainers_share_one_explain(name):
    first = getattr(limelens, explainers()[0])
    assert getattr(limelens, name).explain is first.explain


@pytest.mark.parametrize("name", callables())
def test_settings_cannot_be_changed_after_construction(name):
    value = getattr(limelens, name)
    if dataclasses.is_dataclass(value):
        assert value.__dataclass_params__.frozen
