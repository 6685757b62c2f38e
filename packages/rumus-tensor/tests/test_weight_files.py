"""Files of weights that no array can hold, and what saves that were killed leave behind."""

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from rumus import nn
from rumus.tensor import StateDictError, Tensor


def written(path, dtype, shape, data):
    """A file as the format describes it, with one tensor."""
    entry = {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}
    header = json.dumps({"a": entry}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


@pytest.mark.parametrize("shape", [[1] * 65, [1] * 200, [2**63, 0], [0, 2**62], [2**64 - 1, 0]])
def test_shapes_that_no_array_has_are_refused_by_name(tmp_path, shape):
    path = written(tmp_path / "x.st", "F32", shape, bytes(0 if 0 in shape else 4))
    with pytest.raises(StateDictError, match=r"x\.st: 'a' is no array"):
        nn.load_file(path)


@pytest.mark.parametrize("wrong", [2, 3, 128, 255])
def test_a_bool_that_is_neither_0_nor_1_is_refused(tmp_path, wrong):
    path = written(tmp_path / "x", "BOOL", [3], bytes([0, 1, 1]))
    assert nn.load_file(path)["a"].tolist() == [False, True, True]
    with pytest.raises(StateDictError, match=f"'a' is no array: a byte of it is {wrong}"):
        nn.load_file(written(path, "BOOL", [3], bytes([0, wrong, 1])))


def test_what_is_no_file_is_refused_at_once(tmp_path):
    with pytest.raises(StateDictError, match="is a folder"):
        nn.load_file(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises(StateDictError, match="no file"):
            nn.load_file(tmp_path / "fifo")


LIMITED = """
import errno, resource, sys
from rumus import nn
resource.setrlimit(resource.RLIMIT_NOFILE, (30, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
others = []
try:
    while True:
        others.append(open("/dev/null"))
except OSError:
    pass
try:
    nn.load_file(sys.argv[1])
except OSError as error:
    assert error.errno == errno.EMFILE, repr(error)
else:
    raise AssertionError("no error")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the open files by POSIX means")
def test_a_file_that_the_system_cannot_open_is_not_called_missing(tmp_path):
    nn.save_file({"a": Tensor([1.0])}, tmp_path / "x")
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "x")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


KILLED = """
import os, signal, sys
from rumus import nn
from rumus.tensor import ones
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
nn.save_file({"a": ones(1000)}, sys.argv[1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills by a POSIX signal")
def test_what_a_killed_save_leaves_is_removed_by_the_next(tmp_path):
    path = tmp_path / "model.safetensors"
    nn.save_file({"a": Tensor([1.0])}, path)
    other = tmp_path / ".other.safetensors.0123abcd.tmp"
    other.write_bytes(b"of another save")
    for _ in range(2):
        subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
        assert len(os.listdir(tmp_path)) == 3
        assert nn.load_file(path)["a"].tolist() == [1.0]
    nn.save_file({"a": Tensor([2.0])}, path)
    assert sorted(os.listdir(tmp_path)) == [other.name, path.name]
    assert nn.load_file(path)["a"].tolist() == [2.0]


def test_saves_to_one_path_at_once_give_the_file_of_one_of_them(tmp_path):
    path = tmp_path / "model.safetensors"
    errors = []

    def save(number):
        try:
            for _ in range(10):
                nn.save_file({"a": Tensor(np.full(5000, number, np.float32))}, path)
                values = nn.load_file(path)["a"].numpy()
                assert (values == values[0]).all()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=save, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert os.listdir(tmp_path) == [path.name]
