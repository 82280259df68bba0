"""Whether 500 JPEG 2000 films keep all cores busy while the preprocess stage reads them.

python benchmarks/dicom_speed.py        # Linux; writes benchmarks/dicom_speed.json

Pixels are noise on a gradient, 12 bits, 1024 x 1024. On a machine that others use too, the time
that threads ran says little; `kept_busy` also counts the time that they stood ready and waited for
a core (/proc/self/task/*/schedstat), per core. A thread that waits for a lock or a disk is idle.
"""

import contextlib
import sys
import tempfile
import threading
import time
from contextlib import chdir
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from made_up_dicom import dicom
from small_run import params, paths_in
from thorax.dicom.image import read
from thorax.download import download
from thorax.io import write_json
from thorax.parallel import cores
from thorax.preprocess import preprocess
from thorax.provenance import machine

FILMS, DISTINCT, SIDE = 500, 10, 1024


def write_films(root: Path) -> None:
    """Two class folders; a patient has two films."""
    rng = np.random.default_rng(0)
    slope = np.linspace(500, 3500, SIDE)[:, None]
    for picture in range(DISTINCT):
        codes = (slope + rng.normal(0, 60, (SIDE, SIDE))).clip(0, 4095).astype(np.uint16)
        header = {"BitsStored": 12, "WindowCenter": 2048, "WindowWidth": 4096, "PatientID": "#" * 8}
        packed = dicom(codes, "jpeg 2000", **header)
        for number in range(picture, FILMS, DISTINCT):
            path = root / "ab"[number // 2 % 2] / f"{number:04}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(packed.replace(b"#" * 8, f"{1 + number // 2:08}".encode(), 1))


class Watch(threading.Thread):
    """Seconds that the threads of this process ran, and that they waited for a core."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: dict[str, tuple[int, int]] = {}
        self.stop = threading.Event()

    def run(self) -> None:
        """Look often, because the numbers of a thread go with it."""
        while not self.stop.wait(0.05):
            for task in Path("/proc/self/task").iterdir():
                with contextlib.suppress(OSError):
                    ran, waited, _ = map(int, (task / "schedstat").read_text().split())
                    self.seen[task.name] = ran, waited

    def seconds(self) -> tuple[float, float]:
        """The two sums so far."""
        return tuple(sum(column) / 1e9 for column in zip(*self.seen.values(), strict=True))


def main() -> None:
    """Write the films, read them as the stages do, print and write."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        write_films(Path("films"))
        paths = paths_in(Path(folder))
        settings = params(data={"source": "folder", "path": str(Path("films").absolute())})
        download(settings.data, paths)
        content = next(path for path in Path("films").rglob("*") if path.is_file()).read_bytes()
        started = time.process_time()
        read(content)
        one = time.process_time() - started
        watch = Watch()
        watch.start()
        time.sleep(1)
        start, before = time.perf_counter(), watch.seconds()
        preprocess(settings.preprocess, paths)
        seconds = time.perf_counter() - start
        watch.stop.set()
        ran, waited = np.subtract(watch.seconds(), before).tolist()
    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "films": FILMS,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(ran, 1),
        "waited_for_a_core_seconds": round(waited, 1),
        "cpu_seconds_of_one_film": round(one, 2),
        "kept_busy": round((ran + waited) / (seconds * cores()), 2),
    }
    write_json(Path(__file__).with_suffix(".json"), result)
    print(result)


if __name__ == "__main__":
    main()
