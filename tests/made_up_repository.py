"""A repository as DVC keeps it, written by hand: commits, a lock, and a cache of outputs."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

from scipy.special import logit

from made_up_predictions import predictions
from small_run import ROOT
from thorax.artifacts import Estimate
from thorax.artifacts.evaluation import FoldMetrics, Results, SubsetMetrics
from thorax.config import METRICS, Paths, load_params

PATHS = {name: name for name in Paths.model_fields} | {
    "metrics": "metrics/metrics.json", "test_predictions": "metrics/predictions",
}  # fmt: skip
OUTPUTS = ("manifest", "models/0", "evaluation")
DVC_YAML = {
    "vars": [{"paths": PATHS}],
    "stages": {
        "evaluate": {
            "cmd": "x",
            "outs": [*OUTPUTS, {PATHS["test_predictions"]: {"cache": False}}],
            "metrics": [{PATHS["metrics"]: {"cache": False}}],
        }
    },
}
HEADLINE = {"auroc": 0.9, "auroc_low": 0.88, "auroc_high": 0.93, "average_precision": 0.8,
            "sensitivity": 0.8, "f1": 0.8, "loss": 0.4}  # fmt: skip
AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@b")
CACHE = Path(".dvc/cache")


def sh(*command):
    return subprocess.check_output(command, text=True).strip()


def start(folder: Path) -> None:
    """An empty project that DVC takes for its own."""
    sh("git", "init", "--quiet", str(folder))
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text("")
    (folder / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (folder / ".gitignore").write_text("".join(f"/{name}\n" for name in OUTPUTS))
    (folder / "dvc.yaml").write_text(json.dumps(DVC_YAML))
    (folder / "metrics").mkdir()
    shutil.copy(ROOT / "params.yaml", folder)


def start_with_a_run(folder: Path) -> None:
    """The same with a run in the working tree and in DVC's cache; nothing is committed yet."""
    start(folder)
    write_metrics()
    write_outputs()
    store(CACHE)


def commit(message: str) -> None:
    """Everything that git does not ignore, in the current folder."""
    sh("git", "add", "--all")
    sh("git", *AUTHOR, "commit", "--quiet", "-m", message)


def commit_experiment(name: str) -> None:
    """The same as a DVC experiment on top of HEAD, which stays where it is."""
    head = sh("git", "rev-parse", "HEAD")
    commit(name)
    sh("git", "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", "HEAD")
    sh("git", "reset", "--quiet", "--soft", head)


def results(images=240, classes=("A", "B"), *, leaky=False, **metrics) -> Results:
    """Every metric .97 (.96–.98), or as given, and the loss .1 without an interval."""
    estimates = dict.fromkeys(METRICS, Estimate(value=0.97, low=0.96, high=0.98))
    estimates |= {"loss": Estimate(value=0.1)} | metrics
    by_class = {
        name: {"threshold": 0.5, "positives": 1, "negatives": 1, "unknown": 0,
               "positive_patients": 1, "negative_patients": 1, "tp": 1, "fp": 0,
               "tn": 1, "fn": 0, "metrics": {}}
        for name in classes
    }  # fmt: skip
    subset = SubsetMetrics.model_validate(
        {"images": images, "patients": images, "metrics": estimates, "micro": {},
         "classes": by_class}
    )  # fmt: skip
    return Results(
        settings=load_params(ROOT / "params.yaml").evaluate, leaky=leaky, contaminated=False,
        patients_unknown=False, out_of_fold=False, thresholds={}, val=subset, test=subset,
        folds=FoldMetrics(by_fold={}, mean={}, std={}),
    )  # fmt: skip


def write_metrics(**changes) -> None:
    """`metrics.json` of the working tree."""
    values = dict.fromkeys(("val", "test"), HEADLINE | changes)
    Path(PATHS["metrics"]).write_text(json.dumps(values))


def write_outputs(table=None, result=None, *, manifest="image_id\n", fingerprint="0") -> None:
    """Outputs of a run in the working tree; validation has the predictions of test."""
    shutil.rmtree(PATHS["test_predictions"], ignore_errors=True)
    for folder in ("evaluation", PATHS["test_predictions"]):
        Path(folder).mkdir(parents=True, exist_ok=True)
    Path("models/0").mkdir(parents=True, exist_ok=True)
    table = predictions(noise=1) if table is None else table
    for subset in ("val", "test"):
        table.to_csv(f"evaluation/{subset}.csv", index=False)
    _write_anonymous(table)
    (result or results()).write(Path("evaluation/results.json"))
    Path("models/0/model.json").write_text(json.dumps({"fingerprint": fingerprint}))
    Path("manifest").write_text(manifest)


def _write_anonymous(table) -> None:
    """What git keeps of the predictions of test."""
    whose = table[["image_id", "patient_id"]].to_csv().encode()
    logits = {f"logit_{name[2:]}": logit(table[name]) for name in table if name.startswith("p_")}
    kept = [name for name in table if name.startswith("y_") or name in ("patient_id", "predicted")]
    path = Path(PATHS["test_predictions"]) / f"{hashlib.sha256(whose).hexdigest()[:16]}.csv"
    table[kept].assign(**logits).to_csv(path, index=False)


def store(cache: Path, **train) -> None:
    """Put the outputs of the working tree into a DVC cache and into `dvc.lock`."""
    outs = []
    for name in OUTPUTS:
        path = Path(name)
        digest = _store_folder(path, cache) if path.is_dir() else _put(path.read_bytes(), cache)
        outs.append({"path": name, "hash": "md5", "md5": digest})
    settings = {"params.yaml": {"train": {"seed": 0, "lr": 0.1} | train}}
    data, models = ({"path": out["path"].partition("/")[0], "md5": out["md5"]} for out in outs[:2])
    stages = {
        "train@0": {"cmd": "y", "deps": [data], "params": settings},
        "evaluate": {"cmd": "x", "deps": [data, models], "outs": outs},
    }
    Path("dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}))


def _store_folder(folder: Path, cache: Path) -> str:
    """A list of the files under a checksum of its own, and the files."""
    files = sorted(path for path in folder.iterdir())
    listing = [{"md5": _put(path.read_bytes(), cache), "relpath": path.name} for path in files]
    return _put(json.dumps(listing).encode(), cache, ".dir")


def _put(content: bytes, cache: Path, ending: str = "") -> str:
    digest = hashlib.md5(content).hexdigest() + ending
    path = cache / "files" / "md5" / digest[:2] / digest[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return digest
