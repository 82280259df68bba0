"""One self-contained page that tells a clinician and an engineer what came out of a run.

`inputs` reads what the stages wrote, each section module turns that into one `Section`, and `page`
lists the sections in their order. A new section is a module, a template and a line there.
"""

from thorax.report.page import report

__all__ = ["report"]
