"""Training under a real mpiexec: one hash on any number of ranks; ends that can be gone on from.

The script is ``examples/many.py``: dropout, clipping, a schedule, averaged weights, checkpoints.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

MANY = Path(__file__).parents[2] / "examples" / "many.py"
RANKS = Path(__file__).with_name("_ranks.py")
MPIEXEC = Path(sys.executable).parent / "mpiexec"
ENVIRONMENT = os.environ | {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMP_NUM_THREADS": "1",
    "RUMUS_DEADLINE": "10",
}
BOUND = 240.0
"""Seconds in which a run ends, on a busy machine."""


def command(size: int, folder: Path, device: str, *options: str) -> list[str]:
    start = [] if size == 1 else [str(MPIEXEC), "-n", str(size)]
    given = ["--small", "--device", device, "--out", str(folder), *options]
    return [*start, sys.executable, str(MANY), *given]


def weights(size: int, folder: Path, device: str, *options: str) -> str:
    """The hash that a run prints."""
    done = subprocess.run(
        command(size, folder, device, *options),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=BOUND,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("weights") == 1, "rank 0 alone prints"
    (found,) = re.findall(r"weights (\w{16})", done.stdout)
    return str(found)


def running(size: int, folder: Path, step: str) -> "subprocess.Popen[str]":
    """A long run that has come to a checkpoint."""
    options = ["--epochs", "500"]
    process = subprocess.Popen(
        command(size, folder, "cpu", *options),
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + BOUND
    while not list(folder.glob(step)):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    return process


def last_rank(launcher: int) -> int:
    """The process of the last rank that a launcher has started, here."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parents = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if str(MANY).encode() in words and words[0] == sys.executable.encode():
                found.append((int(entry.name), int(parents[1])))
    assert found, f"launcher {launcher} has no ranks"
    return max(found)[0]


@pytest.mark.parametrize("sizes", [(1, 2, 3)])
def test_any_number_of_ranks_ends_with_one_hash(
    device: str, sizes: tuple[int, ...], tmp_path: Path
) -> None:
    found = {size: weights(size, tmp_path / str(size), device) for size in sizes}
    assert len(set(found.values())) == 1, found


@pytest.mark.gpu
@pytest.mark.parametrize("size", [2, 3])
def test_steps_of_many_parcels_end_with_the_weights_of_one_process(size: int) -> None:
    done = subprocess.run(
        [str(MPIEXEC), "-n", str(size), sys.executable, str(RANKS), "parcels"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=BOUND,
    )
    assert f"parcels is done by {size} ranks" in done.stdout, done.stderr


def test_a_run_moves_between_numbers_of_ranks(tmp_path: Path) -> None:
    undisturbed = weights(1, tmp_path / "one", "cpu", "--epochs", "3")
    folder = tmp_path / "moved"
    for epochs, size in (("1", 3), ("2", 1)):
        weights(size, folder, "cpu", "--epochs", epochs, "--resume")
    assert weights(2, folder, "cpu", "--epochs", "3", "--resume") == undisturbed


def test_a_signal_to_one_rank_saves_and_the_run_goes_on_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with running(3, folder, "step-*") as process:
        os.kill(last_rank(process.pid), signal.SIGTERM)
        _, told = process.communicate(timeout=BOUND)
    assert process.returncode == 143, told
    steps = max(int(path.name[5:]) for path in folder.glob("step-*"))
    epochs = str(steps // 16 + 1)
    moved = weights(2, folder, "cpu", "--epochs", epochs, "--resume")
    assert moved == weights(1, tmp_path / "one", "cpu", "--epochs", epochs)


def test_a_stopped_rank_is_named_with_the_step(tmp_path: Path) -> None:
    with running(2, tmp_path / "run", "step-*") as process:
        os.kill(last_rank(process.pid), signal.SIGSTOP)
        _, told = process.communicate(timeout=BOUND)
    assert process.returncode != 0
    assert re.search(r"has waited 10 s at step \d+ .* for rank \d, and gives up", told), told
    assert "does not answer: it is stopped, dead, or cut off" in told
