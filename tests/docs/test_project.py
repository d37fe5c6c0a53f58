"""Facts about the repository and the package that its files promise one another."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import plait

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# An absolute path below one of these folders holds on one machine only.
FOLDERS_OF_ONE_MACHINE = ("home", "root", "tmp", "work", "Users")
MACHINE_PATH = re.compile(rf"(?<![\w.~$}})>*-])/(?:{'|'.join(FOLDERS_OF_ONE_MACHINE)})/[\w.-]+")

LIGHT_MODULES = ("plait", "plait.errors", "plait.tasks", "plait.data.schema")


def _tracked_files() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files are tracked is not known")
    listed = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def _machine_paths(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:  # an image or a data file
        return []
    return MACHINE_PATH.findall(text)


def test_no_file_holds_a_path_of_one_machine() -> None:
    found = {str(path.relative_to(ROOT)): _machine_paths(path) for path in _tracked_files()}
    assert {name: paths for name, paths in found.items() if paths} == {}


def test_a_path_of_one_machine_is_recognised() -> None:
    folder = FOLDERS_OF_ONE_MACHINE[0]
    assert MACHINE_PATH.search(f'open("/{folder}/ann/log.parquet")')
    assert not MACHINE_PATH.search(f"https://example.org/{folder}/page and ~/{folder}/x")


@pytest.mark.parametrize("name", ["CHANGELOG.md", "CITATION.cff"])
def test_the_version_is_named(name: str) -> None:
    assert PROJECT["version"] in (ROOT / name).read_text(encoding="utf-8")


def _makefile_rules() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][\w-]*):", text, re.MULTILINE))


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=lambda page: page.name)
def test_the_makefile_has_the_rules_that_a_page_names(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`|\$ )make ([a-z][\w-]*)", text, re.MULTILINE))
    assert named <= _makefile_rules()


def _lower_bounds() -> dict[str, Version]:
    lines = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["fast"]]
    lines += PROJECT["optional-dependencies"]["retrieve"]
    lines += [line for line in PROJECT["optional-dependencies"]["test"] if "pandas" in line]
    wanted = [Requirement(line) for line in lines]
    return {w.name: Version(s.version) for w in wanted for s in w.specifier if s.operator == ">="}


def test_the_lowest_versions_tested_are_the_lower_bounds() -> None:
    text = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w-]+)==(\S+)$", text, re.MULTILINE))
    tested = {name: Version(version) for name, version in pins.items()}
    # torch is the exception that the file explains.
    assert tested.pop("torch") >= (bounds := _lower_bounds()).pop("torch")
    assert tested == bounds


@pytest.mark.parametrize("name", getattr(plait, "__all__", []))
def test_a_public_name_says_what_it_is_for(name: str) -> None:
    value = getattr(plait, name)
    if not (inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value)):
        return  # a constant has no docstring
    first_line = (value.__doc__ or "").strip().partition("\n")[0]
    assert first_line, f"plait.{name} has no docstring"
    # A dataclass without a docstring is given its signature for one.
    assert not first_line.startswith(f"{name}("), f"plait.{name} has no docstring of its own"


def _is_there(module: str) -> bool:
    path = (ROOT / "src").joinpath(*module.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


@pytest.mark.parametrize("module", [name for name in LIGHT_MODULES if _is_there(name)])
def test_importing_a_light_module_imports_no_torch(module: str) -> None:
    program = f"import sys, {module}; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
