"""Alternating least squares of the package `implicit`, run in an environment of its own.

    python implicit_als.py pairs.npz settings.json factors

Reads pairs of user and item (`users`, `items`, places from 0; `shape`), and writes the vectors of
each setting to `factors-0.npz`, `factors-1.npz` and so on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix


def main() -> None:
    """Fit every setting, and write its vectors."""
    pairs, settings = np.load(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    shape = tuple(pairs["shape"])
    ones = np.ones(len(pairs["users"]), dtype=np.float32)
    liked = csr_matrix((ones, (pairs["users"], pairs["items"])), shape=shape)
    for number, setting in enumerate(settings):
        model = AlternatingLeastSquares(num_threads=1, calculate_training_loss=False, **setting)
        model.fit(liked, show_progress=False)
        np.savez(f"{sys.argv[3]}-{number}.npz", users=model.user_factors, items=model.item_factors)


if __name__ == "__main__":
    main()
