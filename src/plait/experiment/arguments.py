"""What `train` was given, checked for the slips that Python would report far from their cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from plait.architectures import Gate, Link
from plait.balancing import Balancer
from plait.data.schema import Schema
from plait.data.splits import Split
from plait.errors import ArgumentTypeError
from plait.methods import Method
from plait.tasks import Task

__all__ = ["check_arguments", "check_encoders", "check_gates", "check_terms"]


def check_arguments(
    schema: object,
    tasks: object,
    split: object,
    architecture: object,
    links: object,
    balancer: object,
    method: object,
) -> None:
    """See that objects are what they should be; a name where an object belongs is refused.

    Raises:
        ArgumentTypeError: naming the argument, what came and what to write.
        SchemaError: a schema that a link cannot work with.
    """
    _check("schema", schema, Schema, "Schema((Categorical('user_id'), ...), user='user_id')")
    _check("split", split, Split, "TimeSplit('timestamp')")
    if balancer is not None:
        _check("balancer", balancer, Balancer, "BaseRate()")
    if method is not None:
        _check("method", method, Method, "JointFeatures()")
    for entry in _sequence("tasks", tasks, "[Binary('click')]"):
        _check("tasks", entry, Task, "[Binary('click')]")
    for entry in _sequence("links", links, "[Chain(parent='click', child='buy')]"):
        _check("links", entry, Link, "[Chain(parent='click', child='buy')]")
        if isinstance(entry, Link) and isinstance(schema, Schema):
            entry.check_schema(schema)
    if not callable(architecture):
        raise ArgumentTypeError(
            "architecture", architecture, wanted="`MMoE` or `partial(MMoE, num_experts=8)`"
        )


def check_gates(gates: object) -> None:
    """See that gates are gates; a name or a class is refused.

    Raises:
        ArgumentTypeError: naming the argument, what came and what to write.
    """
    for entry in _sequence("gates", gates, "[PersonalGates()]"):
        _check("gates", entry, Gate, "[PersonalGates()]")


def check_encoders(interaction: object, sequence: object, sequence_of: object) -> None:
    """See that the parts of `encode` are classes or `partial`s; a name or an object is refused.

    Raises:
        ArgumentTypeError: naming the argument, what came and what to write.
    """
    if interaction is not None and not _builds(interaction):
        raise ArgumentTypeError(
            "interaction", interaction, wanted="`DCNv2` or `partial(DCNv2, num_layers=3)`"
        )
    if sequence is not None and not _builds(sequence):
        raise ArgumentTypeError("sequence", sequence, wanted="`GRU4Rec` or `partial(GRU4Rec, …)`")
    if sequence_of is not None and not isinstance(sequence_of, Mapping):
        raise ArgumentTypeError(
            "sequence_of", sequence_of, wanted="a mapping, such as `{'past_items': GRU4Rec}`"
        )
    for name, factory in (sequence_of or {}).items():
        if not _builds(factory):
            raise ArgumentTypeError(
                f"sequence_of[{name!r}]", factory, wanted="`GRU4Rec` or `partial(GRU4Rec, …)`"
            )


def check_terms(terms: object) -> None:
    """See that terms are classes or `partial`s, in a list.

    Raises:
        ArgumentTypeError: naming the argument, what came and what to write.
    """
    for entry in _sequence("terms", terms, "[FPMC]"):
        if not _builds(entry):
            raise ArgumentTypeError("terms", entry, wanted="`FPMC` or `partial(FPMC, last=3)`")


def _builds(value: object) -> bool:
    """Whether it builds a part: a module that is built already is callable, too."""
    return callable(value) and not isinstance(value, nn.Module)


def _sequence(name: str, value: object, example: str) -> Sequence[object]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ArgumentTypeError(name, value, wanted=f"a list, such as `{example}`")
    return value


def _check(name: str, value: object, kind: type, example: str) -> None:
    if not isinstance(value, kind):
        raise ArgumentTypeError(name, value, wanted=f"a {kind.__name__}, such as `{example}`")
