"""The settings of a run say everything that is wrong with them at once."""

from __future__ import annotations

import pytest

from plait.errors import ConfigurationError
from plait.training import Training


def test_the_defaults_are_fine() -> None:
    assert Training() == Training(epochs=30)


def test_the_batch_grows_with_the_log() -> None:
    assert Training().rows_per_batch(250_000) == 1024
    assert Training().rows_per_batch(250_001) == 2048
    assert Training(batch_size=7).rows_per_batch(10**9) == 7


def test_one_message_lists_every_problem() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Training(
            epochs=0,
            learning_rate=float("nan"),
            average=1.0,
            schedule="step",  # type: ignore[arg-type]
            monitor={"click": 0.0},
        )
    message = str(caught.value)
    for words in (
        "`epochs` must be at least 1, got 0",
        "`learning_rate` must be at least 0, got nan",
        "`average` must lie in [0, 1), got 1.0",
        "`schedule` is 'constant', 'cosine' or 'linear', got 'step'",
        "`monitor` gives no task a positive weight",
    ):
        assert words in message


@pytest.mark.parametrize(
    "name",
    [
        "max_steps",
        "batch_size",
        "weight_decay",
        "table_learning_rate",
        "key_l2",
        "clip_norm",
        "warmup_steps",
        "patience",
        "evaluate_steps",
        "checkpoint_seconds",
    ],
)
def test_no_setting_may_be_negative(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"`{name}` must be at least [01], got -1"):
        Training(**{name: -1})  # type: ignore[arg-type]


def test_monitor_weights_must_not_be_negative() -> None:
    with pytest.raises(ConfigurationError, match="`monitor` must hold weights of at least 0"):
        Training(monitor={"click": 1.0, "like": -1.0})


def test_tables_have_a_rate_for_each_optimizer() -> None:
    assert Training().rate_of_tables == 0.01
    assert Training(table_optimizer="adam", learning_rate=0.002).rate_of_tables == 0.002
    assert Training(table_optimizer="adam", table_learning_rate=0.05).rate_of_tables == 0.05
