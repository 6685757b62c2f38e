"""Builds from a clone without symbolic links, which are text files there (Windows' default)."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class LinkedShaders(BuildHookInterface[Any]):
    """Puts the folder that a link to shaders names in the place of the link's text."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Include the folders; an editable install, which reads the clone itself, is refused."""
        source = Path(self.root, "src")
        for link in sorted(source.rglob("shaders")):
            if link.is_dir():
                continue
            folder = link.parent / link.read_text("utf-8").strip()
            if version == "editable" or not any(folder.rglob("*.wgsl")):
                raise RuntimeError(
                    f"{link} should be a symbolic link to the shaders and is a text file: clone "
                    f"again with `git clone -c core.symlinks=true` (on Windows in developer mode), "
                    f"or install without -e"
                )
            place = link.relative_to(self.root).as_posix()
            inside = place if self.target_name == "sdist" else place.removeprefix("src/")
            build_data["force_include"][str(folder.resolve())] = inside
            self.build_config.target_config.setdefault("exclude", []).append(f"/{place}")
