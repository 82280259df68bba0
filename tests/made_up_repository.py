"""A repository as DVC keeps it, written by hand: commits, a lock, and a cache of outputs."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

from made_up_predictions import predictions
from small_run import ROOT
from thorax.artifacts import Estimate
from thorax.artifacts.evaluation import FoldMetrics, Results, SubsetMetrics
from thorax.config import METRICS, Paths, load_params

PATHS = {name: name for name in Paths.model_fields} | {"metrics": "metrics/metrics.json"}
OUTPUTS = ("manifest", "models/0", "evaluation")
DVC_YAML = {
    "vars": [{"paths": PATHS}],
    "stages": {
        "evaluate": {
            "cmd": "x",
            "outs": list(OUTPUTS),
            "metrics": [{PATHS["metrics"]: {"cache": False}}],
        }
    },
}
HEADLINE = {"auroc": 0.9, "auroc_low": 0.88, "auroc_high": 0.93, "average_precision": 0.8,
            "sensitivity": 0.8, "f1": 0.8, "loss": 0.4}  # fmt: skip


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
    sh("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", message)


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
        name: {"threshold": 0.5, "positives": 1, "negatives": 1, "unknown": 0, "tp": 1, "fp": 0,
               "tn": 1, "fn": 0, "metrics": {}}
        for name in classes
    }  # fmt: skip
    subset = SubsetMetrics.model_validate(
        {"images": images, "patients": images, "metrics": estimates, "micro": {},
         "classes": by_class}
    )  # fmt: skip
    return Results(
        settings=load_params(ROOT / "params.yaml").evaluate, leaky=leaky, contaminated=False,
        patients_unknown=False, val=subset, test=subset,
        folds=FoldMetrics(by_fold={}, mean={}, std={}),
    )  # fmt: skip


def write_metrics(**changes) -> None:
    """`metrics.json` of the working tree."""
    values = dict.fromkeys(("val", "test"), HEADLINE | changes)
    Path(PATHS["metrics"]).write_text(json.dumps(values))


def write_outputs(table=None, result=None, *, manifest="image_id\n", fingerprint="0") -> None:
    """Outputs of a run in the working tree."""
    Path("evaluation").mkdir(exist_ok=True)
    Path("models/0").mkdir(parents=True, exist_ok=True)
    table = predictions(noise=1) if table is None else table
    table.to_csv("evaluation/test.csv", index=False)
    (result or results()).write(Path("evaluation/results.json"))
    Path("models/0/model.json").write_text(json.dumps({"fingerprint": fingerprint}))
    Path("manifest").write_text(manifest)


def store(cache: Path) -> None:
    """Put the outputs of the working tree into a DVC cache and into `dvc.lock`."""
    outs = []
    for name in OUTPUTS:
        path = Path(name)
        digest = _store_folder(path, cache) if path.is_dir() else _put(path.read_bytes(), cache)
        outs.append({"path": name, "hash": "md5", "md5": digest})
    lock = {"schema": "2.0", "stages": {"evaluate": {"cmd": "x", "outs": outs}}}
    Path("dvc.lock").write_text(json.dumps(lock))


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
