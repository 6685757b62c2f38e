"""Locks, claims and values of a thread are over with the function that took them."""

import sys
import threading
import time
from collections.abc import Callable

import pytest

from rumus._core.frames import Claim, Scoped, caller, is_over
from rumus.tensor import FrameLock, is_grad_enabled, no_grad


def abandoned(lock: FrameLock) -> BaseException:
    """Leave a lock as an interrupt behind the block does, and keep the traceback."""
    try:
        take(lock)
    except KeyboardInterrupt as error:
        return error
    raise AssertionError


def take(lock: FrameLock) -> None:
    lock.__enter__()
    raise KeyboardInterrupt


def elsewhere(call: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread


def test_only_one_thread_at_a_time_holds_the_lock() -> None:
    lock, inside, most = FrameLock(), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(200):
            with lock:
                inside += 1
                most = max(most, inside)
                time.sleep(0)
                inside -= 1

    threads = [elsewhere(work) for _ in range(4)]
    for thread in threads:
        thread.join(30)
    assert (inside, most) == (0, 1)


def test_a_lock_that_was_left_behind_is_free_for_this_thread_and_others() -> None:
    lock = FrameLock()
    for _ in range(3):
        error = abandoned(lock)
        with lock:
            pass
        error = abandoned(lock)
        thread = elsewhere(lambda: lock.__enter__())
        thread.join(10)
        assert not thread.is_alive()
        del error


def test_a_lock_may_be_taken_again_by_who_holds_it() -> None:
    lock = FrameLock()
    with lock:
        with lock:
            pass
        thread = elsewhere(lambda: lock.__enter__())
        thread.join(0.05)
        assert thread.is_alive()
    thread.join(10)
    assert not thread.is_alive()


def test_a_claim_is_over_with_its_function_or_before() -> None:
    def claimed() -> Claim:
        claim = Claim(sys._getframe())
        assert not claim.is_over()
        return claim

    assert claimed().is_over()
    claim = Claim(sys._getframe())
    assert not claim.is_over()
    claim.end()
    assert claim.is_over()


def test_generators_are_never_over() -> None:
    def generate() -> object:
        yield sys._getframe()
        yield 1

    generator = generate()
    frame = next(generator)  # type: ignore[call-overload]
    assert not is_over(frame)
    assert next(generator) == 1  # type: ignore[call-overload]


def test_a_value_of_the_thread_is_over_with_its_function() -> None:
    scoped: Scoped[str] = Scoped()

    def outer(leave: bool) -> None:
        setting = scoped.during("outer", sys._getframe())
        setting.__enter__()
        assert scoped.get() == "outer"
        with scoped.during(None, None):
            assert scoped.get() is None
            with scoped.during("inner", sys._getframe()):
                assert scoped.get() == "inner"
        if leave:
            setting.__exit__()
            assert scoped.get() is None
        else:
            scoped.during("left behind as well", None).__enter__()

    for leave in (True, False):
        outer(leave)
        assert scoped.get() is None
    seen: list[str | None] = []
    with scoped.during("here", sys._getframe()):
        elsewhere(lambda: seen.append(scoped.get())).join()
    assert seen == [None]


def test_who_calls_through_contextlib_is_the_caller() -> None:
    from contextlib import ExitStack

    class Who:
        def __enter__(self) -> object:
            return caller(sys._getframe(1))

        def __exit__(self, *_: object) -> None: ...

    with ExitStack() as stack:
        assert stack.enter_context(Who()) is sys._getframe()


@pytest.mark.parametrize("times", [1, 3])
def test_no_grad_is_entered_and_left_by_steps_of_pythons_own(times: int) -> None:
    lines: list[int] = []

    def trace(frame: object, event: str, _: object) -> object:
        lines.append(1)
        return trace

    block = no_grad()
    enter, leave = block.__enter__, block.__exit__
    sys.settrace(trace)  # type: ignore[arg-type]
    for _ in range(times):
        enter()
    for _ in range(times):
        leave(None, None, None)
    sys.settrace(None)
    assert lines == []
    assert is_grad_enabled()
