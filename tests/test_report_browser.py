"""The report in headless Chromium: no error, no request, no overflow, whole without JavaScript."""

import csv
import re
from xml.etree import ElementTree

import pytest

from chromium import needs_chromium
from test_report import leaky, renamed_run, with_groups, with_undefined
from thorax.config import Report
from thorax.report import SECTIONS, page
from thorax.report.inputs import gather

CLASSES = ('No "Finding" <sic>', "Pleural_Thickening_and_a_very_long_name")
PHONE, DESKTOP = (360, 740), (1280, 900)

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    """A page with everything on it: folds, groups, undefined values, a leaky split, odd names."""
    folder = tmp_path_factory.mktemp("page")
    paths = renamed_run(folder, dict(zip("AB", CLASSES, strict=True)))
    inputs = with_groups(leaky(with_undefined(gather(Report(examples=4), paths), CLASSES[1])))
    file = folder / "report.html"
    file.write_text(page(inputs), encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def visit(browser, address):
    """Open the page; console messages, errors and requests gather in `page.noted`."""
    contexts = []

    def opened(size=DESKTOP, **options):
        width, height = size
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.noted = []
        page.on("console", lambda message: page.noted.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: page.noted.append(f"error: {error}"))
        page.on("requestfailed", lambda request: page.noted.append(f"failed: {request.url}"))
        page.on("request", lambda request: page.noted.append(f"request: {request.url[:80]}"))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_opens_without_error_request_or_overflow(visit, address, size, scheme):
    page = visit(size, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    # Waiting inside of the page would evaluate text, which its security policy forbids.
    while not page.evaluate("[...document.images].every((i) => i.complete && i.naturalWidth)"):
        page.wait_for_timeout(20)
    outside = [note for note in page.noted if not note.startswith("request: data:image/webp")]
    assert outside == [f"request: {address}"]
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    # What is wider than the page scrolls in a container of its own.
    wide = page.evaluate(
        """() => [...document.querySelectorAll('main *')].filter((element) =>
             element.getBoundingClientRect().right > innerWidth + 1
             && !element.closest('.scroll, .film, pre')).map((element) => element.outerHTML)"""
    )
    assert wide == []


def test_whole_without_javascript(visit):
    page = visit(java_script_enabled=False)
    assert page.locator("main h2").count() == len(SECTIONS)
    page.locator("details").evaluate_all("(list) => list.forEach((d) => { d.open = true; })")
    for kind in ("h1, h2, h3", "main svg.chart", "main figure", "main img"):
        found = page.locator(kind).all()
        assert found
        assert all(element.is_visible() for element in found), kind
    assert page.locator("select:visible").count() == 0
    assert page.locator(".explorer:visible").count() == 0


def test_text_and_marks_stand_out_in_dark_mode(visit):
    def colors(scheme):
        page = visit(color_scheme=scheme)
        line = page.locator("#performance .mark-line path[stroke='var(--test)']").first
        ink = page.evaluate("getComputedStyle(document.body).color")
        return ink, line.evaluate("(element) => getComputedStyle(element).stroke")

    (light_ink, light_line), (dark_ink, dark_line) = colors("light"), colors("dark")
    assert light_ink != dark_ink
    assert light_line != dark_line


def test_picks_a_class_and_all_again(visit):
    page = visit()
    select = page.get_by_role("combobox", name="Class")
    marked = page.locator("[data-class]:visible")
    everything = marked.count()
    select.select_option(label=CLASSES[0])
    shown = set(marked.evaluate_all("(list) => list.map((element) => element.dataset.class)"))
    assert shown == {CLASSES[0]}
    select.select_option(label="all classes")
    assert marked.count() == everything
    assert not [note for note in page.noted if note.startswith(("console", "error"))]


def test_reads_values_under_the_pointer(visit):
    page = visit()

    def readout(section):
        chart = page.locator(f"{section} .chart").first
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box()
        page.mouse.move(box["x"] + box["width"] * 0.55, box["y"] + box["height"] * 0.6)
        return page.locator(f"{section} .readout").first.inner_text()

    assert readout("#performance").startswith("1 − specificity 0: validation ")
    assert re.match(r"epoch 2: training \S+, validation \S+$", readout("#training"))
    assert readout("#data").endswith("images")
    assert not [note for note in page.noted if note.startswith(("console", "error"))]


def test_keyboard_reaches_the_report_first(visit):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    landmarks = [page.get_by_role(role).count() for role in ("banner", "navigation", "main")]
    assert landmarks == [1, 1, 1]


def test_prints_everything_on_paper(visit):
    page = visit(color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator("#performance details table").first.is_visible()
    assert not page.locator("nav").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


@pytest.mark.parametrize("name", CLASSES)
def test_the_threshold_slider_moves_the_numbers(visit, name):
    page = visit()
    explorer = page.locator(".explorer")
    slider, select = explorer.get_by_role("slider"), explorer.get_by_role("combobox")
    select.select_option(label=name)

    def values(*keys):
        return [explorer.locator(f"[data-value={key}]").inner_text() for key in keys]

    frozen, position = values("tp", "fn", "fp", "tn"), slider.input_value()
    matrix = page.locator("#performance .matrices").first.get_by_role("table", name=name)
    assert frozen == matrix.locator("b").all_inner_texts(), "the table and the explorer agree"
    slider.fill("0")
    assert values("fn", "sensitivity") == ["0", "1.000"]
    slider.fill(slider.get_attribute("max"))
    assert int(values("tp")[0]) <= int(frozen[0])
    explorer.get_by_role("button", name="Frozen threshold").click()
    assert slider.input_value() == position
    assert values("tp", "fn", "fp", "tn") == frozen
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert int(slider.input_value()) == max(int(position) - 1, 0)


def test_the_navigation_fits_and_shows_where_one_is(visit):
    page = visit()
    bar = page.locator("nav ul")
    assert bar.evaluate("(list) => list.scrollWidth <= list.clientWidth")
    for anchor in ("subgroups", "data"):
        page.locator(f"#{anchor}").evaluate("(e) => e.scrollIntoView({behavior: 'instant'})")
        page.locator(f"nav a[aria-current][href='#{anchor}']").wait_for()
        assert page.locator("nav a[aria-current]").count() == 1


def test_the_name_of_a_row_stays_beside_its_numbers_on_a_phone(visit):
    page = visit(PHONE)
    region = page.locator("#performance .scroll:has(.stacked)").first
    head = region.locator("tbody th").first
    before = head.bounding_box()
    region.evaluate("(element) => { element.scrollLeft = 200; }")
    assert head.bounding_box()["x"] == before["x"]
    assert before["width"] < 0.4 * PHONE[0]


def test_the_first_class_alone_is_unfolded(visit):
    page = visit()
    assert page.locator("details.examples").evaluate_all("(l) => l.map((d) => d.open)") == [
        True,
        False,
    ]


def test_a_radiograph_can_be_enlarged_and_shows_its_evidence(visit):
    page = visit(reduced_motion="reduce")
    figures = page.locator("#examples details[open] .film").first.locator("figure")
    first, dialog = figures.first, page.get_by_role("dialog")
    plain, evidence = first.locator("img").all()
    large, heat = (dialog.locator("img").nth(i) for i in (0, 1))
    assert evidence.evaluate("(image) => getComputedStyle(image).opacity") == "0"
    plain.click()
    assert large.get_attribute("src") == plain.get_attribute("src")
    assert dialog.bounding_box()["width"] > 2 * plain.bounding_box()["width"]
    assert not heat.is_visible()
    dialog.get_by_role("checkbox", name="Heat map").check()
    assert heat.get_attribute("src") == evidence.get_attribute("src")
    assert heat.bounding_box() == large.bounding_box()
    page.keyboard.press("ArrowRight")
    second = figures.nth(1).locator("img").first.get_attribute("src")
    assert large.get_attribute("src") == second
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    first.get_by_role("checkbox").check()
    assert evidence.evaluate("(image) => getComputedStyle(image).opacity") == "1"
    plain.focus()
    page.keyboard.press("Enter")
    assert heat.is_visible()
    assert not [note for note in page.noted if note.startswith(("console", "error"))]


def test_a_radiograph_can_be_seen_closer(visit):
    page = visit(PHONE, reduced_motion="reduce")
    page.locator(".wall img").first.click()
    dialog = page.get_by_role("dialog")
    view, large = dialog.locator(".view"), dialog.locator("img").first
    width = large.bounding_box()["width"]
    assert dialog.bounding_box()["width"] <= PHONE[0]
    page.keyboard.press("+")
    assert large.bounding_box()["width"] == pytest.approx(2 * width, abs=1)
    assert view.evaluate("(e) => e.scrollLeft") > 0, "the middle stays where it was"
    source = large.get_attribute("src")
    page.keyboard.press("ArrowRight")
    assert large.get_attribute("src") == source, "the arrows move what is seen"
    dialog.get_by_role("button", name="Farther").click()
    assert large.bounding_box()["width"] == pytest.approx(width, abs=1)
    page.keyboard.press("ArrowRight")
    assert large.get_attribute("src") != source


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_test_images_can_be_filtered_and_sorted(visit, size):
    page = visit(size, reduced_motion="reduce")
    gallery = page.locator(".gallery")
    captions = gallery.locator("figcaption")
    everything = captions.count()
    assert (
        gallery.get_by_role("status").inner_text() == f"{everything} of {everything} images shown"
    )

    def choose(label, option):
        gallery.get_by_role("combobox", name=label).select_option(option)
        return captions.all_inner_texts()

    def probabilities(texts):
        return [float(text.split()[1]) for text in texts]

    assert probabilities(captions.all_inner_texts()) == sorted(
        probabilities(captions.all_inner_texts()), reverse=True
    )
    lowest = probabilities(choose("Probability", "lowest first"))
    assert lowest == sorted(lowest)
    kinds = ("true positives", "false positives", "false negatives", "true negatives")
    shown = {kind: choose("Decision", kind) for kind in kinds}
    matrix = page.locator("#performance .matrices").first.get_by_role("table", name=CLASSES[0])
    tp, fn, fp, tn = map(int, matrix.locator("b").all_inner_texts())
    assert [len(texts) for texts in shown.values()] == [tp, fp, fn, tn]
    assert all(text.startswith("✓") for text in shown["true negatives"])
    assert len(choose("Decision", "mistakes")) == fp + fn
    choose("Decision", "all")
    by_age = [len(choose("Age", age)) for age in ("18–39", "40–59")]
    assert sum(by_age) == everything
    assert all(by_age)
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    assert not [note for note in page.noted if note.startswith(("console", "error"))]


def test_the_keyboard_reaches_the_images_and_comes_back(visit):
    page = visit(reduced_motion="reduce")
    gallery = page.locator(".gallery")
    gallery.get_by_role("combobox", name="Probability").focus()
    page.keyboard.press("Tab")
    image = gallery.locator("img").first
    assert image.evaluate("(element) => element === document.activeElement")
    page.keyboard.press("Enter")
    assert page.get_by_role("dialog").is_visible()
    words = page.get_by_role("dialog").locator("p").inner_text()
    assert re.match(rf"Radiograph \S+\. Truth: .*{re.escape(CLASSES[0])}", words)
    page.keyboard.press("Escape")
    assert image.evaluate("(element) => element === document.activeElement")


def test_tables_and_charts_can_be_saved(visit):
    page = visit()

    def saved(region):
        region.hover()
        with page.expect_download() as download:
            region.locator(".save").click()
        return download.value.suggested_filename, download.value.path().read_text(encoding="utf-8")

    name, text = saved(page.locator("#performance .scroll").first)
    assert re.fullmatch(r"By_class_test_\w+\.csv", name)
    header, *rows = csv.reader(text.splitlines())
    assert header[0] == "Class"
    assert [row[0] for row in rows[:2]] == list(CLASSES)
    assert {len(row) for row in rows} == {len(header)}
    name, text = saved(page.locator("#performance .panel:has(.chart)").first)
    assert name.endswith(".svg")
    drawing = ElementTree.fromstring(text)
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(" not in text
    assert not [note for note in page.noted if note.startswith(("console", "error"))]
