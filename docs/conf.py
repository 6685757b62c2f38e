"""The site of this folder: `nox -s docs` builds it into build/site, where it is read offline."""

project = "RUMUS for Python"
extensions = ["myst_parser"]
html_theme = "alabaster"  # comes with Sphinx, and fetches nothing
html_theme_options = {"page_width": "68rem", "fixed_sidebar": True}
html_title = project
html_show_copyright = False
html_copy_source = False
myst_heading_anchors = 3  # links to headings, as on GitHub
