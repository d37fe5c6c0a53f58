from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tests.unit.modules.interactions import reference
from tests.unit.modules.interactions.making import (
    MIXED,
    SAME,
    array,
    layers,
    rows,
    shaken,
    tokens_of,
)

from plait.errors import ArchitectureError
from plait.modules.interactions import DLRM, Entry
from plait.testing import InteractionContract


class TestDLRM(InteractionContract):
    def make(self, entries: Sequence[Entry]) -> DLRM:
        return DLRM(entries, token_width=4, layers=(6,))


def test_it_is_the_paper_s_equation() -> None:
    net = shaken(DLRM(MIXED, token_width=4, layers=(6,)))
    assert isinstance(net, DLRM)
    assert net.bottom is not None
    main = rows(MIXED)
    for row, found in zip(main.numpy(), net(main).main, strict=True):
        vectors = tokens_of(row[:7], MIXED[:2], net.tokens.maps)
        expected = reference.dlrm(vectors, reference.mlp(row[7:], layers(net.bottom)))
        np.testing.assert_allclose(array(found), expected, atol=1e-10, rtol=1e-10)


def test_without_numbers_only_the_pairs_are_left() -> None:
    net = shaken(DLRM(SAME, token_width=4))
    main = rows(SAME)
    user, item, city = main.split(4, dim=1)
    pairs = [(user * item).sum(1), (user * city).sum(1), (item * city).sum(1)]
    np.testing.assert_allclose(array(net(main).main.T), [array(p) for p in pairs], atol=1e-12)


def test_numbers_alone_and_one_vector_alone_have_no_pair() -> None:
    for lonely in (Entry("age", 3, learnt=False), Entry("user", 4)):
        with pytest.raises(ArchitectureError, match=rf"multiplies pairs of .*'{lonely.name}'"):
            DLRM([lonely])
