"""Values of the command line that are more than a word or a number."""

from __future__ import annotations

from plait.errors import ConfigurationError

__all__ = ["read_preference"]


def read_preference(written: str | None) -> dict[str, float] | None:
    """What each task is worth, from `click=0.7,like=0.3`; None where nothing was written.

    Example:
        >>> read_preference("click=0.7, like=0.3")
        {'click': 0.7, 'like': 0.3}

    Raises:
        ConfigurationError: it is not of that form, or names a task twice.
    """
    if written is None:
        return None
    found: dict[str, float] = {}
    for pair in written.split(","):
        name, _, worth = pair.rpartition("=")
        try:
            value = float(worth)
        except ValueError:
            value = None
        if not name.strip() or value is None:
            raise ConfigurationError(
                f"`--preference {written}`: {pair.strip()!r} is not of the form TASK=WORTH. Write "
                "it as in `--preference click=0.7,like=0.3`."
            )
        if name.strip() in found:
            raise ConfigurationError(f"`--preference {written}` names {name.strip()!r} twice.")
        found[name.strip()] = value
    return found
