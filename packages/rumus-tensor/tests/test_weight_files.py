"""Files of weights that no array can hold, and what saves that were killed leave behind."""

import errno
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from rumus import nn
from rumus.tensor import StateDictError, Tensor, ones, zeros


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
        with pytest.raises(FileExistsError, match="device or a pipe"):
            nn.save_file(nn.Linear(1, 1), tmp_path / "fifo")
        assert (tmp_path / "fifo").is_fifo()
    with pytest.raises(IsADirectoryError, match="give a file's name in it"):
        nn.save_file(nn.Linear(1, 1), tmp_path)


def test_a_full_disk_is_named_with_the_file_which_stays(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    nn.save_file(nn.Linear(2, 1), path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.safetensors'"):
        nn.save_file(nn.Linear(4, 4), path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


def test_a_file_that_is_cut_short_says_so(tmp_path):
    nn.save_file(nn.Linear(4, 2), tmp_path / "whole")
    whole, path = (tmp_path / "whole").read_bytes(), tmp_path / "part"
    for count, message in (
        (len(whole) - 3, f"cut short: {len(whole) - 3} of {len(whole)} bytes"),
        (50, "cut short, at 50 bytes"),
        (9, "cut short, at 9 bytes"),
        (0, "it is empty"),
    ):
        path.write_bytes(whole[:count])
        with pytest.raises(StateDictError, match=f"no safetensors file: .*{message}"):
            nn.load_file(path)
    for text, message in (
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git lfs pull"),
        (b"hello, this is a text", "no safetensors file"),
        ((2).to_bytes(8, "little") + b"{}more", "no safetensors file"),
        ((9).to_bytes(8, "little") + b'{"a": {}}', "no safetensors file"),
    ):
        path.write_bytes(text)
        with pytest.raises(StateDictError, match=message):
            nn.load_file(path)


@pytest.mark.parametrize(
    ("dtype", "numbers"),
    [
        ("F8_E4M3", {0x00: 0.0, 0x01: 2**-9, 0x08: 2**-6, 0x38: 1.0, 0x7E: 448.0, 0xB8: -1.0}),
        ("F8_E5M2", {0x00: 0.0, 0x01: 2**-16, 0x3C: 1.0, 0x7B: 57344.0, 0x7C: np.inf, 0xBC: -1.0}),
    ],
)
def test_floats_of_one_byte_become_float32(tmp_path, dtype, numbers):
    state = nn.load_file(written(tmp_path / "x", dtype, [len(numbers)], bytes(numbers)))
    assert state["a"].dtype == np.float32
    assert state["a"].tolist() == list(numbers.values())
    wrong = nn.load_file(written(tmp_path / "x", dtype, [2], b"\x7f\xff"))
    assert np.isnan(wrong["a"].numpy()).all()


def test_the_parts_of_a_model_are_read_through_their_index(tmp_path, device):
    nn.save_file({"a": ones(2), "other": zeros(1)}, tmp_path / "m-1-of-2.safetensors")
    nn.save_file({"b": zeros(3)}, tmp_path / "m-2-of-2.safetensors")
    places = {"b": "m-2-of-2.safetensors", "a": "m-1-of-2.safetensors"}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 20}, "weight_map": places}))
    state = nn.load_file(index, device)
    assert sorted(state) == ["a", "b"] and state["a"].device.kind == device
    assert state["a"].tolist() == [1, 1] and state["b"].shape == (3,)
    index.write_text(json.dumps({"weight_map": {"c": "m-1-of-2.safetensors"}}))
    with pytest.raises(StateDictError, match=r"m-1-of-2\.safetensors does not hold c"):
        nn.load_file(index)
    index.write_text(json.dumps({"weight_map": {"c": "m-3-of-2.safetensors"}}))
    with pytest.raises(FileNotFoundError):
        nn.load_file(index)
    for text in ("no json", "[]", "{}", '{"weight_map": []}'):
        index.write_text(text)
        with pytest.raises(StateDictError, match="is no index of weights"):
            nn.load_file(index)


def test_a_pickled_checkpoint_is_refused_with_how_to_convert_it(tmp_path):
    import pickle
    import zipfile

    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    (tmp_path / "model.bin").write_bytes(pickle.dumps({"a": 1}, protocol=2))
    for name in ("model.pt", "model.bin"):
        with pytest.raises(StateDictError, match=r"pickled checkpoint.*torch\.load"):
            nn.load_file(tmp_path / name)
    (tmp_path / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(StateDictError, match="HDF5 file"):
        nn.load_file(tmp_path / "model.h5")


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
