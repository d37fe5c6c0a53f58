"""Settings of blocks that are out of range, told in one form."""

from __future__ import annotations

from plait.errors import ArchitectureError

__all__ = ["check_at_least"]


def check_at_least(least: int, **given: int) -> None:
    """See that settings are large enough; each is given under its own name.

    Example:
        >>> check_at_least(1, num_layers=0)
        Traceback (most recent call last):
        plait.errors.ArchitectureError: `num_layers` must be at least 1, got 0.

    Raises:
        ArchitectureError: naming the first that is not.
    """
    for name, value in given.items():
        if value < least:
            raise ArchitectureError(f"`{name}` must be at least {least}, got {value}.")
