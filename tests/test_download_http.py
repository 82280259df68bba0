import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from thorax.download import http
from thorax.download.http import ATTEMPTS, fetch
from thorax.errors import BusyError, DataError, IntegrityError, ResourceError
from thorax.io import locked

CONTENT = bytes(i * 7 % 251 for i in range(300_000))
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()
MODIFIED = "Mon, 01 Jan 2024 00:00:00 GMT"


@dataclass
class Answer:
    """How the server treats one request; as it stands, it is a good server."""

    status: int | None = None  # instead of 200 or 206
    content: bytes = CONTENT
    headers: dict[str, str | None] = field(default_factory=dict)  # None: leave the header out
    ranges: bool = True  # honour Range
    if_range: bool = True  # honour If-Range
    cut: int | None = None  # break the connection after so many bytes of the body
    silence: float = 0.0  # s before the last byte that is sent
    throttle: float = 0.0  # s between pieces of 64 KiB
    chunked: bool = False  # Transfer-Encoding: chunked, no length


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        server.log.append({k: v for k, v in self.headers.items() if "Range" in k})
        assert self.headers["Accept-Encoding"] == "identity"
        answer = server.answers.popleft() if server.answers else server.default
        body = answer.content
        headers = {"ETag": '"one"', "Last-Modified": MODIFIED} | answer.headers
        start = self._start(answer, headers)
        status = 200 if start is None else 206 if start < len(body) else 416
        if status == 206:
            headers.setdefault("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            body = body[start:]
        elif status == 416:
            headers |= {"Content-Range": f"bytes */{len(body)}", "Content-Type": "text/html"}
            body = b"<html>no"
        self.send_response(answer.status or status)
        if answer.chunked:
            headers["Transfer-Encoding"] = "chunked"
            pieces = [body[at : at + 10_000] for at in range(0, len(body), 10_000)] + [b""]
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        else:
            headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self._send(body if answer.cut is None else body[: answer.cut], answer)
        self.close_connection = answer.cut is not None or "Content-Length" in answer.headers

    def _start(self, answer: Answer, headers: dict) -> int | None:
        """First byte asked for, or None where the whole file is to be sent."""
        wanted = self.headers["Range"]
        condition = self.headers["If-Range"]
        if wanted is None or not answer.ranges:
            return None
        if answer.if_range and condition not in (None, headers["ETag"], headers["Last-Modified"]):
            return None
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def _send(self, body: bytes, answer: Answer) -> None:
        body, last = (body[:-1], body[-1:]) if answer.silence else (body, b"")
        for at in range(0, len(body), 1 << 16):
            self.wfile.write(body[at : at + (1 << 16)])
            time.sleep(answer.throttle)
        if last:
            time.sleep(answer.silence)
            self.wfile.write(last)

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.log: list[dict[str, str]] = []
        self.answers: deque[Answer] = deque()
        self.default = Answer()
        self.url = f"http://127.0.0.1:{self.server_port}/data.zip"

    def handle_error(self, *args: object) -> None:
        """Stay silent about clients that went away."""

    @property
    def starts(self) -> list[str | None]:
        return [entry.get("Range") for entry in self.log]


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def sleeps(monkeypatch):
    """The pauses between tries in seconds, noted instead of waited for."""
    pauses: list[float] = []
    monkeypatch.setattr(http, "sleep", pauses.append)
    monkeypatch.setattr(http.random, "uniform", lambda low, high: high)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return pauses


@pytest.fixture
def target(tmp_path):
    return tmp_path / "raw" / "data.zip"


def names(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def leave_part(target: Path, url: str, content: bytes, **sidecar: object) -> None:
    """What an earlier process leaves that dies in the middle."""
    target.parent.mkdir(exist_ok=True)
    Path(f"{target}.part").write_bytes(content)
    values = {"url": url, "validator": '"one"', "size": len(CONTENT)}
    Path(f"{target}.part.json").write_text(json.dumps(values | sidecar))


def assert_whole(target: Path) -> None:
    assert target.read_bytes() == CONTENT
    assert names(target) == ["data.zip"]  # no part, sidecar or lock stays


def test_whole_file_arrives_and_nothing_else_stays(server, target):
    fetch(server.url, target, sha256=SHA256, md5=MD5.upper(), size=len(CONTENT))
    assert_whole(target)
    assert server.log == [{}]


def test_finished_file_is_not_fetched_again(server, target):
    target.parent.mkdir()
    target.write_bytes(b"by hand")
    fetch(server.url, target, sha256=SHA256, size=7)
    fetch(server.url, target)
    assert server.log == []
    with pytest.raises(IntegrityError, match="has 7 bytes where 8 were expected"):
        fetch(server.url, target, size=8)
    assert target.read_bytes() == b"by hand"


def test_break_in_the_middle_continues_at_that_byte(server, target, sleeps):
    server.answers.append(Answer(cut=100_001))
    fetch(server.url, target, sha256=SHA256)
    assert_whole(target)
    assert server.log == [{}, {"Range": "bytes=100001-", "If-Range": '"one"'}]
    assert sleeps == [1.0]


def test_later_call_continues_and_shows_where_it_started(server, target, capsys):
    leave_part(target, server.url, CONTENT[:75_000])
    fetch(server.url, target, sha256=SHA256, size=len(CONTENT))
    assert_whole(target)
    assert server.starts == ["bytes=75000-"]
    shown = capsys.readouterr().err
    assert "data.zip:  25%" in shown
    assert "100%" in shown


@pytest.mark.parametrize("etag", ['W/"one"', None])
def test_weak_or_missing_etag_falls_back_to_last_modified(server, target, etag):
    server.default = Answer(headers={"ETag": etag})
    server.answers.append(Answer(headers={"ETag": etag}, cut=1000))
    fetch(server.url, target)
    assert_whole(target)
    assert server.log[1] == {"Range": "bytes=1000-", "If-Range": MODIFIED}


def test_without_validator_only_a_checksum_allows_to_continue(server, target):
    bare = {"ETag": None, "Last-Modified": None}
    server.default = Answer(headers=bare)
    leave_part(target, server.url, CONTENT[:1000], validator=None)
    fetch(server.url, target)
    assert_whole(target)
    target.unlink()
    leave_part(target, server.url, CONTENT[:1000], validator=None)
    fetch(server.url, target, sha256=SHA256)
    assert_whole(target)
    assert server.log == [{}, {"Range": "bytes=1000-"}]


def test_server_that_ignores_range_makes_it_start_over(server, target):
    server.default = Answer(ranges=False)
    leave_part(target, server.url, CONTENT[:1000])
    fetch(server.url, target, sha256=SHA256)
    assert_whole(target)
    assert server.starts == ["bytes=1000-"]


@pytest.mark.parametrize("if_range", [True, False])
def test_file_that_changed_meanwhile_starts_over(server, target, if_range):
    old = bytes(1000)
    server.default = Answer(headers={"ETag": '"two"'}, if_range=if_range)
    leave_part(target, server.url, old)
    fetch(server.url, target)  # no checksum: only the validator can tell
    assert_whole(target)
    assert server.starts == (["bytes=1000-"] if if_range else ["bytes=1000-", None])


def test_range_that_starts_elsewhere_starts_over(server, target):
    elsewhere = {"Content-Range": f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}"}
    server.answers.append(Answer(headers=elsewhere))
    leave_part(target, server.url, CONTENT[:1000])
    fetch(server.url, target)
    assert_whole(target)
    assert server.starts == ["bytes=1000-", None]


def test_part_longer_than_the_file_starts_over_on_416(server, target):
    leave_part(target, server.url, CONTENT + b"more", size=None)
    fetch(server.url, target)
    assert_whole(target)
    assert server.starts == [f"bytes={len(CONTENT) + 4}-", None]


def test_whole_part_needs_no_request(server, target):
    leave_part(target, server.url, CONTENT)
    fetch(server.url, target, sha256=SHA256)
    assert_whole(target)
    assert server.log == []


@pytest.mark.parametrize("sidecar", [None, "{", "[1]", '{"url": 1, "new": 2}'])
def test_part_of_unknown_origin_is_dropped(server, target, sidecar):
    leave_part(target, server.url, CONTENT[:1000])
    record = Path(f"{target}.part.json")
    record.unlink() if sidecar is None else record.write_text(sidecar)
    fetch(server.url, target, sha256=SHA256)
    assert_whole(target)
    assert server.starts == [None]


def test_part_of_another_address_is_dropped(server, target):
    leave_part(target, "http://127.0.0.1/other.zip", CONTENT[:1000])
    fetch(server.url, target, sha256=SHA256)
    assert server.starts == [None]


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_transient_state_is_asked_again_with_growing_pauses(server, target, sleeps, status):
    server.answers.extend([Answer(status=status, content=b"busy")] * 3)
    fetch(server.url, target, sha256=SHA256)
    assert_whole(target)
    assert sleeps == [1.0, 2.0, 4.0]


def test_retry_after_is_honoured(server, target, sleeps):
    server.answers.append(Answer(status=429, headers={"Retry-After": "7"}))
    date = formatdate(time.time() + 100, usegmt=True)
    server.answers.append(Answer(status=503, headers={"Retry-After": date}))
    fetch(server.url, target, sha256=SHA256)
    assert sleeps == [7.0, pytest.approx(100, abs=2)]


def test_retry_after_of_hours_ends_with_a_message(server, target, sleeps):
    server.answers.append(Answer(status=429, headers={"Retry-After": "7200"}))
    with pytest.raises(ResourceError, match="wants a pause of 7200 s"):
        fetch(server.url, target)
    assert sleeps == []


def test_gives_up_after_a_row_of_failures_and_keeps_the_bytes(server, target, sleeps):
    leave_part(target, server.url, CONTENT[:1000])
    server.default = Answer(status=503)
    with pytest.raises(ResourceError, match=r"HTTP 503.* 1000 bytes are kept in .*data\.zip\.part"):
        fetch(server.url, target)
    assert len(server.log) == ATTEMPTS
    assert len(sleeps) == ATTEMPTS - 1
    server.default = Answer()
    fetch(server.url, target, sha256=SHA256)
    assert_whole(target)
    assert server.starts[-1] == "bytes=1000-"


def test_breaks_that_bring_new_bytes_are_no_failures(server, target, sleeps):
    server.answers.extend([Answer(cut=10_000)] * (2 * ATTEMPTS))
    fetch(server.url, target, sha256=SHA256)
    assert_whole(target)
    assert server.starts[1:] == [f"bytes={k}0000-" for k in range(1, 2 * ATTEMPTS + 1)]
    assert set(sleeps) == {1.0}


def test_breaks_at_the_same_byte_without_ranges_end(server, target):
    server.default = Answer(ranges=False, cut=10_000)
    with pytest.raises(ResourceError, match="could not be fetched"):
        fetch(server.url, target, sha256=SHA256)
    assert len(server.log) == ATTEMPTS


def test_length_that_is_never_reached_ends(server, target):
    server.default = Answer(headers={"Content-Length": str(len(CONTENT) + 9)})
    with pytest.raises(ResourceError, match="could not be fetched"):
        fetch(server.url, target, sha256=SHA256)
    assert not target.exists()


def test_nobody_listens(target, sleeps):
    with Server() as gone:
        url = gone.url
    with pytest.raises(ResourceError, match="could not be fetched"):
        fetch(url, target)
    assert len(sleeps) == ATTEMPTS - 1


def test_silent_server_times_out_and_is_asked_again(server, target, monkeypatch):
    monkeypatch.setattr(http, "TIMEOUT", (5.0, 0.5))
    server.answers.append(Answer(silence=1.5))
    fetch(server.url, target, sha256=SHA256)
    assert_whole(target)
    assert len(server.log) == 2
    assert int(server.starts[1].strip("bytes=-")) >= len(CONTENT) - http.CHUNK


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_refusal_is_final_and_says_what_to_do(server, target, sleeps, status):
    server.default = Answer(status=status, content=b"no")
    with pytest.raises(DataError) as caught:
        fetch(server.url, target)
    assert len(server.log) == 1
    assert sleeps == []
    for part in (server.url, f"HTTP {status}", str(target), "data.path"):
        assert part in str(caught.value)


def test_address_that_is_none_is_final(target, sleeps):
    with pytest.raises(DataError, match="cannot be fetched"):
        fetch("gopher://127.0.0.1/data.zip", target)
    assert sleeps == []


def test_wrong_byte_never_gets_the_final_name(server, target):
    wrong = CONTENT[:-1] + b"!"
    server.answers.append(Answer(content=wrong))
    with pytest.raises(IntegrityError) as caught:
        fetch(server.url, target, sha256=SHA256)
    assert SHA256 in str(caught.value)
    assert hashlib.sha256(wrong).hexdigest() in str(caught.value)
    assert names(target) == [".data.zip.lock"]
    fetch(server.url, target, sha256=SHA256)
    assert_whole(target)


def test_wrong_byte_in_the_continued_beginning_is_found(server, target):
    leave_part(target, server.url, b"!" + CONTENT[1:1000])
    with pytest.raises(IntegrityError, match=f"expected md5 {MD5}, found "):
        fetch(server.url, target, md5=MD5)
    assert names(target) == [".data.zip.lock"]


def test_final_name_appears_only_after_the_last_byte(server, target):
    server.default = Answer(silence=0.3)
    thread = threading.Thread(target=fetch, args=(server.url, target), kwargs={"sha256": SHA256})
    thread.start()
    seen = set()
    while thread.is_alive():
        seen |= set(names(target)) if target.parent.exists() else set()
        if target.exists():
            assert target.read_bytes() == CONTENT
    thread.join()
    assert {"data.zip.part", "data.zip.part.json"} <= seen
    assert_whole(target)


def test_other_size_is_refused_before_a_byte_is_kept(server, target):
    with pytest.raises(IntegrityError, match="offers 300000 bytes where 299999 were expected"):
        fetch(server.url, target, size=len(CONTENT) - 1)
    assert not target.exists()
    assert not Path(f"{target}.part").exists()


def test_length_may_be_unknown(server, target):
    server.default = Answer(chunked=True)
    fetch(server.url, target, sha256=SHA256)
    assert_whole(target)
    target.unlink()
    with pytest.raises(IntegrityError, match="expected size 299999, found 300000"):
        fetch(server.url, target, size=len(CONTENT) - 1)


def test_unknown_length_that_breaks_off_continues(server, target):
    server.answers.append(Answer(chunked=True, cut=50_000))
    fetch(server.url, target, sha256=SHA256)
    assert_whole(target)
    assert server.starts == [None, "bytes=40000-"]  # the fifth chunk was not whole


def test_answer_that_ends_early_in_good_order_continues(server, target):
    server.answers.append(Answer(chunked=True, content=CONTENT[:1000]))
    fetch(server.url, target, size=len(CONTENT))
    assert_whole(target)
    assert server.starts == [None, "bytes=1000-"]


def test_web_page_instead_of_the_file_is_named_and_costs_nothing(server, target):
    leave_part(target, server.url, CONTENT[:1000])
    page = {"Content-Type": "text/html; charset=utf-8", "ETag": '"page"'}
    server.answers.append(Answer(content=b"<html>Log in", headers=page))
    with pytest.raises(DataError, match=r"a web page instead of data\.zip.*data\.path"):
        fetch(server.url, target, sha256=SHA256)
    fetch(server.url, target, sha256=SHA256)
    assert_whole(target)
    assert server.starts == ["bytes=1000-"] * 2


def test_content_encoding_leaves_the_bytes_alone(server, target):
    server.default = Answer(headers={"Content-Encoding": "gzip"})
    fetch(server.url, target, sha256=SHA256)
    assert_whole(target)


def test_disk_too_small_is_said_beforehand(server, target, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
    leave_part(target, server.url, CONTENT[:50_000])
    with pytest.raises(ResourceError, match=r"250kB are still .* 100kB free: 150kB are missing"):
        fetch(server.url, target)
    assert Path(f"{target}.part").read_bytes() == CONTENT[:50_000]
    leave_part(target, server.url, CONTENT[:200_000])
    fetch(server.url, target)
    assert_whole(target)


def test_disk_that_fills_up_meanwhile_keeps_what_is_there(server, target, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    leave_part(target, server.url, CONTENT[:1000])
    with monkeypatch.context() as patch, pytest.raises(ResourceError, match="No room to write"):
        patch.setattr(http.Part, "append", full)
        fetch(server.url, target)
    fetch(server.url, target, sha256=SHA256)
    assert server.starts == ["bytes=1000-"] * 2


def test_two_processes_never_write_one_part(server, target):
    lock = target.with_name(".data.zip.lock")
    with locked(lock, "test"), pytest.raises(BusyError, match=r"download of .*zip is in use"):
        fetch(server.url, target)
    fetch(server.url, target)
    assert_whole(target)


def test_killed_process_is_continued_where_it_died(server, target):
    content = CONTENT * 40
    checksum = hashlib.sha256(content).hexdigest()
    server.default = Answer(content=content)
    server.answers.append(Answer(content=content, throttle=0.02))
    program = (
        "import sys; from pathlib import Path; from thorax.download.http import fetch; "
        "fetch(sys.argv[1], Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, server.url, str(target)]
    part = Path(f"{target}.part")
    environment = os.environ | {"PYTHONPATH": str(Path(http.__file__).parents[2])}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not part.exists() or part.stat().st_size < 500_000:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    kept = part.stat().st_size
    assert 500_000 <= kept < len(content)
    assert not target.exists()
    fetch(server.url, target, sha256=checksum, size=len(content))
    assert hashlib.sha256(target.read_bytes()).hexdigest() == checksum
    assert server.starts == [None, f"bytes={kept}-"]
