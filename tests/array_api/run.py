"""Run the array API's own tests (data-apis/array-api-tests) over rumus.tensor.array_api.

    python tests/array_api/run.py FOLDER [options of pytest]

FOLDER is a checkout of the suite with its submodule ``array-api``. The suite asks for complex
numbers and 64-bit floats where it is imported, so a copy of it is run in which these may be
missing; tests of complex numbers are left out, and those in ``xfails.txt`` are expected to fail.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MISSING = "int8 int16 int64 uint16 uint32 uint64 float64 complex64 complex128"
CHANGES = {
    "dtype_helpers.py": [
        (
            "for dt in complex_dtypes], key=lambda x: x[1]\n",
            "for dt in complex_dtypes], key=lambda x: x[1], default=(None,)\n",
        ),
        ('"complex128": xp.float64', '"complex128": getattr(xp, "float64", None)'),
    ],
    "test_signatures.py": [
        (
            "dh.dtype_to_name[dh.widest_complex_dtype]",
            'dh.dtype_to_name.get(dh.widest_complex_dtype, "complex128")',
        ),
        ('[float_name, "bool", "int64", cmplx_name]', '[float_name, "bool", "int32", cmplx_name]'),
    ],
}


def prepare(suite: Path, copy: Path) -> None:
    """Copy the suite, and let it do without the dtypes that there are not."""
    if not (suite / "array-api" / "spec").is_dir():
        sys.exit(f"{suite} holds no array-api-tests with their submodule array-api")
    shutil.copytree(suite, copy, ignore=shutil.ignore_patterns(".git"))
    for name, changes in CHANGES.items():
        file = copy / "array_api_tests" / name
        text = file.read_text("utf-8")
        for before, after in changes:
            if after not in text and text.count(before) != 1:
                sys.exit(f"{file}: {before!r} is not there once; the suite has changed")
            text = text.replace(before, after)
        file.write_text(text, "utf-8")


def main(suite: str, *options: str) -> int:
    """Run the suite's copy; the exit status of pytest."""
    settings = {
        "ARRAY_API_TESTS_MODULE": "rumus.tensor.array_api",
        "ARRAY_API_TESTS_VERSION": "2024.12",
        "ARRAY_API_TESTS_SKIP_DTYPES": ",".join(MISSING.split()),
    }
    expected = Path(__file__).with_name("xfails.txt").resolve()
    with tempfile.TemporaryDirectory() as away:
        copy = Path(away) / "suite"
        prepare(Path(suite), copy)
        command = [sys.executable, "-m", "pytest", "-q", "array_api_tests", "-k", "not imag"]
        command += [f"--xfails-file={expected}", "--disable-deadline", *options]
        return subprocess.run(command, cwd=copy, env={**os.environ, **settings}).returncode


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
