"""A thread that copies between a device's staging memory and the host's, so that nobody waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue


class Errand:
    """Something that a porter does.

    Args:
        call: What.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._call: Callable[[], object] | None = call
        self._error: BaseException | None = None
        self._is_over = threading.Event()

    def is_done(self) -> bool:
        """Whether it is done.

        Raises:
            Exception: What went wrong.
        """
        if not self._is_over.is_set():
            return False
        self.wait()
        return True

    def wait(self) -> None:
        """Return when it is done.

        Raises:
            Exception: What went wrong.
        """
        self._is_over.wait()
        if self._error is not None:
            raise self._error

    def run(self) -> None:
        """Do it; what it held is free then."""
        call, self._call = self._call, None
        try:
            if call is not None:
                call()
        except BaseException as error:
            self._error = error
        self._is_over.set()


class Porter:
    """Does errands in their order.

    Args:
        name: Of its thread.
        tell: Called after each errand.
    """

    def __init__(self, name: str, tell: Callable[[], object] = lambda: None) -> None:
        self._errands: SimpleQueue[Errand | None] = SimpleQueue()
        arguments = (self._errands, tell)
        threading.Thread(target=_work, args=arguments, name=name, daemon=True).start()

    def send(self, call: Callable[[], object]) -> Errand:
        """Have a call made after those before."""
        errand = Errand(call)
        self._errands.put(errand)
        return errand

    def __del__(self) -> None:
        self._errands.put(None)


def _work(errands: SimpleQueue[Errand | None], tell: Callable[[], object]) -> None:
    while (errand := errands.get()) is not None:
        errand.run()
        del errand
        tell()
