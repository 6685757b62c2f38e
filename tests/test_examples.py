"""The examples run as a new user starts them, at their small size, and learn something by it.

What they reach at their full size is in docs/gallery.md.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples"
# What one prints, and which numbers there say that it has learned
LEARNED: dict[str, tuple[str, Callable[[list[float]], bool]]] = {
    "char_gpt": (r"(\S+) nats", lambda nats: nats[-1] < min(nats[0], 4.0)),
    "digits_cnn": (r"median (\S+)%", lambda share: share[0] > 70),
    "fine_tune": (r": (\S+)% of", lambda shares: shares[0] > shares[1]),
    "forecast": (r"RMSE (\S+) .* by (\S+)", lambda errors: errors[0] < errors[1] < 1),
    "many": (r"loss (\S+),", lambda losses: losses[-1] < 0.95 * losses[0]),
    "tabular": (r"RMSE (\S+) on .* by (\S+)", lambda errors: errors[0] < 0.5 * errors[1]),
    "vae": (r"held out (\S+)", lambda nats: nats[-1] < 130),
    "wgan_gp": (r"(\S+)% of the points", lambda shares: shares[-1] > shares[0] + 1),
}
# A software adapter takes a minute for the LSTM and for the GPT
SLOWER_ON_GPU = ("digits_cnn", "fine_tune", "vae", "wgan_gp")
WITHOUT_MATPLOTLIB = """
import runpy, sys
sys.modules["matplotlib"] = None
sys.path.insert(0, sys.argv[1])
name = sys.argv[2]
del sys.argv[1:3]
runpy.run_path(name, run_name="__main__")
"""


def run(*arguments: object, out: Path) -> str:
    options = [sys.executable, *map(str, arguments), "--small", "--out", str(out)]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        options, cwd=out, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers(pattern: str, text: str) -> list[float]:
    found = re.findall(pattern, text)
    return [
        float(number)
        for match in found
        for number in ([match] if isinstance(match, str) else match)
    ]


def check(name: str, device: str, out: Path) -> None:
    printed = run(FOLDER / f"{name}.py", "--device", device, out=out)
    pattern, learned = LEARNED[name]
    found = numbers(pattern, printed)
    assert found, printed
    assert learned(found), printed
    assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", sorted(LEARNED))
def test_an_example_learns_and_leaves_its_picture(name: str, tmp_path: Path) -> None:
    check(name, "cpu", tmp_path)


@pytest.mark.gpu
@pytest.mark.parametrize(
    "name", ["tabular", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOWER_ON_GPU)]
)
def test_an_example_learns_on_the_gpu_in_captured_steps(name: str, tmp_path: Path) -> None:
    check(name, "gpu", tmp_path)


def test_an_example_trains_without_matplotlib_and_says_what_to_install(tmp_path: Path) -> None:
    example = FOLDER / "tabular.py"
    printed = run("-c", WITHOUT_MATPLOTLIB, FOLDER, example, "--device", "cpu", out=tmp_path)
    assert "python3 -m pip install matplotlib" in printed
    assert numbers(r"RMSE (\S+) on", printed)
    assert not list(tmp_path.glob("*.png"))


def test_a_checkpoint_that_is_given_is_taken(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    run(FOLDER / "fine_tune.py", "--device", "cpu", out=first)
    given = first / "pretrained.safetensors"
    printed = run(FOLDER / "fine_tune.py", "--device", "cpu", "--checkpoint", given, out=second)
    assert "mismatched: fc.weight, fc.bias" in printed
    assert not (second / "pretrained.safetensors").exists()


def test_every_example_is_tested_short_and_shown_in_the_gallery() -> None:
    scripts = {path.stem: path for path in FOLDER.glob("[!_]*.py") if path.stem != "digits"}
    assert sorted(scripts) == sorted(LEARNED)
    gallery = (ROOT / "docs" / "gallery.md").read_text("utf-8")
    readme = (ROOT / "README.md").read_text("utf-8")
    for name, path in scripts.items():
        assert len(path.read_text("utf-8").splitlines()) < 150, name
        assert f"examples/{name}.py" in gallery
        assert f"examples/{name}.py" in readme
