"""Settings of Sphinx for the documentation site, which `make docs` builds without a network."""

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

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_title = f"Crucible IR {VERSION}"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False
html_last_updated_fmt = None
