"""The site of this folder: `nox -s docs` builds it into build/site, where it is read offline."""

import builtins
from importlib import import_module
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

project = "RUMUS for Python"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
]
html_theme = "alabaster"  # comes with Sphinx, and fetches nothing
html_theme_options = {"page_width": "76rem", "sidebar_width": "17rem", "fixed_sidebar": True}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html", "localtoc.html"]}
html_title = project
html_show_copyright = False
html_copy_source = False
myst_heading_anchors = 3  # links to headings, as on GitHub
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"  # of a module: the order of __all__
autodoc_typehints_format = "short"
autosummary_generate = False
napoleon_use_ivar = True  # attributes of a docstring are no second entry beside the members
# types that only annotations name have no page; what a page links by itself is looked at
nitpick_ignore_regex = [("py:.*", ".*")]

PUBLIC = [
    "rumus.tensor",
    "rumus.tensor.array_api",
    "rumus.autograd",
    "rumus.nn",
    "rumus.nn.functional",
    "rumus.nn.init",
    "rumus.nn.augment",
    "rumus.gpu",
    "rumus.data",
    "rumus.optim",
    "rumus.optim.lr_scheduler",
    "rumus.train",
]


def public_names(module: str) -> list[str]:
    """What a module exports, without its version and the modules that have a page of their own."""
    return [
        name
        for name in import_module(module).__all__
        if name[:2] != "__" and name != "tree" and f"{module}.{name}" not in PUBLIC
    ]


def list_names(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Put a table of a module's names, each with its first sentence, before them."""
    if what == "module" and name in PUBLIC:
        lines += ["", ".. autosummary::", "   :nosignatures:", ""]
        lines += [f"   {public}" for public in public_names(name)]


def find_short_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    """Link ``ShapeError`` or ``Trainer.fit`` to the public name that ends so."""
    target = node["reftarget"]
    if node.get("refdomain") != "py" or hasattr(builtins, target):
        return None
    end = "." + (target.rpartition(".")[2] if "._" in target else target)
    objects = env.domains.python_domain.objects
    found = sorted((name for name in objects if name.endswith(end)), key=len)
    if not found:
        return None
    place = objects[found[0]]
    page = app.builder.get_relative_uri(node["refdoc"], place.docname)
    return nodes.reference("", "", content, internal=True, refuri=f"{page}#{place.node_id}")


def complain_of_missing_names(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn, which is an error, of each public name that no page has."""
    known = env.domains.python_domain.objects
    for module in PUBLIC:
        for name in public_names(module):
            place = getattr(import_module(module), name)
            first = f"{getattr(place, '__module__', '')}.{name}"  # a class has one page
            if f"{module}.{name}" not in known and first not in known:
                logging.getLogger(__name__).warning("no page has %s.%s", module, name)


def setup(app: Sphinx) -> None:
    """Register what is above."""
    app.connect("autodoc-process-docstring", list_names)
    app.connect("missing-reference", find_short_name)
    app.connect("env-check-consistency", complain_of_missing_names)
