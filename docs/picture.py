"""Draw docs/report.webp: parts of reports/report.html as they are, cut out and put together.

Run it after `make repro`, with the development tools and Chromium.
"""

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
WIDTH = 830  # CSS pixels, as GitHub shows a README
CLASSES = ["Cardiomegaly", "Effusion", "Pneumothorax"]
CAVEATS = 2

CUT = """([classes, caveats]) => {
  const parts = ["h1", ".lead", "#summary h3", ".cards", "#explanations .panels", ".caveats"]
    .map(selector => document.querySelector(selector));
  const named = [...parts[4].children].filter(pair => classes.includes(pair.dataset.class));
  if (named.length !== classes.length) throw Error(`not in the report: one of ${classes}`);
  parts[4].replaceChildren(...named);
  parts[5].replaceChildren(...[...parts[5].children].slice(0, caveats));
  document.body.replaceChildren(...parts);
}"""
STYLE = """
  body { padding: 1.5rem 1.75rem .5rem; }
  h1 { font-size: 1.6rem; max-width: none; margin: 0 0 .5rem; }
  .lead { max-width: none; margin: 0; }
  h3 { margin: 1rem 0 .5rem; }
  .cards { grid-template-columns: repeat(6, 1fr); gap: .5rem; }
  .card { padding: .6rem; } .card h4 { font-size: .8125rem; white-space: nowrap; }
  .card .meaning, .card .other { display: none; } .card .value span { font-size: .875rem; }
  .panels.tight { grid-template-columns: repeat(3, 1fr); }
  .panels h3 { margin-top: .5rem; } .film figcaption { font-size: .625rem; padding: .3rem; }
"""


def main() -> None:
    """Cut, and photograph at two device pixels a CSS pixel."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 100}, device_scale_factor=2)
        page.goto((ROOT / "reports/report.html").as_uri())
        page.evaluate(CUT, [CLASSES, CAVEATS])
        page.add_style_tag(content=STYLE)
        shot = np.frombuffer(page.screenshot(full_page=True), np.uint8)
        browser.close()
    picture = cv2.imdecode(shot, cv2.IMREAD_COLOR)
    cv2.imwrite(str(ROOT / "docs/report.webp"), picture, [cv2.IMWRITE_WEBP_QUALITY, 85])


if __name__ == "__main__":
    main()
