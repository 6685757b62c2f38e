"""Record files that are cut, replaced or taken away while they are open."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rumus.data import (
    DataLoader,
    RecordDataset,
    RecordFileChangedError,
    RecordFormatError,
    RecordWriter,
)

COUNT = 300
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's signals and limits")


def write(path: Path, shapes: int = 1, version: int = 2, count: int = COUNT) -> Path:
    """Records of 4 KiB and more, so that each has a page of the file of its own."""
    with RecordWriter(path, version, overwrite=True) as writer:
        for k in range(count):
            writer.append(np.full(1200 + k % shapes, k, np.float32), np.float32(k))
    return path


def right(pair: Any, k: int) -> bool:
    x, y = pair
    return bool((x == k).all() and y == k)


READS: dict[str, Callable[[RecordDataset], object]] = {
    "read": lambda dataset: dataset.read(200),
    "view": lambda dataset: dataset.read(200, copy=False),
    "item": lambda dataset: dataset[200].input.numpy(),
    "slice": lambda dataset: dataset[200:210],
    "batch": lambda dataset: dataset.__getitems__([299, 3]),
    "verify": lambda dataset: dataset.verify(),
    "loader": lambda dataset: list(DataLoader(dataset, 32)),
    "loader of workers": lambda dataset: list(DataLoader(dataset, 290, num_workers=2)),
    "large batches": lambda dataset: list(DataLoader(dataset, 290, num_workers=2, shuffle=True)),
}

CUT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_changed_files import *
path, mapped, check = Path(sys.argv[2]), sys.argv[3] == "True", sys.argv[4]
for version, shapes in (2, 1), (2, 7), (1, 1), (1, 3):
    for name, read in READS.items():
        write(path, shapes, version)
        dataset = RecordDataset(path, check=check, mapped=mapped)
        kept = [dataset.read(k) for k in range(0, COUNT, 50)]
        whole = path.stat().st_size
        os.truncate(path, 5000)
        try:
            read(dataset)
        except RecordFileChangedError as error:
            assert str(path) in str(error), error
        else:
            raise AssertionError(f"{name} of version {version} saw nothing")
        assert all(right(pair, k) for pair, k in zip(kept, range(0, COUNT, 50)))
        os.truncate(path, whole)
"""


@LINUX
@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("check", ["first", "never"])
def test_a_file_that_is_cut_is_an_error_and_not_the_end_of_the_process(
    tmp_path: Path, mapped: bool, check: str
) -> None:
    folder = str(Path(__file__).parent)
    command = [sys.executable, "-c", CUT, folder, str(tmp_path / "a.rrec"), str(mapped), check]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


CUT_AGAIN_AND_AGAIN = """
import os, sys, threading
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_changed_files import *
from rumus.data import RecordError
path = write(Path(sys.argv[2]))
dataset = RecordDataset(path, mapped=False)
whole, stop = path.read_bytes(), threading.Event()
def cut():
    descriptor = os.open(path, os.O_RDWR)
    while not stop.is_set():
        os.ftruncate(descriptor, 5000)
        os.pwrite(descriptor, whole, 0)
thread = threading.Thread(target=cut, daemon=True)
thread.start()
good = 0
for turn in range(300):
    try:
        k = turn % COUNT
        assert right(dataset.read(k), k)
        dataset.__getitems__(range(100))
        good += 1
    except RecordError:
        pass
stop.set()
thread.join()
print(good)
"""


@LINUX
def test_a_file_that_is_not_mapped_never_kills(tmp_path: Path) -> None:
    folder = str(Path(__file__).parent)
    command = [sys.executable, "-c", CUT_AGAIN_AND_AGAIN, folder, str(tmp_path / "a.rrec")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize(("version", "shapes"), [(2, 1), (2, 7), (1, 1), (1, 3)])
def test_a_file_reads_the_same_with_and_without_a_map(
    tmp_path: Path, mapped: bool, version: int, shapes: int
) -> None:
    dataset = RecordDataset(write(tmp_path / "a.rrec", shapes, version), mapped=mapped)
    assert len(dataset) == dataset.verify() == COUNT
    assert (dataset.schema.input is None) == (shapes > 1)
    for k in (0, 7, 299, -1):
        for copy in (True, False):
            assert right(dataset.read(k, copy), k % COUNT)
    wanted = np.arange(0, COUNT, 21)
    batch = dataset.__getitems__(wanted)
    assert (batch.input.numpy() == wanted[:, None]).all()
    if shapes == 1:
        loaded = [batch.target.numpy() for batch in DataLoader(dataset, 10, num_workers=2)]
        assert np.concatenate(loaded).tolist() == list(range(COUNT))
    again = pickle.loads(pickle.dumps(dataset))
    assert right(again.read(5), 5) and again._mapped == mapped


@pytest.mark.parametrize("version", [1, 2])
def test_samples_are_copies_unless_views_are_asked_for(tmp_path: Path, version: int) -> None:
    dataset = RecordDataset(write(tmp_path / "a.rrec", version=version))
    x, y = dataset.read(3)
    x[:] = -1
    y[...] = -1
    assert right(dataset.read(3), 3)
    assert right((dataset[3].input.numpy(), dataset[3].target.item()), 3)
    for view in dataset.read(3, copy=False):
        assert not view.flags.writeable and not view.flags.owndata


def replaced(path: Path) -> None:
    write(path.with_name("new"), count=COUNT)
    os.replace(path.with_name("new"), path)


def rewritten(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data)
    os.utime(path, ns=(0, 1))


def grown(path: Path) -> None:
    write(path, count=COUNT + 1)


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("change", [replaced, rewritten, grown])
def test_a_pickle_of_another_file_is_refused(
    tmp_path: Path, change: Callable[[Path], None], mapped: bool
) -> None:
    path = write(tmp_path / "a.rrec")
    dataset = RecordDataset([write(tmp_path / "b.rrec"), path], mapped=mapped)
    pickled = pickle.dumps(dataset)
    assert len(pickle.loads(pickled)) == 2 * COUNT
    change(path)
    with pytest.raises(RecordFileChangedError, match=r"a\.rrec was written or replaced"):
        pickle.loads(pickled)
    with pytest.raises(RecordFileChangedError):
        pickle.loads(pickle.dumps(dataset))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_notices_that_the_path_leads_elsewhere(tmp_path: Path) -> None:
    path = write(tmp_path / "a.rrec")
    dataset = RecordDataset(path)
    replaced(path)
    child = os.fork()
    if child == 0:
        refused = 0
        for _ in range(2):
            try:
                dataset.read(0)
            except RecordFileChangedError:
                refused += 1
        os._exit(0 if refused == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert right(dataset.read(9), 9)  # here the old file is open still


LIMITED = """
import errno, os, resource, sys
from rumus.data import RecordDataset, RecordError, recover
path, what = sys.argv[1:]
if what == "files":
    limit, wanted = (resource.RLIMIT_NOFILE, 40), errno.EMFILE
    work = lambda: [RecordDataset(path) for _ in range(50)]
else:
    with open(path, "r+b") as file:
        size = os.path.getsize(path)
        tail = file.read()[-88:]
        file.truncate(4 << 30)
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    limit, wanted = (resource.RLIMIT_AS, used + (1 << 30)), errno.ENOMEM
    work = lambda: RecordDataset(path)
resource.setrlimit(limit[0], (limit[1], resource.getrlimit(limit[0])[1]))
try:
    work()
except OSError as error:
    assert not isinstance(error, RecordError) and error.errno == wanted, repr(error)
    assert path in str(error), error
else:
    raise AssertionError("no error")
"""


@LINUX
@pytest.mark.parametrize("what", ["files", "memory"])
def test_what_the_system_lacks_is_no_fault_of_the_file(tmp_path: Path, what: str) -> None:
    path = write(tmp_path / "a.rrec", count=3)
    command = [sys.executable, "-c", LIMITED, str(path), what]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFO")
@pytest.mark.parametrize("mapped", [True, False])
def test_a_fifo_and_a_device_are_refused_at_once(tmp_path: Path, mapped: bool) -> None:
    os.mkfifo(tmp_path / "a.rrec")
    for path in (tmp_path / "a.rrec", Path("/dev/null")):
        with pytest.raises(RecordFormatError, match="is no regular file"):
            RecordDataset(path, mapped=mapped)
