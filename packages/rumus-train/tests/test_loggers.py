"""Sinks: what they write is read by others' readers, also after a run that went on."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rumus import tensor
from rumus.tensor import ArgumentError
from rumus.train import CsvLogger, JsonLinesLogger, MissingExtraError, TensorBoardLogger
from rumus.train._loggers._sink import pixels


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_lines_are_strict_json_also_of_what_is_not_finite(tmp_path: Path) -> None:
    path = tmp_path / "run" / "metrics.jsonl"
    with JsonLinesLogger(path) as logger:
        logger.log(1, {"loss": 0.5, "epoch": 0})
        logger.log(2, {"loss": math.nan})

    def refuse(name: str) -> float:
        raise AssertionError(name)

    assert path.read_text().splitlines()[0] == '{"step": 1, "loss": 0.5, "epoch": 0}'
    lines = [json.loads(line, parse_constant=refuse) for line in path.read_text().splitlines()]
    assert lines == [{"step": 1, "loss": 0.5, "epoch": 0.0}, {"step": 2, "loss": "nan"}]


def test_a_line_that_was_cut_off_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 1.0}\n{"step": 2, "lo')
    with JsonLinesLogger(path) as logger:
        logger.log(2, {"loss": 2.0})
    assert path.read_text() == '{"step": 1, "loss": 1.0}\n{"step": 2, "loss": 2.0}\n'


def test_a_run_that_goes_on_forgets_later_steps(tmp_path: Path) -> None:
    lines, table = tmp_path / "m.jsonl", tmp_path / "m.csv"
    for logger in JsonLinesLogger(lines), CsvLogger(table):
        for step in range(1, 5):
            logger.log(step, {"loss": float(step)})
        logger.resume(2)
        logger.log(3, {"loss": 30.0})
        logger.close()
    assert [json.loads(line)["loss"] for line in lines.read_text().splitlines()] == [1, 2, 30]
    assert [row["loss"] for row in rows(table)] == ["1.0", "2.0", "30.0"]


def test_a_table_gets_columns_as_names_come(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    with CsvLogger(path) as logger:
        logger.log(1, {"loss": 0.25})
        logger.log(2, {"loss": 0.5, "val, loss": 3.0})
    with CsvLogger(path) as logger:
        logger.log(3, {"val, loss": 2.0})
    assert rows(path) == [
        {"step": "1", "loss": "0.25", "val, loss": ""},
        {"step": "2", "loss": "0.5", "val, loss": "3.0"},
        {"step": "3", "loss": "", "val, loss": "2.0"},
    ]


def test_tensors_are_refused_for_reading_them_waits(tmp_path: Path) -> None:
    with CsvLogger(tmp_path / "m.csv") as logger:
        with pytest.raises(ArgumentError, match=r"item\(\) reads it"):
            logger.log(1, {"loss": tensor.tensor(1.0)})  # type: ignore[dict-item]


def test_a_tensorboard_logger_makes_a_file_when_there_is_something_to_write(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    with TensorBoardLogger(tmp_path / "idle") as logger:
        logger.resume(0)
        logger.flush()
    assert not (tmp_path / "idle").exists()
    with TensorBoardLogger(tmp_path / "busy") as logger:
        logger.resume(4)
        logger.log(5, {"loss": 1.0})
    assert len(list((tmp_path / "busy").iterdir())) == 1


def test_tensorboards_own_reader_finds_everything(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with TensorBoardLogger(tmp_path) as logger:
        for step in (1, 2, 3):
            logger.log(step, {"loss": 1.0 / step})
        logger.image(1, "picture", np.zeros((4, 5), np.float32))
        logger.histogram(1, "weights", tensor.tensor([1.0, 2.0, math.inf]))
        logger.text(1, "note", "hello")
        logger.resume(2)
        logger.log(3, {"loss": 7.0})
    found: Any = reading.EventAccumulator(str(tmp_path))
    found.Reload()
    scalars = {event.step: event.value for event in found.Scalars("loss")}
    assert scalars == pytest.approx({1: 1.0, 2: 0.5, 3: 7.0})
    assert (found.Images("picture")[0].height, found.Images("picture")[0].width) == (4, 5)
    assert found.Histograms("weights")[0].histogram_value.num == 2
    assert found.Tags()["tensors"] == ["note/text_summary"]


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(MissingExtraError, match=r"rumus-train\[tensorboard\]"):
        TensorBoardLogger("nowhere")


@pytest.mark.parametrize("kind", ["uint8", "int32", "float32"])
def test_a_picture_is_the_same_with_channels_first_or_last(kind: str) -> None:
    image = np.arange(6 * 5 * 3).reshape(6, 5, 3) * 2
    given = (image / np.float32(255)).astype(kind) if kind == "float32" else image.astype(kind)
    for picture in (given, given.transpose(2, 0, 1), tensor.tensor(given.transpose(2, 0, 1))):
        np.testing.assert_array_equal(pixels(picture), image)
    assert pixels(given[..., 0]).shape == (6, 5, 1)
    with pytest.raises(ArgumentError, match=r"last or first, not \(6, 5, 7\)"):
        pixels(np.zeros((6, 5, 7)))
