import hashlib
import re
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from thorax.download.sources import SOURCES, kermany, nih
from thorax.download.sources.base import Item, fetch_all, missing_bytes
from thorax.errors import IntegrityError, ResourceError


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
def items(site):
    return (
        publish(site, "test_list.txt", b"00000001_000.png\n", "sha256"),
        publish(site, "images_001.tar.gz", b"one" * 99, "md5"),
        publish(site, "images_002.tar.gz", b"two" * 99, "md5"),
    )


def test_addresses_are_complete_and_of_the_right_form():
    items = (*kermany.ITEMS, *nih.ITEMS)
    assert len(items) == 17
    assert len({item.url for item in items}) == len({item.name for item in items}) == 17
    for item in items:
        assert item.url.startswith("https://")
        assert bool(item.sha256) != bool(item.md5)
        assert re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{32}", item.sha256 or item.md5)
    images = [item for item in nih.ITEMS if item.md5]
    assert [item.name for item in images] == [f"images_{k:03d}.tar.gz" for k in range(1, 13)]
    assert sum(item.size for item in images) == 45_079_862_784  # 42.0 GiB, as NIH says


def test_what_is_missing_is_fetched_once(site, items, tmp_path):
    store = tmp_path / "raw" / "nih"
    fetch_all(items, store)
    fetch_all(items, store)
    assert sorted(path.name for path in store.iterdir()) == sorted(item.name for item in items)
    assert (store / "images_002.tar.gz").read_bytes() == b"two" * 99
    assert site.asked == [f"/at-{item.name}" for item in items]


def test_what_is_there_is_not_fetched(site, items, tmp_path):
    (tmp_path / "images_001.tar.gz").write_bytes(b"one" * 99)
    fetch_all(items, tmp_path)
    assert "/at-images_001.tar.gz" not in site.asked


@pytest.mark.parametrize(("name", "module"), [("kermany", kermany), ("nih", nih)])
def test_a_source_fetches_its_own_items(name, module, items, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ITEMS", items)
    assert SOURCES[name].missing(tmp_path) == 611
    SOURCES[name].fetch(None, tmp_path)
    assert SOURCES[name].missing(tmp_path) == 0
    assert len(list(tmp_path.glob("*.*z"))) == 2


def test_a_wrong_byte_never_enters_the_store(site, tmp_path):
    item = publish(site, "ChestXRay2017.zip", b"right", "sha256")
    (site.root / "at-ChestXRay2017.zip").write_bytes(b"wrong")
    with pytest.raises(IntegrityError, match=item.sha256):
        fetch_all([item], tmp_path)
    assert not (tmp_path / "ChestXRay2017.zip").exists()
    (site.root / "at-ChestXRay2017.zip").write_bytes(b"right")
    fetch_all([item], tmp_path)
    assert (tmp_path / "ChestXRay2017.zip").read_bytes() == b"right"


def test_room_for_all_is_checked_before_the_first_byte(site, items, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=500))
    with pytest.raises(ResourceError, match="611B are still to be fetched"):
        fetch_all(items, tmp_path)
    assert site.asked == []
    (tmp_path / "images_001.tar.gz").write_bytes(b"one" * 99)
    (tmp_path / "images_002.tar.gz.part").write_bytes(b"two")
    assert missing_bytes(items, tmp_path) == 611 - 297 - 3
    fetch_all(items, tmp_path)
