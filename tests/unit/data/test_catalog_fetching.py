"""Downloads, from a server on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from plait.data import catalog
from plait.data.catalog import Download, download, fetch
from plait.errors import DataError

CONTENT = b"visit,conversion\n1,0\n" * 100_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Handler(SimpleHTTPRequestHandler):
    """Serves a folder; under /cut/ an answer ends early, under /drop none comes."""

    def do_GET(self) -> None:
        if self.path == "/drop":
            self.close_connection = True
            return
        if self.path != "/cut":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    served = tmp_path / "served"
    served.mkdir()
    (served / "log.csv").write_bytes(CONTENT)
    handler = partial(_Handler, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_address[1]}"
        finally:
            running.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def test_a_file_comes_whole_and_checked(server: str, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "set"
    path = download(Download(f"{server}/log.csv", SHA256, "log.csv"), folder)
    assert path == folder / "log.csv"
    assert path.read_bytes() == CONTENT
    assert [file.name for file in folder.iterdir()] == ["log.csv"]


def test_a_file_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(CONTENT)
    nowhere = Download("http://127.0.0.1:9/log.csv", SHA256, "log.csv")
    assert download(nowhere, tmp_path).read_bytes() == CONTENT


def test_another_file_of_the_name_is_not_replaced(server: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("my own")
    with pytest.raises(DataError, match=r"log.csv is there already and is another file: its SHA-2"):
        download(Download(f"{server}/log.csv", SHA256, "log.csv"), tmp_path)
    assert (tmp_path / "log.csv").read_text() == "my own"


def test_other_bytes_than_promised_are_not_kept(server: str, tmp_path: Path) -> None:
    wrong = Download(f"{server}/log.csv", "0" * 64, "log.csv")
    with pytest.raises(DataError) as raised:
        download(wrong, tmp_path / "data")
    assert f"gave 2,100,000 bytes with SHA-256 {SHA256}, but {'0' * 64} was" in str(raised.value)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_download_that_was_cut_off_is_not_kept(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Nothing was kept|cannot be fetched"):
        download(Download(f"{server}/cut", SHA256, "log.csv"), tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize(
    ("place", "reason"),
    [("/none.csv", "the server says 404"), ("/drop", "cannot be fetched: ")],
)
def test_an_answer_that_is_none_is_told(
    place: str, reason: str, server: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=reason) as raised:
        download(Download(server + place, SHA256, "log.csv"), tmp_path / "data")
    told = str(raised.value)
    assert f"put it at {tmp_path / 'data' / 'log.csv'}; its SHA-256 has to be {SHA256}" in told
    assert list((tmp_path / "data").iterdir()) == []


def test_a_host_that_does_not_answer_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"127.0.0.1:9/a cannot be fetched: .*Check the network"):
        download(Download("http://127.0.0.1:9/a", SHA256, "log.csv"), tmp_path)


@pytest.mark.parametrize(
    ("url", "sha256", "file", "problem"),
    [
        ("file:///etc/hosts", SHA256, "a.csv", "`url` must start with http:// or https://"),
        ("https://example.org/a", "abc", "a.csv", "`sha256` must be 64 hexadecimal digits, got"),
        ("https://example.org/a", SHA256, "../a.csv", "`file` must be a name without folders"),
    ],
)
def test_a_download_that_cannot_be_right_is_refused(
    url: str, sha256: str, file: str, problem: str
) -> None:
    with pytest.raises(DataError, match=problem):
        Download(url, sha256, file)


def test_a_mirror_fills_the_folder_of_a_set(server: str, tmp_path: Path) -> None:
    mirror = [Download(f"{server}/log.csv", SHA256, "hillstrom.parquet")]
    assert fetch("hillstrom", tmp_path / "data", downloads=mirror) == tmp_path / "data/hillstrom"
    assert catalog.load("hillstrom", tmp_path / "data").log == (
        tmp_path / "data" / "hillstrom" / "hillstrom.parquet"
    )


@pytest.mark.parametrize("name", catalog.names())
def test_a_set_without_a_download_says_where_it_is_from(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        fetch(name, tmp_path)
    told = str(raised.value)
    assert f"The catalogue has no download for {name!r}. Terms: " in told
    assert catalog.describe(name).source in told
    assert list(tmp_path.iterdir()) == []
