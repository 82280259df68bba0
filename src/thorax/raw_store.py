"""Where the original images lie: at the user's `data.path`, or in the store that is fetched into.

The store is `data/raw` in the user's checkout; no rerun of a stage empties it.
"""

from pathlib import Path

from thorax.artifacts.data import DatasetInfo
from thorax.errors import DataError
from thorax.io import main_root

STORE = Path("data/raw")


def store_path(name: str) -> Path:
    """Folder or archive of one data set in the store."""
    return main_root() / STORE / name


def own_data(path: str) -> Path | None:
    """The user's own images at `data.path`; None where there are none.

    A run in a temporary copy sees only tracked files; the user's own lie in the checkout.
    """
    candidates = (Path(path), main_root() / path)
    return next((candidate for candidate in candidates if _holds_data(candidate)), None)


def open_root(dataset: DatasetInfo) -> Path:
    """The root that the manifest's locations are relative to.

    Raises:
        DataError: the images are no longer where the manifest was made from.
    """
    path = dataset.data.path
    own = own_data(path)
    if (own is not None) != (dataset.root == "path"):
        was, there = ("empty", "holds data") if own is not None else ("in use", "is empty")
        raise DataError(
            f"data.path, {path!r}, was {was} when the manifest was written and now {there}. "
            "Undo that, or run `dvc repro -f download` to read the data anew."
        )
    if own is not None:
        return own
    root = store_path(str(dataset.store))
    if not root.exists():
        raise DataError(f"{root} is gone. Run `dvc repro -f download` to fetch it again.")
    return root


def _holds_data(path: Path) -> bool:
    """Whether a file or a folder is there with more than its README and hidden files."""
    if not path.is_dir():
        return path.exists()
    return any(
        file.is_file()
        and not file.name.startswith(".")
        and file.relative_to(path) != Path("README.md")
        for file in path.rglob("*")
    )
