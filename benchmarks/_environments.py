"""Virtual environments of other libraries, made when they are first needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

SECONDS = 3600
LAST_WORDS = 300


class InstallationError(RuntimeError):
    """An environment cannot be made; the message is what the installer said last."""


@dataclass(frozen=True)
class Environment:
    """A folder of packages.

    Attributes:
        name: of its folder.
        requirements: what is installed with its dependencies.
        alone: what is installed after that, without its dependencies.
    """

    name: str
    requirements: tuple[str, ...]
    alone: tuple[str, ...] = ()

    def python(self, folder: Path) -> Path:
        """The environment's interpreter; the first call installs what the environment holds.

        Args:
            folder: of all environments.

        Raises:
            InstallationError: something cannot be installed. What was made is removed.
        """
        home = folder / self.name
        binaries = home / ("Scripts" if sys.platform == "win32" else "bin")
        # Not resolved: the interpreter that the link leads to would not know the environment.
        python = (binaries / "python").absolute()
        stamp, wanted = home / "installed.txt", "\n".join((*self.requirements, *self.alone))
        if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
            return python
        shutil.rmtree(home, ignore_errors=True)
        venv.create(home)  # this environment's pip installs there, too
        try:
            _install(python, self.requirements)
            _install(python, ("--no-deps", *self.alone))
        except InstallationError:
            shutil.rmtree(home, ignore_errors=True)
            raise
        stamp.write_text(wanted, encoding="utf-8")
        return python


def _install(python: Path, packages: tuple[str, ...]) -> None:
    if all(package.startswith("--") for package in packages):
        return
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    command = [*pip, "install", "--quiet", *packages]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise InstallationError(f"nothing was installed within {SECONDS} s") from error
    if done.returncode:
        raise InstallationError(done.stderr.strip()[-LAST_WORDS:])
