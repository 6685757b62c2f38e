"""The peers of benchmarks/data.py: each gives a function that runs one shuffled epoch.

A peer that is not installed gives None, and is said to be missing.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Epoch = Callable[[], Iterable[Any]]


def gather(x: Array, y: Array, batch_size: int) -> Epoch:
    """The limit: numpy's gather of every sample into one warm buffer, on one thread."""
    inputs = np.empty((batch_size, *x.shape[1:]), x.dtype)
    targets = np.empty(batch_size, y.dtype)
    epochs = iter(range(1 << 30))

    def epoch() -> Iterator[Any]:
        order = np.random.default_rng(next(epochs)).permutation(len(x))
        for start in range(0, len(x), batch_size):
            part = order[start : start + batch_size]
            np.take(x, part, axis=0, out=inputs[: len(part)], mode="clip")
            np.take(y, part, out=targets[: len(part)], mode="clip")
            yield inputs

    return epoch


def torch_items(dataset: Any, batch_size: int, workers: int) -> Epoch | None:
    """PyTorch's DataLoader over samples in memory, item by item."""
    try:
        from torch.utils.data import DataLoader
    except ImportError:
        return None
    return lambda: DataLoader(dataset, batch_size, shuffle=True, num_workers=workers)


def torch_tensors(x: Array, y: Array, batch_size: int, workers: int) -> Epoch | None:
    """PyTorch's DataLoader over its own TensorDataset."""
    try:
        import torch
        from torch.utils.data import TensorDataset
    except ImportError:
        return None
    dataset = TensorDataset(torch.from_numpy(np.asarray(x)), torch.from_numpy(y))
    return torch_items(dataset, batch_size, workers)


def torch_batches(x: Array, y: Array, batch_size: int) -> Epoch | None:
    """PyTorch's DataLoader over a data set with ``__getitems__``, its fastest path."""
    try:
        import torch
        from torch.utils.data import DataLoader
    except ImportError:
        return None
    inputs, targets = torch.from_numpy(np.asarray(x)), torch.from_numpy(y)

    class Batches:
        def __len__(self) -> int:
            return len(targets)

        def __getitems__(self, indices: list[int]) -> tuple[Any, Any]:
            rows = torch.tensor(indices)
            return inputs[rows], targets[rows]

    loader: Any = DataLoader(
        Batches(),  # type: ignore[arg-type]
        batch_size,
        shuffle=True,
        collate_fn=lambda batch: batch,
    )
    return lambda: loader


def write_array_record(path: Path, x: Array, y: Array) -> bool:
    """Write samples with ArrayRecord's writer; False if it is not installed."""
    try:
        from array_record.python.array_record_module import ArrayRecordWriter
    except ImportError:
        return False
    writer = ArrayRecordWriter(str(path), "group_size:1,uncompressed")
    for input, target in zip(x, y, strict=True):
        writer.write(input.tobytes() + target.tobytes())
    writer.close()
    return True


def array_record(path: Path, x: Array, y: Array, batch_size: int) -> Epoch | None:
    """ArrayRecord's reader, a batch of records in each call, stacked by numpy."""
    if not path.exists() and not write_array_record(path, x, y):
        return None
    from array_record.python.array_record_module import ArrayRecordReader

    reader = ArrayRecordReader(str(path), options="readahead_buffer_size:0")
    split = x[0].nbytes

    def epoch() -> Iterator[Any]:
        order = np.random.default_rng(0).permutation(len(x))
        for start in range(0, len(x), batch_size):
            records = reader.read(order[start : start + batch_size].tolist())
            yield (
                np.stack([np.frombuffer(r[:split], x.dtype).reshape(x.shape[1:]) for r in records]),
                np.stack([np.frombuffer(r[split:], y.dtype)[0] for r in records]),
            )

    return epoch


def webdataset(path: Path, x: Array, y: Array, batch_size: int) -> Epoch | None:
    """Webdataset over a tar file, shuffled within a buffer of 1,000 samples."""
    try:
        import webdataset as wds
    except ImportError:
        return None
    count = min(len(x), 20_000)
    if not path.exists():
        with tarfile.open(path, "w") as tar:
            for k in range(count):
                for suffix, data in (("x", x[k].tobytes()), ("y", y[k].tobytes())):
                    entry = tarfile.TarInfo(f"{k:08}.{suffix}")
                    entry.size = len(data)
                    tar.addfile(entry, io.BytesIO(data))

    def decoded(sample: dict[str, bytes]) -> tuple[Array, Any]:
        input = np.frombuffer(sample["x"], x.dtype).reshape(x.shape[1:])
        return input, np.frombuffer(sample["y"], y.dtype)[0]

    pipeline = wds.WebDataset(str(path), shardshuffle=False).shuffle(1000).map(decoded)
    return lambda: pipeline.batched(batch_size)


def missing() -> list[str]:
    """The peers that are not installed."""
    import importlib.util

    modules = ("torch", "ffcv", "array_record", "webdataset")
    return [name for name in modules if importlib.util.find_spec(name) is None]
