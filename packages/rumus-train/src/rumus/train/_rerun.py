"""Steps of a run once more, to see which operation made a number that is not finite."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from rumus.autograd import detect_anomaly
from rumus.tensor import AutogradError

from ._run import Run
from ._state import load_run_state


def find_anomaly(run: Run, state: Mapping[str, Any], step: int) -> str:
    """What was not finite first, when the run goes on from an earlier state of its epoch.

    Steps are the same to the bit, but not captured. The last two are looked at: a gradient that is
    not finite shows in the loss of the step behind it. Callbacks are not called.

    Args:
        run: Its model and optimizers are left in front of what was found.
        state: Of this epoch.
        step: The last one to run.

    Returns:
        The operation and the line; nothing if a signal came in between, or with shards, where one
        process alone would find it and the others wait.
    """
    if run.shared is not None:
        return ""
    plan, progress = run.plan, run.progress
    load_run_state(run, {**state, "callbacks": []})
    run.plan = replace(plan, step=plan.step.uncaptured())
    try:
        for batch in run.epoch():
            if run.interrupts.pending is not None:
                return ""
            if run.progress.step >= step:
                break
            with detect_anomaly() if run.progress.step + 2 >= step else nullcontext():
                run.train(batch)
                if run.window == plan.accumulate or run.is_last_batch():
                    run.finish_step()
    except AutogradError as error:
        return str(error).removeprefix("detect_anomaly: ")
    finally:
        run.plan, run.progress = plan, progress
    return (
        "run again, no operation of it and of the step before gave such a number, so that what the "
        "step computes depends on more than the run's state, or the update itself was too large"
    )
