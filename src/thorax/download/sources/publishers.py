"""Where the publishers keep their files, and how these come into the raw store.

Addresses, sizes and checksums stand here and nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from thorax.config import Data
from thorax.download.http import fetch, require_room
from thorax.download.partial import part_path


@dataclass(frozen=True)
class Item:
    """One file as its publisher offers it; `size` in bytes, checksums hexadecimal."""

    name: str
    url: str
    size: int
    sha256: str | None = None
    md5: str | None = None


# Mendeley Data, version 2 of 2018, doi:10.17632/rscbjbr9sj.2:
# https://data.mendeley.com/datasets/rscbjbr9sj/2
KERMANY = (
    Item(
        "ChestXRay2017.zip",
        "https://data.mendeley.com/public-files/datasets/rscbjbr9sj/files/"
        "f12eaf6d-6023-432f-acc9-80c9d7393433/file_downloaded",
        1_235_512_464,
        sha256="13efc055629733dbab07877f8b3c9f81097840dbcdaa326a8542322c2281ce36",
    ),
)

# NIH Clinical Center: https://nihcc.app.box.com/v/ChestXray-NIHCC (labels: release of 2020).
NIH_BOX = (
    "https://nihcc.app.box.com/index.php"
    "?rm=box_download_shared_file&vanity_name=ChestXray-NIHCC&file_id=f_"
)
NIH_TABLES = (
    Item(
        "Data_Entry_2017_v2020.csv",
        NIH_BOX + "219760887468",
        9_003_496,
        sha256="c69a6daca3549af707ca9cacbdf9f9a7b6a9188e8c61157df653520bb72d8eb1",
    ),
    Item(
        "BBox_List_2017.csv",
        NIH_BOX + "219760940956",
        92_416,
        sha256="0bbfea9d4c4e9771481b3023b1bc9f0df9dea924453b12986beb29b0c4d0c95b",
    ),
    Item(
        "train_val_list.txt",
        NIH_BOX + "256056636701",
        1_470_907,
        sha256="61fbe896321c1c1c8b75f3e4f3a08e4fef6486d95ef8a667c31d4d60dca6cb81",
    ),
    Item(
        "test_list.txt",
        NIH_BOX + "256055473534",
        435_131,
        sha256="38ca5ef7f756092946f57c1a59faca882ed589a1ab1f72590b45dc06c6d5e1cc",
    ),
)
# Addresses from `batch_download_zips.py` and MD5 from question 7 of `FAQ_CHESTXRAY.pdf`, both on
# that page; sizes as the server announced them in October 2026.
NIH_STATIC = "https://nihcc.box.com/shared/static/"
NIH_IMAGES = tuple(
    Item(f"images_{number:03d}.tar.gz", f"{NIH_STATIC}{slug}.gz", size, md5=md5)
    for number, (slug, size, md5) in enumerate(
        (
            ("vfk49d74nhbxq3nqjg0900w5nvkorp5c", 2_008_470_987, "fe8ed0a6961412fddcbb3603c11b3698"),
            ("i28rlmbvmfjbl8p2n3ril0pptcmcu9d1", 3_952_623_504, "ab07a2d7cbe6f65ddd97b4ed7bde10bf"),
            ("f1t00wrtdk94satdfb9olcolqx20z2jp", 3_929_234_850, "2301d03bde4c246388bad3876965d574"),
            ("0aowwzs5lhjrceb3qp67ahp0rd1l1etg", 3_838_903_983, "9f1b7f5aae01b13f4bc8e2c44a4b8ef6"),
            ("v5e3goj22zr6h8tzualxfsqlqaygfbsn", 3_935_496_531, "1861f3cd0ef7734df8104f2b0309023b"),
            ("asi7ikud9jwnkrnkj99jnpfkjdes7l6l", 3_986_301_172, "456b53a8b351afd92a35bc41444c58c8"),
            ("jn1b4mw4n6lnh74ovmcjb8y48h8xj07n", 4_016_328_426, "1075121ea20a137b87f290d6a4a5965e"),
            ("tvpxmn7qyrgl0w8wfh9kqfjskv6nmm1j", 4_018_347_353, "b61f34cec3aa69f295fbb593cbd9d443"),
            ("upyy3ml7qdumlgk2rfcvlb9k6gvqq2pj", 4_111_327_929, "442a3caa61ae9b64e61c561294d1e183"),
            ("l6nilvfa9cg3s28tqv1qc1olm3gnz54p", 4_181_556_296, "09ec81c4c31e32858ad8cf965c494b74"),
            ("hhq8fkdgvcari67vfhs7ppg2w6ni4jze", 4_187_084_020, "499aefc67207a5a97692424cf5dbeed5"),
            ("ioqwiy20ihqwyr8pf4c24eazhh281pbu", 2_914_187_733, "dc9fda1757c2de0032b63347a7d2895c"),
        ),
        start=1,
    )
)


def fetch_kermany(data: Data, store: Path) -> None:  # noqa: ARG001 - every source takes its section
    """Bring the paediatric pneumonia archive (1.2 GB) into `store`; errors as in `fetch`."""
    _fetch_all(KERMANY, store)


def fetch_nih(data: Data, store: Path) -> None:  # noqa: ARG001 - every source takes its section
    """Bring ChestX-ray14, four tables and twelve archives (45 GB), into `store`.

    What is there is not fetched again; errors as in `fetch`.
    """
    _fetch_all((*NIH_TABLES, *NIH_IMAGES), store)


def missing_kermany(store: Path) -> int:
    """Bytes of the pneumonia archive that are not in `store` yet."""
    return _missing_bytes(KERMANY, store)


def missing_nih(store: Path) -> int:
    """Bytes of ChestX-ray14 that are not in `store` yet."""
    return _missing_bytes((*NIH_TABLES, *NIH_IMAGES), store)


def _missing_bytes(items: Sequence[Item], store: Path) -> int:
    return sum(_missing(store / item.name, item.size) for item in items)


def _fetch_all(items: Sequence[Item], store: Path) -> None:
    """Fetch what is missing, once it is clear that the disk can hold all of it."""
    store.mkdir(parents=True, exist_ok=True)
    require_room(store, _missing_bytes(items, store))
    for item in items:
        fetch(item.url, store / item.name, sha256=item.sha256, md5=item.md5, size=item.size)


def _missing(destination: Path, size: int) -> int:
    """Bytes that are neither in the finished nor in the unfinished file."""
    if destination.exists():
        return 0
    part = part_path(destination)
    return size - part.stat().st_size if part.exists() else size
