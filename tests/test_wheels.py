"""What the built packages hold: everything, in its own place, however they were built."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
IMPORTS = {
    "rumus-tensor": {"_core", "gpu", "_backends", "autograd", "tensor", "nn"},
    "rumus-data": {"data"},
    "rumus-optim": {"optim"},
    "rumus-train": {"train"},
}
SHADERS = {  # the folder of the repository, and where it is in the wheel
    "rumus-tensor": {"tensor": "_backends", "gpu": "gpu"},
    "rumus-optim": {"optim": "optim"},
    "rumus-train": {"train": "train"},
}


class Built:
    """A package's sdist, the wheel made from it, and the wheel made from the tree."""

    def __init__(self, package: str, out: Path, root: Path = ROOT) -> None:
        self.package = package
        folder = str(root / "packages" / package)
        command = [sys.executable, "-m", "build", "--no-isolation", folder, "--outdir"]
        subprocess.run([*command, str(out / "a")], check=True, capture_output=True)
        subprocess.run([*command, str(out / "b"), "--wheel"], check=True, capture_output=True)
        (sdist,) = out.glob("a/*.tar.gz")
        (self.from_sdist,) = (contents(wheel) for wheel in out.glob("a/*.whl"))
        (self.from_tree,) = (contents(wheel) for wheel in out.glob("b/*.whl"))
        with tarfile.open(sdist) as archive:
            self.sdist = {m.name.partition("/")[2]: m for m in archive.getmembers()}


def contents(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module", params=sorted(IMPORTS))
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(request.param, tmp_path_factory.mktemp(request.param))


def test_a_wheel_from_the_sdist_equals_one_from_the_tree(built: Built) -> None:
    assert built.from_sdist == built.from_tree


def test_a_wheel_holds_its_import_packages_and_no_other(built: Built) -> None:
    code = {name.split("/")[1] for name in built.from_tree if name.startswith("rumus/")}
    assert code == IMPORTS[built.package]


def test_a_wheel_holds_every_module_of_the_tree(built: Built) -> None:
    source = ROOT / "packages" / built.package / "src"
    tree = {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    assert tree == {name for name in built.from_tree if name.endswith(".py")}


def test_every_import_package_says_that_it_is_typed(built: Built) -> None:
    marked = {name for name in built.from_tree if name.endswith("py.typed")}
    assert marked == {f"rumus/{name}/py.typed" for name in IMPORTS[built.package]}


def test_no_wheel_owns_the_namespace(built: Built) -> None:
    assert not {"rumus/__init__.py", "rumus/py.typed"} & set(built.from_tree)


def test_a_wheel_holds_its_shaders_as_they_are_in_the_repository(built: Built) -> None:
    expected = {
        f"rumus/{owner}/shaders/{file.name}": file.read_bytes()
        for folder, owner in SHADERS.get(built.package, {}).items()
        for file in (ROOT / "shaders" / folder).iterdir()
    }
    assert bool(expected) == (built.package in SHADERS)
    held = {name: data for name, data in built.from_tree.items() if "/shaders/" in name}
    assert held == expected


@pytest.mark.parametrize("built", sorted(SHADERS), indirect=True)
def test_a_clone_without_symbolic_links_builds_the_same_wheel(built: Built, tmp_path: Path) -> None:
    clone = clone_without_links(built.package, tmp_path / "clone")
    unlinked = Built(built.package, tmp_path / "out", clone)
    assert unlinked.from_sdist == built.from_tree
    assert in_order(unlinked.from_tree) == in_order(built.from_tree)
    assert set(unlinked.sdist) == set(built.sdist)


def in_order(wheel: dict[str, bytes]) -> dict[str, bytes]:
    """A wheel's files, the lines of its RECORD sorted."""
    return {
        name: b"".join(sorted(data.splitlines(keepends=True))) if name.endswith("RECORD") else data
        for name, data in wheel.items()
    }


@pytest.mark.parametrize("package", sorted(SHADERS))
def test_an_editable_install_of_a_clone_without_symbolic_links_is_refused(
    package: str, tmp_path: Path
) -> None:
    clone = clone_without_links(package, tmp_path / "clone")
    result = subprocess.run(
        [sys.executable, "-c", "import hatchling.build as b; b.build_editable('out')"],
        cwd=clone / "packages" / package,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert "should be a symbolic link" in last and "core.symlinks=true" in last


def clone_without_links(package: str, clone: Path) -> Path:
    """The tree as git writes it with ``core.symlinks=false``, Windows' default."""
    shutil.copytree(ROOT / "shaders", clone / "shaders")
    shutil.copy(ROOT / ".gitignore", clone)
    folder = clone / "packages" / package
    shutil.copytree(ROOT / "packages" / package, folder, symlinks=True)
    links = [path for path in folder.rglob("*") if path.is_symlink()]
    assert links
    for link in links:
        target = link.readlink().as_posix()
        link.unlink()
        link.write_text(target)
    return clone


@pytest.mark.parametrize("package", sorted(IMPORTS))
def test_only_what_has_shaders_has_a_build_hook_and_all_have_the_same(package: str) -> None:
    hook = ROOT / "packages" / package / "hatch_build.py"
    assert hook.exists() == (package in SHADERS)
    assert not hook.exists() or (
        hook.read_bytes() == (ROOT / "packages/rumus-tensor/hatch_build.py").read_bytes()
    )


def test_licences_and_changelog_travel_with_the_package(built: Built) -> None:
    licences = {name.rpartition("/")[2] for name in built.from_tree if "/licenses/" in name}
    assert licences == {"LICENSE-APACHE", "LICENSE-MIT"}
    assert {"CHANGELOG.md", "README.md", "LICENSE-MIT"} <= set(built.sdist)


def test_an_sdist_holds_plain_files_and_the_tests(built: Built) -> None:
    assert all(member.isfile() or member.isdir() for member in built.sdist.values())
    assert any(name.startswith("tests/") and "/test_" in name for name in built.sdist)


@pytest.mark.parametrize("package", sorted(IMPORTS))
def test_the_licences_of_a_package_are_those_of_the_repository(package: str) -> None:
    for name in ("LICENSE-APACHE", "LICENSE-MIT"):
        own = ROOT / "packages" / package / name
        assert own.read_bytes() == (ROOT / name).read_bytes()
