"""Settings of Sphinx for the documentation site, which `make docs` builds without a network."""

from typing import Any

from sphinx.application import Sphinx
from sphinx.util.nodes import make_refnode

from crucible_ir.version import VERSION

project = "Crucible IR"
author = "The authors of Crucible IR"
copyright = author
release = version = VERSION

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
# Files of the repository that pages offer as downloads.
exclude_patterns = ["files"]

# The depth of the headings that links may name: the sections of an entry of the references.
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline", "deflist"]

# Examples that a reader must reject are no JSON.
suppress_warnings = ["misc.highlighting_failure"]
highlight_language = "none"
# Two hyphens begin an option.
smartquotes = False

# Docstrings have names of the API in single backquotes.
default_role = "py:obj"
autodoc_member_order = "bysource"
add_module_names = False
maximum_signature_line_length = 80
python_use_unqualified_type_names = True
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_use_rtype = False

pygments_dark_style = "github-dark"

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_title = f"Crucible IR {VERSION}"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False
html_last_updated_fmt = None


def resolve(app: Sphinx, env: Any, node: Any, content: Any) -> Any:
    """Link a name of Python by its last part: names are documented where they are exported."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    name = target.rpartition(".")[2]
    packages = ["crucible_ir.exchange", "crucible_ir.v1", "crucible_ir"]
    if not target.startswith("crucible_ir.exchange."):
        # Two packages may have one name.
        packages.reverse()
    for package in packages:
        found = env.domains.python_domain.objects.get(f"{package}.{name}")
        if found is not None:
            return make_refnode(
                app.builder, node["refdoc"], found.docname, found.node_id, content, name
            )
    return None


def collapse(app: Sphinx, name: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Show only the branch of the page in the navigation: all of it takes most of the build."""
    toctree = context["toctree"]
    context["toctree"] = lambda **options: toctree(**{**options, "collapse": True})


def setup(app: Sphinx) -> None:
    """Register the resolution of names, and the navigation before the theme reads it."""
    app.connect("missing-reference", resolve)
    app.connect("html-page-context", collapse, priority=400)
