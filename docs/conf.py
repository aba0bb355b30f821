"""Settings of the documentation; build it with `sphinx-build -W --keep-going docs site`."""

import sys
from pathlib import Path

import limelens

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "limelens"
author = "The limelens developers"
version = release = limelens.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "api_listing",
]
exclude_patterns = ["_extensions"]
default_role = "py:obj"  # `name` in a docstring: a link where there is such an object, else code
suppress_warnings = [
    "ref.citation",  # numpydoc's reference lists need not be cited in the text
    "toc.empty_glob",  # a section whose first page is still to come
]

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
