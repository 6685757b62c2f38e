"""Interrupts at any line of a step, and at random, leave a process that trains on, rightly.

Run as a script, ``python tests/test_interrupts.py DEVICE CAPTURED SEED TRIALS``, it interrupts so
many steps by signals; with 0 trials it trains until it gets SIGINT, saves, and ends.
"""

import gc
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np
import pytest

import rumus.optim
import rumus.tensor
from rumus import gpu, nn
from rumus.optim import AdamW, clip_grad_norm_
from rumus.tensor import Tensor, manual_seed, tensor

OURS = tuple(
    str(Path(package.__file__ or "").parents[1]) for package in (rumus.tensor, rumus.optim)
)
Line = tuple[CodeType, int]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 5)).astype(np.float32)
Y = RNG.integers(0, 3, 6).astype(np.int32)


class Training:
    """A model, its optimizer and its step."""

    def __init__(self, device: str, captured: bool) -> None:
        manual_seed(0)
        self.device = device
        self.model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)).to(device)
        self.optimizer = AdamW(self.model.parameters(), lr=1e-2)
        self._run: Callable[[Tensor, Tensor], Tensor] = self._step
        if captured:
            self._run = gpu.capture(self._step)

    def _step(self, x: Tensor, y: Tensor) -> Tensor:
        loss = nn.cross_entropy_loss(self.model(x), y)
        grads = loss.backward()
        clip_grad_norm_(grads, self.optimizer.params, 1.0)
        self.optimizer.step(grads)
        return loss

    def step(self) -> float:
        """Upload, train, and read the loss."""
        x, y = tensor(X, device=self.device), tensor(Y, device=self.device)
        return self._run(x, y).item()

    def state(self) -> dict[str, Any]:
        """All parameters and the optimizer's state, on the host."""
        values = {name: value.numpy() for name, value in self.model.state_dict().items()}
        return {"model": values, "optimizer": self.optimizer.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self.model.load_state_dict({n: tensor(v) for n, v in state["model"].items()})
        self.optimizer.load_state_dict(state["optimizer"])


class Interrupter:
    """Raises ``KeyboardInterrupt`` where a line of ours begins for the first time."""

    def __init__(self, at: Line | None) -> None:
        self.at = at
        self.seen: dict[Line, None] = {}

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        line = frame.f_code, frame.f_lineno
        if event == "line" and line not in self.seen:
            self.seen[line] = None
            if line == self.at:
                raise KeyboardInterrupt
        return self


@contextmanager
def interrupted(at: Line | None) -> Iterator[Interrupter]:
    """Interrupt this thread at a line, or nowhere."""
    interrupter = Interrupter(at)
    sys.settrace(interrupter)
    try:
        yield interrupter
    finally:
        sys.settrace(None)


def in_another_thread(call: Callable[[], Any]) -> Any:
    """What a call gives there, which finds locks that were left behind."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(30)
    if not results or isinstance(results[0], BaseException):
        raise AssertionError("another thread hangs" if not results else repr(results[0]))
    return results[0]


def check(training: Training, twin: Training) -> None:
    """Train on, here and in another thread, and compare with a model that takes over all values."""
    state = in_another_thread(training.state)
    # Gradients that the traceback of the interrupt held lie outside of the arena; with those that
    # they leave no room, the sum of a norm has another order.
    gc.collect()
    twin.load(state)
    for step in (training.step, lambda: in_another_thread(training.step)):
        loss, expected = step(), twin.step()
        assert loss == expected, f"loss {loss}, expected {expected}"
    after, right = training.state()["model"], twin.state()["model"]
    wrong = [name for name in after if not np.array_equal(after[name], right[name])]
    assert not wrong, f"{wrong} differ"


def interrupt_by_signals(device: str, captured: bool, seed: int, trials: int) -> None:
    """Interrupt training steps at random moments, each followed by a check."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, interrupt)
    moments = random.Random(seed)
    twin = Training(device, captured=False)
    twin.step()
    for trial in range(trials):
        if trial % 10 == 0:
            training = Training(device, captured)
        try:
            # Again and again: Python drops what is raised inside of a finalizer.
            signal.setitimer(signal.ITIMER_REAL, moments.uniform(1e-4, 0.02), 0.05)
            while True:
                training.step()
        except KeyboardInterrupt:
            quiet = False
        while not quiet:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0)
                quiet = True
            except KeyboardInterrupt:
                continue
        check(training, twin)


def end_when_interrupted(device: str, captured: bool) -> None:
    """Train until Ctrl-C, save, and end while work is in flight."""
    training = Training(device, captured)
    training.step()
    x = tensor(X, device=device)
    try:
        print("training", flush=True)
        while True:
            training.step()
    except KeyboardInterrupt:
        training.state()
        print("saved", flush=True)
    for _ in range(300):
        x = x * 1.0


FEW = 20
"""Lines of a step that are tried, out of about a thousand, where not all of them are."""
DEVICES = [
    pytest.param("cpu", False, id="cpu"),
    pytest.param("gpu", False, id="gpu", marks=pytest.mark.gpu),
    pytest.param("gpu", True, id="gpu-captured", marks=pytest.mark.gpu),
]
swallowing = pytest.mark.filterwarnings(
    # Of an interrupt inside of a finalizer, with all that its traceback holds.
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore:a step is no longer captured:RuntimeWarning",
)


def interrupt_lines(device: str, captured: bool, steps: int, few: int | None) -> None:
    """Interrupt the step behind some others at lines of ours, one after the other."""
    twin = Training(device, captured=False)
    twin.step()

    def trained() -> Training:
        training = Training(device, captured)
        for _ in range(steps):
            training.step()
        return training

    gc.freeze()  # What is there before need not be looked through after each.
    training = trained()
    with interrupted(None) as tracer:
        training.step()
    lines = list(tracer.seen)
    if few is not None:
        lines = random.Random(0).sample(lines, few)
    for code, number in lines:
        if not steps:
            training = trained()
        try:
            with interrupted((code, number)):
                training.step()
        except KeyboardInterrupt:
            in_another_thread(training.state)
        try:
            check(training, twin)
        except AssertionError as error:
            place = f"{Path(code.co_filename).name}, line {number}, in {code.co_qualname}"
            raise AssertionError(f"after an interrupt in {place}: {error}") from error


@pytest.fixture(autouse=True)
def unfrozen() -> Iterator[None]:
    yield
    gc.unfreeze()


@swallowing
@pytest.mark.parametrize(("device", "captured"), DEVICES)
@pytest.mark.parametrize("steps", [0, 2])
def test_a_step_may_be_interrupted_at_lines(device: str, captured: bool, steps: int) -> None:
    interrupt_lines(device, captured, steps, FEW)


@swallowing
@pytest.mark.slow
@pytest.mark.parametrize(("device", "captured"), DEVICES)
@pytest.mark.parametrize("steps", [0, 2])
def test_a_step_may_be_interrupted_at_every_line(device: str, captured: bool, steps: int) -> None:
    interrupt_lines(device, captured, steps, None)


def script(device: str, captured: bool, seed: int, trials: int) -> subprocess.Popen[str]:
    arguments = [device, str(captured), str(seed), str(trials)]
    return subprocess.Popen(
        [sys.executable, "-X", "faulthandler", __file__, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("device", "captured"), DEVICES)
def test_signals_at_random_leave_nothing_behind(device: str, captured: bool) -> None:
    with script(device, captured, 1, 8) as process:
        _, complaints = process.communicate(timeout=100)
    assert process.returncode == 0, complaints


@pytest.mark.parametrize(("device", "captured"), DEVICES)
def test_a_process_saves_and_ends_after_ctrl_c(device: str, captured: bool) -> None:
    with script(device, captured, 0, 0) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "training\n"
        time.sleep(random.Random(device).uniform(0.0, 0.1))
        for _ in range(4):
            process.send_signal(signal.SIGINT)
            try:
                said, complaints = process.communicate(timeout=15)
                break
            except subprocess.TimeoutExpired:  # what is raised inside of a finalizer is dropped
                continue
        else:
            process.kill()
    assert said == "saved\n"
    assert process.returncode == 0, complaints


if __name__ == "__main__":
    device, captured = sys.argv[1], sys.argv[2] == "True"
    seed, trials = map(int, sys.argv[3:])
    if trials:
        interrupt_by_signals(device, captured, seed, trials)
    else:
        end_when_interrupted(device, captured)
