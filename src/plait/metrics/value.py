"""What a metric answers: the number, and the counts and the reason that go with it."""

from __future__ import annotations

import math
from typing import NamedTuple


class Value(NamedTuple):
    """A metric's answer.

    Stability: stable.

    Attributes:
        value: the number, or nan where it cannot be computed.
        n: rows it was computed on.
        n_positive: positive rows among them; None where the notion does not apply.
        n_groups: groups that counted, for grouped metrics.
        n_dropped: groups (grouped metrics) or rows left out.
        reason: why `value` is nan; empty otherwise.

    Example:
        >>> Value(0.5, n=4, n_positive=2).is_known
        True
    """

    value: float
    n: int = 0
    n_positive: int | None = None
    n_groups: int | None = None
    n_dropped: int = 0
    reason: str = ""

    @property
    def is_known(self) -> bool:
        """Whether there is a number at all. A value that is not known is never the best one."""
        return not math.isnan(self.value)
