from __future__ import annotations

import torch
from torch.nn import functional
from torch.testing import assert_close

from plait.modules.attention import attend


def test_it_is_torch_s_own_attention() -> None:
    query, key, value = (torch.randn(2, 3, 5, 4, dtype=torch.float64) for _ in range(3))
    allowed = torch.ones(5, 5, dtype=torch.bool).tril()
    for mask in (None, allowed):
        expected = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        assert_close(attend(query, key, value, scale=0.5, allowed=mask), expected)


def test_a_value_that_may_not_be_read_has_no_say() -> None:
    query, key = torch.randn(1, 1, 3), torch.randn(1, 2, 3)
    value = torch.tensor([[[2.0], [1e30]]])
    only_first = torch.tensor([[True, False]])
    assert_close(attend(query, key, value, allowed=only_first), torch.tensor([[[2.0]]]))
