"""The report of a whole run as a person opens it: in a browser, on a phone, light and dark."""

from __future__ import annotations

import shutil
import struct
import subprocess
import zlib
from functools import partial
from pathlib import Path

import pytest
from tests.processes import run_plait
from tests.system.feeds import arguments, feed

import plait

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
HEIGHT = 1400
DARK = "--blink-settings=preferredColorScheme=0"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with gates, and its report by the command."""
    folder = tmp_path_factory.mktemp("report") / "run"
    settings = arguments(feed(2000), folder, epochs=2)
    plait.train(**settings, architecture=partial(plait.MMoE, num_experts=3, layers=(8,)))
    done = run_plait("report", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def chromium() -> str:
    """The browser; without one the test skips."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no Chromium on the PATH: the report is not looked at")
    return found


def screenshot(page: Path, folder: Path, *, width: int, flags: tuple[str, ...]) -> Path:
    """The page as Chromium draws it, without a network."""
    picture = folder / "picture.png"
    command = [
        chromium(),
        *QUIET,
        *flags,
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={folder / 'profile'}",
        f"--screenshot={picture}",
        f"--window-size={width},{HEIGHT}",
        page.as_uri(),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert picture.exists(), done.stderr[-2000:]
    return picture


def pixels(picture: Path) -> tuple[int, int, bytes]:
    """Width, height and raw rows of a PNG, filters still on: enough to see that it is drawn."""
    data = picture.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    packed, at = b"", 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += 12 + length
    return width, height, zlib.decompress(packed)


@pytest.mark.parametrize("width", [500, 1200])
@pytest.mark.parametrize("flags", [(), (DARK,)], ids=["light", "dark"])
def test_the_report_is_drawn(run: Path, tmp_path: Path, width: int, flags: tuple[str, ...]) -> None:
    picture = screenshot(run / "report.html", tmp_path, width=width, flags=flags)
    drawn_width, drawn_height, rows = pixels(picture)
    assert (drawn_width, drawn_height) == (width, HEIGHT)
    # The first bytes are the corner of the page: its paper, light or dark.
    paper = rows[1:4]
    assert max(paper) < 60 if flags else min(paper) > 240
    assert len(set(rows)) > 100  # letters and lines, not an empty sheet


def test_no_page_is_wider_than_a_phone(run: Path, tmp_path: Path) -> None:
    """A frame as narrow as a phone writes the page's own width into its title."""
    frame = tmp_path / "frame.html"
    shutil.copy(run / "report.html", tmp_path / "report.html")
    measure = (
        "<iframe id=f src=report.html style='width:390px;height:800px'></iframe>"
        "<script>f.onload=()=>{const d=f.contentDocument.documentElement;"
        "document.title=d.scrollWidth+' of '+d.clientWidth}</script>"
    )
    frame.write_text(measure, encoding="utf-8")
    command = [
        chromium(),
        *QUIET,
        "--allow-file-access-from-files",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=3000",
        "--dump-dom",
        frame.as_uri(),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    title = done.stdout.partition("<title>")[2].partition("</title>")[0]
    wanted, given = map(int, title.split(" of "))
    assert wanted <= given <= 390


def test_doctor_says_three_things(run: Path) -> None:
    done = run_plait("doctor", str(run))
    assert (done.returncode, done.stderr) == (0, "")
    after = done.stdout.partition("The first three things to try")[2]
    assert [line[0] for line in after.splitlines() if line[1:3] == ". "] == ["1", "2", "3"]
