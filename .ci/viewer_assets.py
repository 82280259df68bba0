"""Fetch the libraries of viewer.html by npm, in the versions of assets.json, and note their hashes.

`make viewer-assets` runs it after a version was changed there. Texts of licenses are in
NOTICES.txt.gz: look at them when a version changes.
"""

import gzip
import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

ASSETS = Path(__file__).parent.parent / "src/thorax/export/assets"


def fetch(library: dict, folder: Path) -> None:
    """Pack the library's files, compressed with no date so that the same bytes come out."""
    pinned = f"{library['package']}@{library['version']}"
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), pinned]
    packed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
    with tarfile.open(folder / packed) as archive:
        for name in library["files"]:
            member = archive.extractfile(f"package/{name}")
            assert member is not None
            content = member.read()
            library["files"][name] = hashlib.sha256(content).hexdigest()
            target = ASSETS / f"{Path(name).name}.gz"
            target.write_bytes(gzip.compress(content, 9, mtime=0))
            print(f"{pinned} {name}: {len(content):,} bytes, {target.stat().st_size:,} compressed")


def main() -> None:
    """Renew all of them."""
    record = ASSETS / "assets.json"
    libraries = json.loads(record.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        for library in libraries:
            fetch(library, Path(folder))
    record.write_text(json.dumps(libraries, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
