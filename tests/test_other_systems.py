"""Windows and macOS, where they differ from this system: what they do is simulated here.

Windows neither renames nor removes a file that is open, opens no folders, has no ``fcntl``, and
reads text in an encoding of its own unless told. Both start other processes by ``spawn``.
"""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rumus import nn
from rumus.data import (
    ArrayDataset,
    DataLoader,
    RecordDataset,
    RecordWriteError,
    RecordWriter,
    convert,
    recover,
)
from rumus.data._rrec import _partial, _recover, _sink
from rumus.nn import _whole_file
from rumus.optim import SGD
from rumus.tensor import Tensor
from rumus.train import CsvLogger, JsonLinesLogger, RunFolder, Trainer
from rumus.train._checkpoint import files, lock

ROOT = Path(__file__).parents[1]
SOURCES = sorted(ROOT.glob("packages/*/src"))
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="only Linux says which files are open"
)


class WindowsOs(types.ModuleType):
    """The module ``os``, with Windows' name."""

    name = "nt"

    def __getattr__(self, attribute: str) -> Any:
        if attribute in ("fdatasync", "register_at_fork", "preadv"):
            raise AttributeError(attribute)
        return getattr(os, attribute)


def is_open(path: str | os.PathLike[str]) -> bool:
    """Whether this process has a file open, or mapped."""
    whole = os.path.realpath(path)
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{number}") == whole:
                return True
        except OSError:
            continue
    return f" {whole}\n" in Path("/proc/self/maps").read_text("utf-8")


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files that are open be neither renamed nor removed, nor folders be opened."""

    def refusing(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*paths: Any, **options: Any) -> Any:
            for path in paths:
                if is_open(path):
                    raise PermissionError(13, "The process cannot access the file", str(path))
            return original(*paths, **options)

        return call

    opened = os.open

    def open_file(path: Any, *arguments: Any, **options: Any) -> int:
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    for name in ("replace", "rename", "remove", "unlink"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    monkeypatch.setattr(os, "open", open_file)
    monkeypatch.setattr("shutil._use_fd_functions", False)  # rmtree goes by paths there
    for module in (_sink, _partial, _recover, _whole_file, files):
        monkeypatch.setattr(module, "os", WindowsOs("os"))
    monkeypatch.setattr(_whole_file, "_lock", lambda file: None)
    for module in (_partial, _recover):
        monkeypatch.setattr(module, "lock_for_writing", lambda file: True)


@needs_proc
def test_record_files_are_written_replaced_and_recovered(tmp_path: Path, windows: None) -> None:
    path = tmp_path / "a.rrec"
    for size in (3, 5):
        with RecordWriter(path, overwrite=True) as writer:
            for k in range(size):
                writer.append(np.full(4, k, np.float32), k)
    assert len(RecordDataset(path)) == 5
    with pytest.raises(ZeroDivisionError), RecordWriter(tmp_path / "b.rrec") as writer:
        writer.append(1, 2)
        raise ZeroDivisionError
    assert recover(tmp_path / "b.rrec").records == 1
    assert len(RecordDataset(tmp_path / "b.rrec")) == 1
    np.save(tmp_path / "x.npy", np.zeros((4, 2)))
    assert convert(tmp_path / "x.npy", path, shards=1, overwrite=True).records == [4]
    assert sorted(os.listdir(tmp_path)) == ["a.rrec", "b.rrec", "x.npy"]


@needs_proc
def test_a_record_file_in_use_is_not_replaced_and_nothing_is_lost(
    tmp_path: Path, windows: None
) -> None:
    path = tmp_path / "a.rrec"
    with RecordWriter(path) as writer:
        writer.append(1, 2)
    reader: RecordDataset[Any] = RecordDataset(path)
    with (
        pytest.raises(RecordWriteError, match=r"cannot access the file; .*rumus-data recover"),
        RecordWriter(path, overwrite=True) as writer,
    ):
        writer.append(3, 4)
    assert reader.read(0)[0].item() == 1
    del reader
    assert recover(path).records == 1
    assert RecordDataset(path).read(0)[0].item() == 3


@needs_proc
def test_weights_are_replaced_whole(tmp_path: Path, windows: None) -> None:
    path = tmp_path / "a.safetensors"
    for _ in range(2):
        nn.save_file(nn.Linear(2, 2), path)
    assert os.listdir(tmp_path) == ["a.safetensors"]
    assert nn.load_file(path)["weight"].shape == (2, 2)


def loop(folder: Path, resume: bool, epochs: int) -> Trainer[SGD]:
    model = nn.Linear(2, 1)
    trainer = Trainer(SGD(model.parameters(), lr=0.1))
    data = ArrayDataset(np.ones((8, 2), np.float32), np.ones((8, 1), np.float32))
    trainer.fit(
        model,
        DataLoader(data, 4),
        nn.mse_loss,
        epochs=epochs,
        run=RunFolder(folder / "run", resume=resume),
    )
    return trainer


@needs_proc
def test_runs_are_saved_and_go_on(tmp_path: Path, windows: None) -> None:
    loop(tmp_path, False, 1)
    loop(tmp_path, True, 3)
    left = [name for name in os.listdir(tmp_path / "run") if name.endswith(".tmp")]
    assert not left
    for kind, name in ((JsonLinesLogger, "a.jsonl"), (CsvLogger, "a.csv")):
        logger = kind(tmp_path / name)
        for step in range(1, 4):
            logger.log(step, {"loss": 1.0})
        logger.resume(2)
        logger.log(3, {"loss": 2.0, "more": 1.0})
        logger.close()
        assert (tmp_path / name).read_text("utf-8").count("\n") >= 3


def test_a_run_folder_is_locked_by_a_byte_that_nobody_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: dict[tuple[int, int], int] = {}

    def locking(descriptor: int, mode: int, length: int) -> None:
        place = os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR)
        if place in held:
            raise OSError(36, "Resource deadlock avoided")
        held[place] = descriptor

    fake = types.ModuleType("msvcrt")
    fake.locking, fake.LK_NBLCK = locking, 2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "msvcrt", fake)
    source = Path(lock.__file__).read_text("utf-8").replace('os.name == "nt"', "True")
    module: dict[str, Any] = {
        "__name__": "rumus.train._checkpoint.lock",
        "__package__": "rumus.train._checkpoint",
    }
    exec(compile(source, lock.__file__, "exec"), module)
    first = module["FolderLock"](tmp_path)
    assert all(place >= 1 << 20 for _, place in held)
    with pytest.raises(module["RunFolderError"], match=f"of process {os.getpid()}"):
        module["FolderLock"](tmp_path)
    held.clear()
    first.release()
    module["FolderLock"](tmp_path).release()


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_every_module_is_imported_without_what_only_linux_has(platform: str) -> None:
    names = [
        ".".join(file.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
        for source in SOURCES
        for file in source.rglob("*.py")
    ]
    lacking = ("fcntl", "resource", "pwd", "grp", "termios") if platform == "win32" else ()
    code = f"""
import asyncio, ctypes, inspect, multiprocessing, os, subprocess, sys, tempfile, threading
import numpy, numpy.testing, pathlib, wgpu
for name in ("PIL.Image", "rich.console", "rich.progress", "matplotlib.figure", "pyarrow"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        pass
from importlib import import_module
for name in {lacking!r}:
    sys.modules[name] = None
for name in ("register_at_fork", "fdatasync", "preadv", "sched_getaffinity", "fork"):
    if {platform!r} == "win32" or name in ("fdatasync", "preadv", "sched_getaffinity"):
        vars(os).pop(name, None)
sys.platform = {platform!r}
for name in {names!r}:
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        if not str(error.name).startswith(("tensorboard", "matplotlib", "wgpudawn", "pyarrow")):
            raise
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def text_without_encoding(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls that read or write text in an encoding that each system chooses for itself."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(k.arg == "encoding" for k in node.keywords):
            continue
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        strings = [a.value for a in node.args if isinstance(a, ast.Constant)]
        if (name == "read_text" and not node.args) or (name == "write_text" and len(node.args) < 2):
            yield node
        plain = isinstance(function, ast.Name) or (
            isinstance(function, ast.Attribute) and isinstance(function.value, ast.Attribute)
        )
        of_mode = [s for s in strings if isinstance(s, str) and set(s) <= set("rwxabt+")]
        if name == "open" and plain and not any("b" in mode for mode in of_mode):
            yield node


def test_text_is_utf_8_on_every_system() -> None:
    ours = [file for source in SOURCES for file in source.rglob("*.py")]
    assert len(ours) > 400
    bare = [
        f"{file}:{call.lineno}"
        for file in ours
        for call in text_without_encoding(ast.parse(file.read_text("utf-8")))
    ]
    assert not bare


def test_shaders_have_letters_that_windows_own_encoding_does_not_know() -> None:
    texts = [file.read_bytes() for file in (ROOT / "shaders").rglob("*.wgsl")]
    with pytest.raises(UnicodeDecodeError):  # why an encoding must be named
        for text in texts:
            text.decode("cp1252")


def test_no_kernel_stores_a_part_of_a_vector_that_another_invocation_writes_to() -> None:
    """Metal and D3D may read the whole vector, change the part and write all of it back."""
    found = []
    for path in sorted((ROOT / "shaders").rglob("*.wgsl")):
        text = re.sub("//.*", "", path.read_text(encoding="utf-8"))
        for name in re.findall(r"var<(?:workgroup|storage, read_write)> (\w+): array<vec\d<", text):
            part = rf"\b{name}\[[^;=]*\](?:\[[^;=\]]*\]|\.[xyzw]+)\s*[-+*/|&^]?=(?!=)"
            found += [f"{path.name}: {match}" for match in re.findall(part, text)]
    assert not found


SPAWNS = """
import multiprocessing

from rumus.data import DataLoader, RecordDataset


def total(loader, queue):
    queue.put([batch.input.sum().item() for batch in loader])


if __name__ == "__main__":
    loader = DataLoader(RecordDataset("a.rrec"), 2, shuffle=True, num_workers=1)
    expected = [batch.input.sum().item() for batch in loader]
    loader.set_epoch(0)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=total, args=(loader, queue))
    process.start()
    print(queue.get(timeout=120) == expected)
    process.join(60)
    print(process.exitcode)
"""


def test_loaders_go_to_processes_that_are_spawned(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "a.rrec") as writer:
        writer.append_batch(np.arange(12, dtype=np.float32).reshape(6, 2), np.arange(6))
    (tmp_path / "spawns.py").write_text(SPAWNS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "spawns.py"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=200,
        check=False,
    )
    assert done.stdout.split() == ["True", "0"], done.stderr


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="stands for a signal of Windows")
def test_ctrl_break_ends_a_run_as_ctrl_c_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR1, raising=False)
    model = nn.Linear(2, 1)
    data = ArrayDataset(np.ones((8, 2), np.float32), np.ones((8, 1), np.float32))

    def loss(output: Tensor, target: Tensor) -> Tensor:
        signal.raise_signal(signal.SIGUSR1)
        return nn.mse_loss(output, target)

    trainer = Trainer(SGD(model.parameters(), lr=0.1))
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(model, DataLoader(data, 8), loss, epochs=9, run=RunFolder(tmp_path / "run"))
    assert list((tmp_path / "run").glob("step-*"))


@pytest.mark.skipif(sys.platform == "win32", reason="macOS has fcntl")
@pytest.mark.parametrize("refused", [False, True])
def test_files_on_macos_go_past_the_cache_of_the_drive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    import fcntl

    asked: list[int] = []
    synced: list[int] = []

    def control(descriptor: int, command: int, *rest: Any) -> int:
        asked.append(command)
        if refused:
            raise OSError(25, "Inappropriate ioctl for device")
        return 0

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", control)
    monkeypatch.setattr(os, "fsync", synced.append)
    with RecordWriter(tmp_path / "a.rrec") as writer:
        writer.append(1, 2)
    nn.save_file(nn.Linear(2, 2), tmp_path / "a.safetensors")
    files.write_json(tmp_path / "a.json", {})
    assert asked == [51] * 3
    assert len(synced) >= (3 if refused else 0)


@pytest.mark.parametrize("kind", [CsvLogger, JsonLinesLogger])
def test_a_logger_that_other_processes_make_too_is_in_nobodys_way(
    tmp_path: Path, windows: None, kind: Callable[[Path], Any]
) -> None:
    path = tmp_path / "metrics"
    with kind(path), kind(path) as logger:  # as the first and another process do
        logger.resume(0)
        logger.log(1, {"loss": 0.5})
        logger.resume(1)
    assert "0.5" in path.read_text("utf-8")
