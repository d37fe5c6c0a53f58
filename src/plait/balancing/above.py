"""What lies above a cut: the parameters that a loss reaches without going through it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from torch.autograd.graph import Node

__all__ = ["leaves_above"]


def leaves_above(
    losses: Mapping[str, Tensor], boundary: Iterable[Tensor]
) -> dict[str, tuple[Tensor, ...]] | None:
    """The leaves of the graph between each loss and the boundary.

    Args:
        losses: by task.
        boundary: tensors that every road from a loss to what lies below goes through.

    Returns:
        Leaves by task; None where some leaf lies on both sides, so that its gradient from above
        cannot be told from the one that comes through the boundary.
    """
    ends = {id(tensor): tensor for tensor in boundary}
    stops = {tensor.grad_fn for tensor in ends.values() if tensor.grad_fn is not None}
    found = {
        task: _leaves([loss.grad_fn], stops) if loss.requires_grad else {}
        for task, loss in losses.items()
    }
    below = _leaves([node for stop in stops for node, _ in stop.next_functions], set())
    if any(below.keys() & leaves.keys() for leaves in found.values()):
        return None
    return {
        task: tuple(leaf for name, leaf in leaves.items() if name not in ends)
        for task, leaves in found.items()
    }


def _leaves(nodes: Iterable[Node | None], stops: set[Node]) -> dict[int, Tensor]:
    """The leaves under these nodes, by `id`; what is under a stop is left out."""
    waiting = [node for node in nodes if node is not None and node not in stops]
    seen = {*waiting}
    found: dict[int, Tensor] = {}
    while waiting:
        node = waiting.pop()
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            found[id(leaf)] = leaf
        for following, _ in node.next_functions:
            if following is not None and following not in seen and following not in stops:
                seen.add(following)
                waiting.append(following)
    return found
