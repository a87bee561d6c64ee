"""The documentation as a site (`make docs`): Markdown by MyST, nothing from elsewhere."""

import tomllib
from pathlib import Path
from typing import Final

_PROJECT: Final = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))[
    "project"
]

project = _PROJECT["name"]
release = _PROJECT["version"]
copyright = f"the authors of {project}, {_PROJECT['license']}"
extensions = ["myst_parser"]
# So deep are the headings that other pages link to.
myst_heading_anchors = 4
html_theme = "alabaster"
html_theme_options = {
    "description": _PROJECT["description"],
    "page_width": "1200px",
    "sidebar_width": "260px",
}
html_show_sourcelink = False
html_copy_source = False
highlight_language = "none"
