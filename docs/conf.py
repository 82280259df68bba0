"""The documentation site, built by Sphinx: `make docs`.

The source folder is the whole repository, so that every link is the same here and on GitHub, and
README, CHANGELOG and CONTRIBUTING are pages too. A warning, such as of a broken link, is an error.
"""

import re
import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "docs")]

import generated  # noqa: E402

project = "thorax"
author = "The thorax authors"
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4

root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "benchmarks/*.md"]
exclude_patterns = [
    ".*", "bundle", "data", "evaluation", "explanations", "external", "metrics", "models",
    "predictions", "reports", "site", "src", "tests",
]  # fmt: skip

smartquotes = False  # quotes are copied into shells

html_theme = "furo"
html_title = "thorax"
html_extra_path = ["../reports/report.html"]  # the sample report
html_copy_source = False
html_show_copyright = False

CONTENTS = {
    "Start": [
        "docs/start", "docs/install", "docs/your-data", "docs/dicom", "docs/compare", "docs/export",
        "docs/sample",
    ],
    "Why believe it": ["docs/trust", "docs/checklists", "docs/alternatives"],
    "Studies": ["docs/recipes", "benchmarks/protocols"],
    "Reference": ["docs/parameters", "docs/sources", "docs/artifacts", "docs/commands"],
    "Inside": ["docs/architecture", "docs/phantom", "CONTRIBUTING", "CHANGELOG"],
}  # fmt: skip


def fill(_: Sphinx, page: str, source: list[str]) -> None:
    """Put in what is generated; the tables of contents stand behind the home page."""
    source[0] = re.sub(r"<!-- generated: (\w+) -->", lambda m: generated.PAGES[m[1]](), source[0])
    if page == root_doc:
        for caption, pages in CONTENTS.items():
            options = f":hidden:\n:caption: {caption}\n"
            source[0] += f"\n```{{toctree}}\n{options}\n" + "\n".join(pages) + "\n```\n"


def finish(app: Sphinx, error: Exception | None) -> None:
    """README.html is the home page under its usual name too."""
    if error is None:
        shutil.copyfile(Path(app.outdir) / "README.html", Path(app.outdir) / "index.html")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", fill)
    app.connect("build-finished", finish)
