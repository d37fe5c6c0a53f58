"""Who takes part in `speed.py`, and what each needs."""

from __future__ import annotations

from dataclasses import dataclass

from _environments import Environment

TORCH, NUMPY, PYARROW = "torch==2.13.0", "numpy==2.4.6", "pyarrow==26.0.1"


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Somebody who can do the job.

    Attributes:
        module: the script in `_rivals`.
        environment: what it needs; None: what runs this script.
        variant: which form, where the script has several.
        is_peer: whether it is another library with models for several tasks.
        has_bf16: whether it can be asked for half precision.
    """

    module: str
    environment: Environment | None = None
    variant: str = ""
    is_peer: bool = False
    has_bf16: bool = True


CONTENDERS = {
    "plait": Contender(module="plait"),
    "plait-pure": Contender(module="plait", variant="pure"),
    "reference": Contender(module="reference"),
    "fbgemm": Contender(
        module="fbgemm",
        # It needs none of the packages that its metadata names.
        environment=Environment(
            "fbgemm", (TORCH, NUMPY, PYARROW), alone=("fbgemm-gpu-cpu==1.8.0",)
        ),
    ),
    "deepctr-torch": Contender(
        module="deepctr_torch",
        # It imports pandas, requests and parts of pip, which its metadata does not name.
        environment=Environment(
            "deepctr-torch",
            (TORCH, NUMPY, PYARROW, "deepctr-torch==0.3.0", "pandas", "requests", "pip"),
        ),
        is_peer=True,
        has_bf16=False,
    ),
    "torch-rechub": Contender(
        module="torch_rechub",
        environment=Environment("torch-rechub", (TORCH, NUMPY, PYARROW, "torch-rechub==0.9.0")),
        is_peer=True,
        has_bf16=False,
    ),
    "nextrec": Contender(
        module="nextrec",
        # Which numpy, pandas and pyarrow it takes depends on the version of Python.
        environment=Environment("nextrec", (TORCH, "nextrec==0.6.14")),
        is_peer=True,
        has_bf16=False,
    ),
}
NEED_NOTHING = ("plait", "plait-pure", "reference")
"""Those that run where this runs."""
