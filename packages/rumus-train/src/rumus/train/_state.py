"""All that a run depends on, as one state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._errors import CheckpointError
from ._means import Totals
from ._progress import Progress
from ._random_state import load_random_state, random_state
from ._run import Run


def run_state(run: Run) -> dict[str, Any]:
    """The state of a run between two batches; arrays in it may share the run's memory."""
    average = run.plan.average
    return {
        "progress": run.progress.state_dict(),
        "model": run.model.state_dict(),
        "optimizers": {name: o.state_dict() for name, o in run.optimizers.items()},
        "schedules": run.rates.state_dict(),
        "average": None if average is None else average.state_dict(),
        "window": run.window,
        "folds": {name: fold.state_dict() for name, fold in run.folds.items()},
        "position": run.position.state_dict(ended=run.epoch_is_over),
        "means": run.read().state_dict(),
        "epoch_start": run.epoch_start.state_dict(),
        "metrics": dict(run.metrics),
        "edge": run.open_edge,
        "validation": None if run.validation is None else run.validation.state_dict(),
        "callbacks": [{"class": type(c).__name__, "state": c.state_dict()} for c in _stateful(run)],
        "random": random_state(run.model),
    }


def load_run_state(run: Run, state: Mapping[str, Any]) -> None:
    """Go on where another run was.

    Raises:
        CheckpointError: It is of other optimizers or parts.
        StateDictError: It is of another model.
        OptimizerStateError: It is of other parameters.
        LoaderStateError: It is of other data.
    """
    _check(run, state)
    run.progress = Progress.from_state(state["progress"])
    run.model.load_state_dict(state["model"])
    for name, optimizer in run.optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
    run.rates.load_state_dict(state["schedules"])
    if run.plan.average is not None:
        run.plan.average.load_state_dict(state["average"])
    run.window = state["window"]
    for name, fold in run.folds.items():
        fold.load_state_dict(state["folds"][name])
    run.position.load_state_dict(state["position"])
    run.means.load(Totals.from_state(state["means"]))
    run.epoch_start = Totals.from_state(state["epoch_start"])
    run.metrics = dict(state["metrics"])
    run.open_edge = state["edge"]
    if run.validation is not None and state["validation"] is not None:
        run.validation.load_state_dict(state["validation"])
    left = list(state["callbacks"])
    for callback in _stateful(run):
        found = next((s for s in left if s["class"] == type(callback).__name__), None)
        if found is not None:  # one that was not there before begins
            left.remove(found)
            callback.load_state_dict(found["state"])
    load_random_state(run.model, state["random"])


def _check(run: Run, state: Mapping[str, Any]) -> None:
    """Raise for what differs by its kind."""
    pairs = (
        ("optimizers", sorted(state["optimizers"]), sorted(run.optimizers)),
        ("schedules", sorted(state["schedules"]), sorted(run.rates.schedules)),
        ("average", state["average"] is not None, run.plan.average is not None),
    )
    for name, there, here in pairs:
        if there != here:
            raise CheckpointError(f"the checkpoint's {name}: {there}; this run's: {here}")


def _stateful(run: Run) -> list[Any]:
    return [c for c in run.hooks.callbacks if hasattr(c, "state_dict")]
