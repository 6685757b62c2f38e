"""Ranks under a real mpiexec: what they tell each other, and how they end when one fails."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MPIEXEC = Path(sys.executable).parent / "mpiexec"
ENVIRONMENT = os.environ | {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMP_NUM_THREADS": "1",
}
BOUND = 60.0
"""Seconds in which everything ends: deadlines are 3 s, and imports take long on a busy machine."""


def command(size: int, what: str, *options: str) -> list[str]:
    return [
        *(str(MPIEXEC), *options, "-n", str(size)),
        *(sys.executable, str(HERE / "_ranks.py"), what),
    ]


def run(size: int, what: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(size, what, *options),
        env=ENVIRONMENT,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=BOUND,
    )


def is_mpich() -> bool:
    said = subprocess.run([MPIEXEC, "--version"], env=ENVIRONMENT, capture_output=True, text=True)
    return "HYDRA" in said.stdout


@pytest.mark.parametrize(
    ("what", "size"),
    [
        ("calls", 1),
        ("calls", 2),
        ("calls", 3),
        ("later", 2),
        ("later", 3),
        ("memory", 3),
        ("lent", 2),
        ("lent", 3),
    ],
)
def test_every_call_gives_what_the_contract_says(what: str, size: int) -> None:
    result = run(size, what)
    assert result.returncode == 0, result.stderr
    assert f"{what} is done by {size} ranks" in result.stdout


@pytest.mark.parametrize("what", ["is_late", "misfits", "rests"])
def test_ranks_go_on(what: str) -> None:
    """After a call that was wrong on all of them, and after a pause of all of them."""
    result = run(3, what)
    assert result.returncode == 0, result.stderr
    assert f"{what} is done by 3 ranks" in result.stdout


def test_a_rank_that_never_makes_the_group_is_not_waited_for_at_the_end() -> None:
    result = run(2, "is_missing")
    assert result.returncode != 0
    assert "not all of 2 ranks came within 3 s" in result.stderr


def test_ranks_that_differ_are_told_in_what_by_one_of_them() -> None:
    result = run(3, "differ")
    assert result.returncode != 0
    assert result.stderr.count("seed: 0 on rank 0, 1 on ranks 1 and 2") == 1
    assert "model:" not in result.stderr


@pytest.mark.parametrize("size", [2, 3])
def test_a_rank_that_raises_ends_all_with_its_traceback_on_top(size: int) -> None:
    result = run(size, "raises")
    assert result.returncode != 0
    assert result.stderr.lstrip("\0\n").startswith("Traceback")
    assert result.stderr.count("Traceback") == 1
    assert "ValueError: a broken sample\n" in result.stderr
    assert f"rank 1 of {size}, at step 5, ends all ranks" in result.stderr


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("ends", r"rank 1 has ended its program at step 5, and rank 0 waits for it at step 5"),
        (
            "cannot_send",
            r"GroupError: what goes to other ranks at its start \(allgatherv\) cannot be sent: "
            r"ValueError: a broken device",
        ),
        ("strays", r"rank 1 does something else than rank 0 at step 5 \(max\): .* different ways"),
        (
            "stops",
            r"rank 0 has waited 3 s at step 5 \(max\) for rank 1, and gives up\. Rank 1 does not "
            r"answer: it is stopped, dead, or cut off\.",
        ),
        (
            "stops_for_others",
            r"rank 0 has waited 3 s at its start \(alltoallv\) for rank 1, and gives up\. "
            r"Rank 1 answers: .* Rank 2 does not answer: it is stopped, dead, or cut off\.",
        ),
        (
            "computes",
            r"rank 0 has waited 3 s at step 5 \(max\) for rank 1, and gives up\. Rank 1 answers: "
            r"it is at step 5, computes or waits for something else",
        ),
        ("stops_at_its_end", r"rank 0 is at its end, and rank 1 neither at its own nor answering"),
    ],
)
def test_a_rank_that_does_not_come_is_named(what: str, told: str) -> None:
    result = run(3, what)
    assert result.returncode != 0
    assert re.search(told, result.stderr), result.stderr
    assert len(re.findall(told, result.stderr)) == 1


@pytest.mark.parametrize("what", ["dies", "exits"])
def test_a_rank_that_is_gone_is_named(what: str) -> None:
    """MPICH's mpiexec kills the survivors, too, unless told not to; after a signal in any case."""
    result = run(3, what, *(["-disable-auto-cleanup"] if is_mpich() else []))
    assert result.returncode != 0
    told = "rank 1 of 3 has died at or before step 5, where rank 0 is"
    assert told in result.stderr or (is_mpich() and what == "dies"), result.stderr


@pytest.mark.parametrize("what", ["dies", "dies_at_its_end"])
def test_a_rank_that_is_killed_ends_all(what: str) -> None:
    """Long before the deadline, which for the second is beyond the time that a test has."""
    result = run(3, what)
    assert result.returncode != 0
    named = "rank 0: rank 1 has died; rank 0 is at its end" in result.stderr
    assert named or is_mpich() or what == "dies", result.stderr


def test_ranks_wait_for_one_that_works_on_at_the_end() -> None:
    result = run(3, "ends_late")
    assert result.returncode == 0, result.stderr


def test_a_signal_to_one_rank_stops_all_at_the_same_step() -> None:
    with subprocess.Popen(
        command(3, "is_told_to_stop"), env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        number = int(process.stdout.readline().split()[1])
        time.sleep(0.3)
        os.kill(number, signal.SIGTERM)
        said = process.stdout.read()
        assert process.wait(BOUND) == 143
    assert "all stop at one step for signal 15" in said


def test_processes_that_each_see_themselves_alone_are_refused() -> None:
    code = "from rumus.train import find_group; find_group()"
    for variables in ({"OMPI_COMM_WORLD_SIZE": "4"}, {"SLURM_STEP_NUM_TASKS": "4"}):
        result = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=BOUND,
        )
        assert result.returncode != 0
        assert "started 4 processes, and each of them sees a group of one" in result.stderr
        assert "mpiexec of the MPI that mpi4py uses" in result.stderr


def test_the_doctor_says_who_is_there_and_how_fast() -> None:
    code = "import sys; from rumus.train._cli import main; sys.exit(main(['doctor', '--mpi']))"
    result = subprocess.run(
        [MPIEXEC, "-n", "2", sys.executable, "-c", code],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=BOUND,
    )
    assert result.returncode == 0, result.stderr
    assert "started 2 ranks" in result.stdout and "ranks 0 and 1 on " in result.stdout
    assert result.stdout.count("GB/s") == 6
