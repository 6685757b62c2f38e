"""How many threads work on the CPU takes."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import threadpoolctl

from rumus._core import threads
from rumus._core.pool import in_parallel
from rumus.tensor import ArgumentError, get_num_threads, set_num_threads, tensor


@pytest.fixture(autouse=True)
def restored():
    yield
    set_num_threads(None)


def blas():
    libraries = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
    return next(library for library in libraries if "numpy" in library.filepath)


def in_fresh_python(code, **environment):
    variables = {k: v for k, v in os.environ.items() if "NUM_THREADS" not in k}
    return subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=variables | environment,
    ).stdout.strip()


def test_the_number_is_what_was_set_last():
    default = get_num_threads()
    assert 1 <= default <= threads.MOST_BY_DEFAULT
    set_num_threads(3)
    assert get_num_threads() == 3
    set_num_threads(None)
    assert get_num_threads() == default


@pytest.mark.parametrize("count", [0, -1, 1.5, "two", True])
def test_what_is_no_number_of_threads_is_refused(count):
    with pytest.raises(ArgumentError, match="a whole number from 1, not"):
        set_num_threads(count)


def test_the_environment_gives_the_default():
    show = "from rumus.tensor import get_num_threads; print(get_num_threads())"
    assert in_fresh_python(show, RUMUS_NUM_THREADS="5") == "5"
    wrong = (
        "from rumus.tensor import ArgumentError, get_num_threads\n"
        "try:\n    get_num_threads()\nexcept ArgumentError as error:\n    print(error)"
    )
    assert "'many'" in in_fresh_python(wrong, RUMUS_NUM_THREADS="many")


class Library:
    """A BLAS that notes what it is told."""

    def __init__(self):
        self.told = [16]

    def get_num_threads(self):
        return self.told[-1]

    def set_num_threads(self, count):
        self.told.append(count)


def test_a_product_gets_the_threads_it_has_work_for_and_gives_them_back(monkeypatch):
    library = Library()
    monkeypatch.setattr(threads, "_blas", lambda: threads._Blas(library))
    set_num_threads(8)
    for side, expected in ((32, None), (128, 1), (256, 2), (320, 3), (512, 8)):
        library.told = [16]
        a = tensor(np.ones((side, side), np.float32))
        assert (a @ a).numpy()[0, 0] == side
        assert library.told == ([16] if expected is None else [16, expected, 16])
    set_num_threads(2)
    library.told = [16]
    _ = a @ a
    assert library.told == [16, 2, 16]


def test_products_in_two_threads_leave_the_number_as_it_was():
    library = Library()
    shared = threads._Blas(library)
    inside, go_on = threading.Event(), threading.Event()

    def first():
        with shared.at_most(1):
            inside.set()
            go_on.wait()

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait()
    with shared.at_most(4):
        assert library.get_num_threads() == 4
        go_on.set()
        thread.join()
        assert library.get_num_threads() == 4
    assert library.get_num_threads() == 16


def test_a_product_that_was_interrupted_holds_no_threads_back():
    library = Library()
    shared = threads._Blas(library)

    def interrupted():
        shared.at_most(1).__enter__()

    interrupted()
    with shared.at_most(4):
        assert library.get_num_threads() == 4
    assert library.get_num_threads() == 16


def test_what_a_user_has_told_blas_is_left_alone():
    show = (
        "import numpy, threadpoolctl\nfrom rumus._core import threads\n{}\nprint(threads._blas())"
    )
    assert in_fresh_python(show.format(""), OPENBLAS_NUM_THREADS="2") == "None"
    assert in_fresh_python(show.format("threadpoolctl.threadpool_limits(1)")) == "None"


def test_a_product_leaves_numpys_number_of_threads_as_it_was():
    before = blas().get_num_threads()
    a = tensor(np.ones((300, 300), np.float32))
    _ = a @ a
    assert blas().get_num_threads() == before


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_loop_does_each_task_once(threads):
    done = []
    in_parallel(done.append, 100, threads)
    assert sorted(done) == list(range(100))


def test_what_a_task_raises_comes_out_and_ends_the_loop():
    done = []

    def run(number):
        if number == 3:
            raise ValueError("three")
        done.append(number)

    with pytest.raises(ValueError, match="three"):
        in_parallel(run, 10_000, 3)
    assert len(done) < 9_999


def test_a_task_may_spread_work_of_its_own():
    done = []
    in_parallel(lambda a: in_parallel(lambda b: done.append((a, b)), 3, 2), 4, 2)
    assert len(set(done)) == len(done) == 12


def test_the_last_functions_of_a_process_compute_too():
    code = """
import atexit
from rumus.tensor import ones, set_num_threads
set_num_threads(2)
x = ones(1000, 2000)
x + x
atexit.register(lambda: print(int((x + x).sum().item())))
"""
    assert in_fresh_python(code) == "4000000"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_thread_computes_while_pools_end():
    program = """
import threading, time
from concurrent.futures import ThreadPoolExecutor
from rumus._core.pool import in_parallel

ThreadPoolExecutor(1).submit(time.sleep, 0.6)  # which the interpreter waits for

def compute():
    time.sleep(0.3)
    in_parallel(done.append, 3, 2)
    print(done)

done = []
threading.Thread(target=compute).start()
"""
    assert in_fresh_python(program) == "[0, 1, 2]"


def test_a_forked_child_has_threads_of_its_own():
    show = (
        "import os\nfrom rumus._core.pool import in_parallel\ndone = []\n"
        "in_parallel(done.append, 9, 3)\n"
        "if os.fork() == 0:\n    in_parallel(done.append, 9, 3)\n"
        "    os._exit(0 if len(done) == 18 else 1)\nprint(os.wait()[1])"
    )
    assert in_fresh_python(show) == "0"


@pytest.mark.parametrize("shape", [(3_000_017,), (1200, 2500), (3, 1000, 1000)])
def test_elementwise_results_do_not_depend_on_the_number_of_threads(shape):
    rng = np.random.default_rng(0)
    a = tensor(rng.normal(size=shape).astype(np.float32))
    line = tensor(rng.normal(size=shape[-1]).astype(np.float32))
    results = []
    for count in (1, 4):
        set_num_threads(count)
        found = [a + a, a * 2.0, a.relu(), a.exp(), a > 0.0, a - line, a.gelu()]
        results.append([x.numpy() for x in found])
    for one, several in zip(*results, strict=True):
        np.testing.assert_array_equal(one, several)
    np.testing.assert_array_equal(results[0][5], a.numpy() - line.numpy())
