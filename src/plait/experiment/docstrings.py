"""What the docstring of a class says of its settings, for the description of the file's keys."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

_SECTION = re.compile(r"^(?:Args|Attributes):\n((?:    .*\n|\n)+)", re.MULTILINE)
_ENTRY = re.compile(r"^    (\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)


def summary(of: Callable[..., object]) -> str:
    """The first line of a docstring.

    Example:
        >>> from plait.tasks import Binary
        >>> summary(Binary)
        'A yes or no: click, like, purchase.'
    """
    return _docstring(of).partition("\n")[0]


def described(of: Callable[..., object]) -> dict[str, str]:
    """What the sections `Args` and `Attributes` say, those of a class's bases included.

    Example:
        >>> from plait.tasks import Count
        >>> described(Count)["role"][:36]
        'an `auxiliary` task is trained but t'
    """
    found: dict[str, str] = {}
    for owner in reversed(inspect.getmro(of)) if isinstance(of, type) else [of]:
        for section in _SECTION.findall(_docstring(owner) + "\n"):
            entries = _ENTRY.findall(section)
            found |= {name: re.sub(r"\s+", " ", text).strip() for name, text in entries}
    return found


def _docstring(of: Callable[..., object]) -> str:
    return inspect.cleandoc(of.__doc__ or "")
