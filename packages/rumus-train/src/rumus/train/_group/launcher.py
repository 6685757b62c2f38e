"""What started this process, by the variables that launchers set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_SIZES = {
    "OMPI_COMM_WORLD_SIZE": "Open MPI",
    "PMI_SIZE": "MPICH or a relative of it",
    "MV2_COMM_WORLD_SIZE": "MVAPICH",
    "JSM_NAMESPACE_SIZE": "jsrun",
    "SLURM_STEP_NUM_TASKS": "srun",
}
"""Variables of the number of processes. SLURM_NTASKS is none: a batch script has it, too."""

_RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID")


@dataclass(frozen=True)
class Launch:
    """What the launcher says.

    Attributes:
        launcher: Its name.
        size: How many processes it started; 0 if it does not say.
        rank: Which of them this is.
    """

    launcher: str
    size: int
    rank: int


def launch(environment: Mapping[str, str]) -> Launch | None:
    """Who started this process together with others; None if nobody says so."""
    rank = next((n for name in _RANKS if (n := _number(environment, name)) is not None), 0)
    for name, launcher in _SIZES.items():
        size = _number(environment, name)
        if size is not None:
            return Launch(launcher, size, rank)
    if "PMIX_RANK" in environment:
        return Launch("PMIx", 0, rank)
    return None


def _number(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name, "")
    return int(text) if text.isdecimal() else None
