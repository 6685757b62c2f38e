"""The command line: curves, checkpoints, machines, and what it says of bad files."""

import json
import math
import shutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rumus import nn
from rumus.train import CsvLogger, JsonLinesLogger
from rumus.train._cli import main
from rumus.train._cli._sketch import fitting, sketch

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    folders = tmp_path / "slow", tmp_path / "fast"
    for folder, rate in zip(folders, (0.1, 0.5), strict=True):
        with JsonLinesLogger(folder / "metrics.jsonl") as logger:
            for step in range(1, 50):
                logger.log(step, {"epoch": step / 10, "loss": (1 - rate) ** (step / 10)})
        settings = {"lr": rate, "model": {"width": 64}}
        (folder / "settings.json").write_text(json.dumps(settings))
    return folders


def test_curves_are_drawn_on_the_same_axes(runs: Any, tmp_path: Path, capsys: Captured) -> None:
    pytest.importorskip("matplotlib")
    target = tmp_path / "pictures" / "curves.png"
    assert main(["plot", *map(str, runs), "--out", str(target)]) == 0
    said = capsys.readouterr().out
    assert "slow, last" in said and "fast, last" in said and "steps 1 to 49" in said
    assert "\N{BRAILLE PATTERN BLANK}" in said
    assert target.read_bytes().startswith(b"\x89PNG")
    assert main(["plot", str(runs[0]), "--names", "accuracy"]) == 1
    assert "no run has 'accuracy'; there are loss" in capsys.readouterr().err


def test_a_sketch_joins_its_points() -> None:
    rising = sketch([0, 10], [0.0, 1.0], (0, 10, 0.0, 1.0), width=4, height=2)
    assert rising == ["⠀⠀⡠⠊", "⡠⠊⠀⠀"]
    assert sketch([1], [math.nan], (0, 10, 0.0, 1.0), 2, 1) == ["⠀⠀"]
    assert fitting("⠀⡠⠊", "cp1252") == " **" and fitting("⠀⡠", "utf-8") == "⠀⡠"
    assert sketch([0, 5, 10], [0.0, math.nan, 0.0], (0, 10, 0.0, 1.0), 2, 1) == ["⣀⣀"]


def test_two_runs_stand_side_by_side(runs: Any, capsys: Captured) -> None:
    assert main(["compare", *map(str, runs)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["lr", "0.1", "0.5"] in lines
    assert not any(line[:1] == ["model.width"] for line in lines)
    (last,) = (line for line in lines if line[:2] == ["loss,", "last"])
    assert float(last[2]) == pytest.approx(0.9**4.9, rel=1e-5)
    assert float(last[3]) == pytest.approx(0.5**4.9, rel=1e-5)


def checkpoint(folder: Path) -> Path:
    """One in the form of the manifest, made by hand."""
    folder.mkdir(parents=True)
    data = np.arange(6, dtype="<f4").tobytes()
    (folder / "model.safetensors").write_bytes(data)
    entry = {"dtype": "float32", "shape": [2, 3], "parts": [["model.safetensors", 0, 24]]}
    manifest = {
        "format": 1,
        "progress": {"step": 12, "epoch": 1},
        "metrics": {"loss": 0.5},
        "files": {"model.safetensors": {"size": 24, "crc32": zlib.crc32(data)}},
        "arrays": {"model/weight": entry},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_checkpoint_tells_its_arrays(tmp_path: Path, capsys: Captured) -> None:
    folder = checkpoint(tmp_path / "run" / "step-00000012")
    assert main(["inspect", "--verify", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert "step 12, epoch 1" in said and "loss 0.5" in said and "checksums" in said
    assert ["model/weight", "float32", "2×3", "24", "model.safetensors+0"] in [
        line.split() for line in said.splitlines()
    ]
    file = folder / "model.safetensors"
    file.write_bytes(bytes(24))
    assert main(["inspect", str(folder)]) == 0
    assert main(["inspect", "--verify", str(folder)]) == 1
    file.write_bytes(bytes(20))
    assert main(["inspect", str(folder)]) == 1
    assert "DAMAGED: model.safetensors has 20 bytes of 24" in capsys.readouterr().out


def test_a_weight_file_tells_its_arrays(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "model.safetensors"
    nn.save_model(nn.Linear(3, 2), path, {"in_features": 3, "out_features": 2})
    assert main(["inspect", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path}: 2 arrays, 8 numbers, 32 bytes"
    assert ["bias", "F32", "2", "8"] in [line.split()[:4] for line in lines]
    assert any('"in_features": 3' in line for line in lines)
    path.write_bytes(b"\xff" * 40)
    assert main(["inspect", str(path)]) == 1
    assert "no safetensors file" in capsys.readouterr().err


def test_bad_files_are_named(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 1}\nnonsense\n{"step": 2}\n')
    assert main(["compare", str(tmp_path), str(tmp_path)]) == 1
    assert "metrics.jsonl, line 2" in capsys.readouterr().err
    assert main(["inspect", str(tmp_path / "nowhere")]) == 1
    assert main(["plot", str(tmp_path / "nowhere")]) == 1
    assert "nowhere does not exist" in capsys.readouterr().err
    (tmp_path / "notes.txt").write_text("step,loss\n1,2\n")
    assert main(["plot", str(tmp_path / "notes.txt")]) == 1
    assert "no folder of a run" in capsys.readouterr().err
    (tmp_path / "prices.csv").write_text("day,price\n1,2\n")
    assert main(["plot", str(tmp_path / "prices.csv")]) == 1
    assert "no column 'step'" in capsys.readouterr().err
    (tmp_path / "silent").mkdir()
    assert main(["plot", str(tmp_path / "silent")]) == 1
    assert 'Log(JsonLinesLogger("silent/metrics.jsonl")' in capsys.readouterr().err


def test_the_files_of_loggers_are_runs_too(tmp_path: Path, capsys: Captured) -> None:
    pytest.importorskip("matplotlib")
    with CsvLogger(tmp_path / "a.csv") as table, JsonLinesLogger(tmp_path / "b.jsonl") as lines:
        for step, loss in [(1, 4.0), (2, 2.0), (3, 1.0)]:
            table.log(step, {"loss": loss} if step < 3 else {"loss": loss, "val_loss": 5.0})
            lines.log(step, {"loss": 2 * loss})
    (tmp_path / "run").mkdir()
    shutil.copy(tmp_path / "a.csv", tmp_path / "run" / "metrics.csv")
    files = [str(tmp_path / name) for name in ("a.csv", "b.jsonl", "run")]
    assert main(["plot", *files]) == 0
    said = capsys.readouterr().out
    for line in ("loss: 1 to 8, steps 1 to 3", "a, last 1", "b, last 2", "run, last 1"):
        assert line in said
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert main(["compare", files[0], files[1]]) == 0
    assert "loss, highest" in capsys.readouterr().out


@pytest.mark.gpu
def test_the_doctor_tests_every_adapter(capsys: Captured) -> None:
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "nn.summary(model, example) says what a training step holds" in said
    assert "gpu:0" in said and "agree with the CPU" in said and "For a report" in said


@pytest.mark.gpu
def test_the_doctor_says_where_this_system_differs_from_others(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rumus.train._cli import _doctor

    def refused(*paths: object) -> None:
        raise PermissionError(13, "The process cannot access the file")

    monkeypatch.setenv("RUMUS_NUM_THREADS", "2")
    monkeypatch.setattr(_doctor.os, "replace", refused)  # as Windows does
    monkeypatch.setattr(_doctor, "CHECKS", {})
    main(["doctor"])
    said = capsys.readouterr().out
    for words in ("replacing a file that is open: no", "locks: yes", "processes start by"):
        assert words in said
    assert "Set in this environment: RUMUS_NUM_THREADS=2" in said


def test_the_doctor_sees_wrong_numbers(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    from rumus import tensor
    from rumus.train._cli import _doctor

    wrong = {"sums": lambda device: tensor.ones(3, device=device) * (1 + (device != "cpu"))}
    monkeypatch.setattr(_doctor, "CHECKS", wrong)
    assert main(["doctor"]) == 1
    assert "WRONG: sums: differs from the CPU by 0.5" in capsys.readouterr().out


def test_the_doctor_of_ranks_says_how_to_start_several(capsys: Captured) -> None:
    assert main(["doctor", "--mpi"]) == 1
    out, err = capsys.readouterr()
    assert "mpiexec" in out or "python -m pip install mpi4py" in err
