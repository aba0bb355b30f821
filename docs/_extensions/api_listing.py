"""The directive `api-listing`: reference entries of all that is public in some modules.

Its argument is one or more module names. Listed is what `limelens.__all__` takes from them, or,
for a module with an `__all__` of its own, the names there. New public names appear by themselves.
"""

import inspect
import sys
from importlib import import_module
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

import limelens


def public_names(module: str) -> list[str]:
    """Return the dotted names under which users import what a module makes public.

    Examples
    --------
    >>> public_names("limelens.engine.samples")
    ['limelens.Samples']
    """
    exported = {name: getattr(limelens, name) for name in limelens.__all__}
    homes = {name: f"{value.__module__}." for name, value in exported.items()}
    names = [
        f"limelens.{name}" for name in limelens.__all__ if homes[name].startswith(f"{module}.")
    ]
    own = getattr(import_module(module), "__all__", [])
    return names or [f"{module}.{name}" for name in own]


def is_data(name: str) -> bool:
    """Say whether a dotted name is a constant: neither class nor function."""
    module, _, attribute = name.rpartition(".")
    return not callable(getattr(import_module(module), attribute))


def constant(name: str) -> list[str]:
    """Return the lines of a constant: the string under its assignment, wherever that is."""
    package, _, attribute = name.rpartition(".")
    for module in [module for module in sys.modules if f"{module}.".startswith(f"{package}.")]:
        documented = ModuleAnalyzer.for_module(module).find_attr_docs()
        if ("", attribute) in documented:
            text = [f"   {line}" for line in documented["", attribute]]
            return [f".. py:data:: {name}", "", *text, ""]
    raise ValueError(f"{name} has no docstring under its assignment")


def entry(name: str) -> list[str]:
    """Return the autodoc lines of one name.

    Examples
    --------
    >>> entry("limelens.perturb")[0]
    '.. autofunction:: limelens.perturb'
    """
    module, _, attribute = name.rpartition(".")
    value: Any = getattr(import_module(module), attribute)
    if is_data(name):
        return constant(name)
    if not inspect.isclass(value):
        return [f".. autofunction:: {name}", ""]
    if issubclass(value, BaseException):
        return [f".. autoexception:: {name}", "   :show-inheritance:", ""]
    # A base that is not public itself: what it adds belongs to the class that is.
    bases = [each.__name__ for each in value.__mro__[1:] if each.__module__.endswith("exports")]
    inherited = ["   :inherited-members: Record"] if bases else []
    return [f".. autoclass:: {name}", "   :members:", *inherited, ""]


class ApiListing(SphinxDirective):
    """`api-listing`: a table of names with their first lines, then every entry in full."""

    required_arguments: ClassVar[int] = 1
    final_argument_whitespace: ClassVar[bool] = True

    def run(self) -> list[nodes.Node]:
        """Parse the generated lines in place of the directive."""
        names = [name for module in self.arguments[0].split() for name in public_names(module)]
        if not names:
            raise self.error(f"nothing is public in {self.arguments[0]}")
        table = [
            ".. autosummary::",
            "",
            *(f"   ~{name}" for name in names if not is_data(name)),
            "",
        ]
        lines = [line for name in names for line in entry(name)]
        text = "\n".join(["```{eval-rst}", *table, *lines, "```"])  # the pages are Markdown
        return self.parse_text_to_nodes(text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("api-listing", ApiListing)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
