"""Settings of the documentation; build it with `sphinx-build -W --keep-going docs site`."""

import dataclasses
import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

import limelens

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "limelens"
author = project_copyright = "The limelens developers"
version = release = limelens.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "api_listing",
]
exclude_patterns = ["_extensions"]
default_role = "py:obj"  # `name` in a docstring: a link where there is such an object, else code
suppress_warnings = ["ref.citation"]  # numpydoc's reference lists need not be cited in the text
extlinks = {
    "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"),
    "doi": ("https://doi.org/%s", "doi:%s"),
}

autodoc_typehints = "none"  # the docstrings say the types, with shapes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
autosummary_generate = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"limelens {release}"
html_copy_source = False
html_show_sourcelink = False


def escape_stars(
    app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    """Keep `(t, *spatial)` in a docstring from being read as the start of emphasis."""
    lines[:] = [re.sub(r"(?<![\w*`\\])\*(?=[a-z_][\w.]*[,)])", r"\\*", line) for line in lines]


def show_factories(
    app: Sphinx,
    what: str,
    name: str,
    value: object,
    options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """Write `fill=ImageMean()` where the signature of a dataclass says `fill=<factory>`."""
    if signature and dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            if field.default_factory is not dataclasses.MISSING:
                made = f"{field.name}={field.default_factory()!r}"
                signature = signature.replace(f"{field.name}=<factory>", made)
    return signature, returns


def setup(app: Sphinx) -> None:
    """Connect what the settings cannot say."""
    app.connect("autodoc-process-docstring", escape_stars)
    app.connect("autodoc-process-signature", show_factories)
