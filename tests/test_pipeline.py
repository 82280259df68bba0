"""The whole line through DVC, on a few phantoms: what reruns, what does not, and where it works."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from test_architecture import EDITS
from test_dicom_data import assert_hidden, draw, everything, write_films

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
NO_CHROMIUM = "no Chromium found; install it or name it in CHROMIUM"
BROWSER = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

SMALL = {
    "patients: 600": "patients: 40",
    "pixels: 192": "pixels: 64",
    "image_size: 96": "image_size: 32",
    "epochs: 30": "epochs: 2",
    "num_threads: 2 ": "num_threads: 1 ",
    "n_bootstrap: 2000": "n_bootstrap: 50",
}
STAGES = ["download", "preprocess", "split", "train@0", "predict", "evaluate", "explain", "report"]


def run(folder, *command, ok=True):
    """Run a command in the checkout with this interpreter first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    names = {
        f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    ended = subprocess.run(
        command, cwd=folder, env=os.environ | names | {"PATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode == 0) == ok, ended.stdout[-3000:] + ended.stderr[-3000:]
    return ended.stdout + ended.stderr


def stages_run(output):
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A small copy of the project, committed, in a path with a space, after one `dvc repro`."""
    folder = tmp_path_factory.mktemp("a path") / "thorax"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if (
            name
            and not name.startswith(("tests/", "metrics/", "dvc.lock"))
            and (ROOT / name).is_file()
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    params = (folder / "params.yaml").read_text(encoding="utf-8")
    for old, new in SMALL.items():
        assert old in params
        params = params.replace(old, new)
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    run(folder, "git", "init", "-q")
    run(folder, "git", "add", ".")
    run(folder, "git", "commit", "-qm", "start")
    out = run(folder, "dvc", "repro")
    assert stages_run(out) == STAGES
    run(folder, "git", "add", ".")
    run(folder, "git", "commit", "-qm", "results")
    return folder


def test_a_second_run_does_nothing(checkout):
    assert "Data and pipelines are up to date" in run(checkout, "dvc", "repro")
    assert run(checkout, "git", "status", "--porcelain") == ""


def test_a_forced_run_gives_the_same_bytes(checkout):
    """The page as well: what differs from run to run stays out of it."""
    run(checkout, "dvc", "repro", "-f")
    assert run(checkout, "git", "status", "--porcelain") == ""


def test_the_lock_agrees_without_any_data(checkout, tmp_path):
    clone = tmp_path / "clone"
    run(tmp_path, "git", "clone", "-q", str(checkout), str(clone))
    assert not stages_run(run(clone, "dvc", "repro", "--allow-missing", "--dry"))


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        ("evaluate.threshold=f1", ["evaluate", "report"]),
        ("explain.occlusion_images=10", ["explain", "report"]),
        ("report.examples=2", ["report"]),
        ("train.optimizer.lr=0.001", ["train@0", "predict", "evaluate", "explain", "report"]),
    ],
)
def test_only_what_a_setting_touches_runs_again(checkout, change, stages):
    name = change.split("=")[0].replace(".", "-")
    assert stages_run(run(checkout, "dvc", "exp", "run", "-n", name, "-S", change)) == stages
    restore(checkout)


def test_more_folds_train_only_what_is_missing(checkout):
    settings = ["-S", "split.n_folds=2", "-S", "split.folds=[0,1]", "-S", "split.val_fraction=0.0"]
    out = run(checkout, "dvc", "exp", "run", "-n", "folds", *settings)
    later = ["predict", "evaluate", "explain", "report"]
    assert stages_run(out) == ["split", "train@0", "train@1", *later]
    results = json.loads((checkout / "evaluation/results.json").read_text())
    assert set(results["folds"]["by_fold"]) == {"0", "1"}
    restore(checkout)


def restore(checkout):
    run(checkout, "git", "checkout", "-q", ".")
    run(checkout, "git", "clean", "-fdq", "metrics")  # predictions of another test set
    run(checkout, "dvc", "checkout")


@pytest.mark.parametrize("edited", EDITS)
def test_an_edit_makes_dvc_rerun_these_stages(checkout, edited):
    """DVC's own word, for every row of the table in test_architecture."""
    file = checkout / edited
    before = file.read_bytes()
    file.write_bytes(before + b"\n")
    try:
        status = json.loads(run(checkout, "dvc", "status", "--json"))
    finally:
        file.write_bytes(before)
    changed = {
        stage.split("@")[0]
        for stage, changes in status.items()
        for change in changes
        if "changed deps" in change
        and any(edited == dep or edited.startswith(f"{dep}/") for dep in change["changed deps"])
    }
    assert changed == set(EDITS[edited])


def test_a_new_comment_in_the_phantom_decodes_nothing_again(checkout):
    """The generator runs, gives the same archive, and nothing downstream has to follow."""
    file = checkout / "src/thorax_phantom/bones.py"
    before = file.read_text(encoding="utf-8")
    file.write_text(before + "# no change\n", encoding="utf-8")
    assert stages_run(run(checkout, "dvc", "repro")) == ["download"]
    file.write_text(before, encoding="utf-8")
    run(checkout, "dvc", "repro")
    run(checkout, "git", "checkout", "-q", ".")


def test_experiments_fit_one_screen(checkout):
    """At most 16 metric columns, and of the settings only those that differ."""
    for name, change in (("f1", "evaluate.threshold=f1"), ("few", "report.examples=2")):
        run(checkout, "dvc", "exp", "run", "-n", f"screen-{name}", "-S", change)
        restore(checkout)
    out = run(checkout, "dvc", "exp", "show", "--only-changed", "--csv", "--sha")
    columns = next(line for line in out.splitlines() if line.startswith("Experiment")).split(",")
    metrics = [name for name in columns if name.startswith(("test.", "val."))]
    assert 2 <= len(metrics) <= 16
    params = [name for name in columns if name.startswith(("evaluate.", "report.", "train."))]
    assert "evaluate.threshold" in params
    assert "train.epochs" not in params
    figures = json.loads((checkout / "metrics/metrics.json").read_text(encoding="utf-8"))
    assert sum(len(subset) for subset in figures.values()) == 15


def test_a_queued_experiment_works_and_is_listed(checkout):
    run(checkout, "dvc", "exp", "run", "--queue", "-n", "queued", "-S", "train.optimizer.name=sgd")
    run(checkout, "dvc", "exp", "run", "--run-all")
    shown = json.loads(run(checkout, "dvc", "exp", "show", "--json"))
    text = json.dumps(shown)
    assert "queued" in text
    assert "metrics/metrics.json" in text


def test_a_zip_download_without_git_works(checkout, tmp_path):
    folder = tmp_path / "no git"
    made = {".git", "models", "predictions", "evaluation", "explanations"}

    def left_out(directory, names):
        top = Path(directory) == checkout
        return [name for name in names if (top and name in made) or name in ("cache", "tmp", "raw")]

    shutil.copytree(checkout, folder, ignore=left_out)
    run(folder, "dvc", "config", "--local", "core.no_scm", "true")
    assert "report" in stages_run(run(folder, "dvc", "repro"))
    assert (folder / "reports/report.html").exists()


def test_no_identifier_of_dicom_headers_reaches_any_output(checkout, tmp_path):
    """20 of them, searched for in all that every stage writes and says, DVC's cache included."""
    clone, films = tmp_path / "clone", tmp_path / "films"
    run(tmp_path, "git", "clone", "-q", str(checkout), str(clone))
    write_films(films, draw(tmp_path / "phantom.zip"))
    params = (clone / "params.yaml").read_text(encoding="utf-8")
    for old, new in {
        "source: phantom": "source: folder",
        "path: data/local": f"path: {films}",
    }.items():
        assert old in params
        params = params.replace(old, new)
    (clone / "params.yaml").write_text(params, encoding="utf-8")
    words = run(clone, "dvc", "repro")
    assert "report" in stages_run(words)
    assert "hmac-" in (clone / "data/manifest.csv").read_text()
    assert "data/patients.key" not in run(clone, "git", "status", "--porcelain", "-uall")
    assert_hidden([words, *everything(clone)])


@pytest.mark.parametrize("width", [1280, 360])
def test_the_report_opens_in_a_browser(checkout, width):
    if not CHROMIUM:
        pytest.skip(NO_CHROMIUM)
    page_file = checkout / "reports/report.html"
    text = page_file.read_text(encoding="utf-8")
    assert len(text) < 8e6
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER)
        page = browser.new_page(viewport={"width": width, "height": 900})
        wrong: list[str] = []
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: wrong.append(str(e)))
        page.on("request", lambda r: wrong.append(r.url) if r.url.startswith("http") else None)
        page.goto(page_file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        hidden = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
        assert page.evaluate(hidden) == 0
        assert page.evaluate("document.images.length") > 10
        browser.close()
    assert wrong == []


def test_dvc_draws_the_declared_plots_and_no_other(checkout):
    shown = json.loads(run(checkout, "dvc", "plots", "show", "--json"))
    assert not shown.get("errors")
    names = {"loss", "auroc", "roc", "precision_recall", "confusion", "per_class"}
    assert set(shown["data"]) == names


def test_dvc_draws_its_plots_without_a_network(checkout):
    if not CHROMIUM:
        pytest.skip(NO_CHROMIUM)
    run(checkout, "dvc", "plots", "show")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER)
        page = browser.new_page()
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((checkout / "dvc_plots/index.html").as_uri())
        page.wait_for_selector("canvas, svg.marks")
        browser.close()
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
