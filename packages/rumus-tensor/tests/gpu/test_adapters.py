"""Which adapter a process finds at the front."""

from types import SimpleNamespace
from typing import Any

import pytest

from rumus.gpu._adapter import share

TWO = ("DiscreteGPU", "DiscreteGPU", "IntegratedGPU", "CPU")


def adapters(*kinds: str, backend: str = "Vulkan") -> list[Any]:
    infos = [{"adapter_type": kind, "backend_type": backend} for kind in kinds]
    return [SimpleNamespace(info=info) for info in infos]


@pytest.mark.parametrize(
    ("environment", "position"),
    [
        ({}, 0),
        ({"OMPI_COMM_WORLD_LOCAL_RANK": "0"}, 0),
        ({"OMPI_COMM_WORLD_LOCAL_RANK": "1"}, 1),
        ({"MPI_LOCALRANKID": "2"}, 0),
        ({"SLURM_LOCALID": "3"}, 1),
        ({"MPI_LOCALRANKID": "1", "SLURM_LOCALID": "0"}, 1),
        ({"MPI_LOCALRANKID": "junk"}, 0),
    ],
)
def test_processes_of_a_host_share_its_best_adapters_out(
    environment: dict[str, str], position: int
) -> None:
    assert share(adapters(*TWO), environment) == position
    assert share(adapters("CPU"), environment) == 0


def test_one_gpu_that_two_backends_show_is_one() -> None:
    seen = [*adapters("DiscreteGPU"), *adapters("DiscreteGPU", backend="D3D12")]
    assert share(seen, {"MPI_LOCALRANKID": "1"}) == 0
