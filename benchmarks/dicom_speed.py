"""Whether 500 JPEG 2000 films keep all cores busy while the preprocess stage reads them.

python benchmarks/dicom_speed.py        # Linux; writes benchmarks/dicom_speed.json

Pixels are noise on a gradient, 12 bits, 1024 x 1024. What other processes take of the cores is
counted from /proc/stat and left out: `used` is the share of the rest.
"""

import sys
import tempfile
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
TICKS = 100  # of /proc/stat, a second


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


def busy() -> float:
    """Seconds that all cores together have worked since the machine started."""
    user, nice, system, _, _, irq, soft, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + soft) / TICKS


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
        start, worked, all_worked = time.perf_counter(), time.process_time(), busy()
        preprocess(settings.preprocess, paths)
        seconds, cpu = time.perf_counter() - start, time.process_time() - worked
        others = max(0.0, busy() - all_worked - cpu)
    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "films": FILMS,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "cpu_seconds_of_others": round(others, 1),
        "cpu_seconds_of_one_film": round(one, 2),
        "used": round(cpu / (seconds * cores() - others), 2),
    }
    write_json(Path(__file__).with_suffix(".json"), result)
    print(result)


if __name__ == "__main__":
    main()
