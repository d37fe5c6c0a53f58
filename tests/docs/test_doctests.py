"""Every example in a docstring runs, module by module."""

from __future__ import annotations

import doctest
import importlib
import tomllib
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

from plait.errors import MissingExtraError

ROOT = Path(__file__).parents[2]


def _modules() -> list[str]:
    spec = find_spec("plait")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    package = Path(next(iter(spec.submodule_search_locations)))
    names = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        names.append(".".join(parts).removesuffix(".__init__"))
    return names


def _optional_packages() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    users = extras.keys() - {"dev", "docs", "test"}
    return {Requirement(line).name for extra in users for line in extras[extra]}


def _import_or_skip(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except MissingExtraError as missing:
        pytest.skip(str(missing))
    except ModuleNotFoundError as missing:
        if missing.name not in _optional_packages():
            raise
        pytest.skip(f"{name} needs the optional package {missing.name!r}, which is not installed")


@pytest.mark.parametrize("name", _modules())
def test_the_examples_of_a_module_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = _import_or_skip(name)
    monkeypatch.chdir(tmp_path)
    report: list[str] = []
    runner = doctest.DocTestRunner(
        verbose=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    examples = doctest.DocTestFinder().find(module, name)
    failed = sum(runner.run(example, out=report.append).failed for example in examples)
    assert failed == 0, "\n" + "".join(report)
