"""How often tests that repeat something at random do so: in full where asked, as by .ci/run, else a tenth as often."""

from __future__ import annotations

import os

THOROUGH = os.environ.get("BRIDGE_DISTILL_THOROUGH") == "1"


def repeats(full: int) -> int:
    return full if THOROUGH else full // 10
