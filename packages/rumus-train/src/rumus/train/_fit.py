"""The loop of ``Trainer.fit``. What each name does is in ``_run.py``, under the same name."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ._errors import EmptyEpochError, NonFiniteError
from ._events import Event
from ._run import Run
from ._run_folder import RunFolder, log_of, open_folder
from ._saves import NoSaves, saves_of
from ._state import load_run_state


def fit(run: Run, folder: RunFolder | None, settings: Mapping[str, Any]) -> None:
    """Run to the end, from the beginning or from the newest checkpoint."""
    opened = open_folder(folder, settings, run) if folder is not None else None
    saves: NoSaves = NoSaves()
    if folder is not None and opened is not None:
        saves = saves_of(run, opened.root, folder)
    try:
        if opened is not None and opened.state is not None:
            load_run_state(run, opened.state)
            saves.loaded(run)
        run.begin_together(settings)
        run.is_writing = saves.is_writing
        with run.interrupts, log_of(run, opened):
            try:
                loop(run, saves)
            except BaseException as error:
                leave(run, saves, error)
                raise
    finally:
        run.plan.step.release()
        if opened is not None:
            opened.release()


def loop(run: Run, saves: NoSaves) -> None:
    """The loop; :class:`Event` says where callbacks run in it."""
    run.emit(Event.FIT_START)
    run.agree()
    if run.open_edge is not None:  # the checkpoint was taken within an edge
        edge(run, saves, run.open_edge["epoch_ended"])
    while not run.is_over():
        if run.progress.batch == 0:
            run.emit(Event.EPOCH_START)
        for batch in run.epoch():
            if run.window == 0:
                run.emit(Event.STEP_START)
            run.train(batch)
            if run.window == run.plan.accumulate:
                step(run, saves)
                if run.is_over() and not run.is_last_batch():
                    break
            if run.shared is None:  # several processes agree between two steps
                look_at_signals(run, saves)
        else:
            if run.progress.batch == 0:
                raise EmptyEpochError("the loader gave no batch in an epoch: it is empty")
            if run.window:  # the last step of an epoch may have fewer batches
                step(run, saves)
            edge(run, saves, epoch_ended=True)
    saves.save(run)
    saves.wait()
    run.end_together()
    run.emit(Event.FIT_END)
    look_at_signals(run, saves)


def step(run: Run, saves: NoSaves) -> None:
    """The update, and the edge behind it."""
    run.finish_step()
    run.begin_edge(epoch_ended=False)
    run.emit(Event.STEP_END)
    edge(run, saves, epoch_ended=False)


def edge(run: Run, saves: NoSaves, epoch_ended: bool) -> None:
    """What happens between two steps, or between two epochs.

    ``validate_if_due`` has the events of a validation, ``finish_epoch`` that of an epoch's end, and
    ``save`` that of a checkpoint.
    """
    run.begin_edge(epoch_ended)
    is_due = saves.is_due(run, epoch_ended)
    if run.validate_if_due(epoch_ended):
        if epoch_ended:
            run.finish_epoch()
        run.open_edge = None
        if is_due:
            saves.save(run)
    look_at_signals(run, saves)


def look_at_signals(run: Run, saves: NoSaves) -> None:
    """After SIGTERM or Ctrl-C, on this process or another: save, and end as it asks for."""
    run.agree()
    saves.agreed(run)
    if run.edge.signal:
        saves.save(run)
        saves.wait()
        run.end_together()
        run.interrupts.leave(run.edge.signal, saves.told(run))


def leave(run: Run, saves: NoSaves, error: BaseException) -> None:
    """Save what a callback's exception has left whole, and tell the callbacks.

    An exception within a step leaves a state that no undisturbed run has, which is not saved; nor
    are weights that are not finite.
    """
    run.exception = error
    try:
        is_whole = run.hook_failed and not isinstance(error, NonFiniteError)
        if run.shared is not None and run.shared.shards.group.size > 1:
            saves.abandon()
        elif is_whole and run.progress.samples:
            saves.save(run)
        saves.wait()
    except Exception as other:
        error.add_note(f"and the checkpoint could not be written: {other}")
    with suppress(Exception):
        run.emit(Event.EXCEPTION)
