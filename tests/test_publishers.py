import hashlib
import re
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from thorax.config import Data
from thorax.download.sources import publishers
from thorax.download.sources.publishers import (
    KERMANY,
    NIH_IMAGES,
    NIH_TABLES,
    Item,
    fetch_kermany,
    fetch_nih,
)
from thorax.errors import IntegrityError, ResourceError

DATA = Data.model_construct()


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        self.server.asked.append(self.path)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A publisher's server whose files lie in `site.root`."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    root = tmp_path / "site"
    root.mkdir()
    handler = partial(Handler, directory=str(root))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.root, server.asked = root, []
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def publish(site, name: str, content: bytes, algorithm: str) -> Item:
    (site.root / f"at-{name}").write_bytes(content)
    checksum = {algorithm: hashlib.new(algorithm, content).hexdigest()}
    return Item(name, f"{site.url}/at-{name}", len(content), **checksum)


@pytest.fixture
def nih(site, monkeypatch):
    tables = (publish(site, "test_list.txt", b"00000001_000.png\n", "sha256"),)
    images = (publish(site, "images_001.tar.gz", b"one" * 99, "md5"),)
    images += (publish(site, "images_002.tar.gz", b"two" * 99, "md5"),)
    monkeypatch.setattr(publishers, "NIH_TABLES", tables)
    monkeypatch.setattr(publishers, "NIH_IMAGES", images)
    return site


def test_addresses_are_complete_and_of_the_right_form():
    items = (*KERMANY, *NIH_TABLES, *NIH_IMAGES)
    assert (
        len(items) == len({item.url for item in items}) == len({item.name for item in items}) == 17
    )
    for item in items:
        assert item.url.startswith("https://")
        assert bool(item.sha256) != bool(item.md5)
        assert re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{32}", item.sha256 or item.md5)
    assert [item.name for item in NIH_IMAGES] == [f"images_{k:03d}.tar.gz" for k in range(1, 13)]
    assert sum(item.size for item in NIH_IMAGES) == 45_079_862_784  # 42.0 GiB, as NIH says


def test_nih_fetches_tables_and_archives_once(nih, tmp_path):
    store = tmp_path / "raw" / "nih"
    fetch_nih(DATA, store)
    fetch_nih(DATA, store)
    assert sorted(path.name for path in store.iterdir()) == [
        "images_001.tar.gz",
        "images_002.tar.gz",
        "test_list.txt",
    ]
    assert (store / "images_002.tar.gz").read_bytes() == b"two" * 99
    assert nih.asked == ["/at-test_list.txt", "/at-images_001.tar.gz", "/at-images_002.tar.gz"]


def test_nih_fetches_only_what_is_missing(nih, tmp_path):
    (tmp_path / "images_001.tar.gz").write_bytes(b"one" * 99)
    fetch_nih(DATA, tmp_path)
    assert "/at-images_001.tar.gz" not in nih.asked


def test_kermany_with_a_wrong_byte_never_enters_the_store(site, tmp_path, monkeypatch):
    item = publish(site, "ChestXRay2017.zip", b"right", "sha256")
    monkeypatch.setattr(publishers, "KERMANY", (item,))
    (site.root / "at-ChestXRay2017.zip").write_bytes(b"wrong")
    store = tmp_path / "raw"
    with pytest.raises(IntegrityError, match=item.sha256):
        fetch_kermany(DATA, store)
    assert not (store / "ChestXRay2017.zip").exists()
    (site.root / "at-ChestXRay2017.zip").write_bytes(b"right")
    fetch_kermany(DATA, store)
    assert (store / "ChestXRay2017.zip").read_bytes() == b"right"


def test_room_for_all_is_checked_before_the_first_byte(nih, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=500))
    with pytest.raises(ResourceError, match="611B are still to be fetched"):
        fetch_nih(DATA, tmp_path)
    assert nih.asked == []
    (tmp_path / "images_001.tar.gz").write_bytes(b"one" * 99)
    (tmp_path / "images_002.tar.gz.part").write_bytes(b"two")
    fetch_nih(DATA, tmp_path)
