"""How to read what is converted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal, TypeAlias, get_args

from rumus.tensor import ArgumentError

Missing: TypeAlias = Literal["error", "skip", "nan"]
OnError: TypeAlias = Literal["error", "skip"]
Channels: TypeAlias = Literal["keep", "grey", "rgb"]


@dataclass(frozen=True)
class Options:
    """What :func:`rumus.data.convert` describes under the same names."""

    input: Sequence[str] | None = None
    target: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    parts: bool = False
    dtypes: Mapping[str, str] = field(default_factory=dict)
    missing: Missing = "error"
    on_error: OnError = "error"
    classes: Sequence[str] | None = None
    resize: tuple[int, int] | None = None
    any_size: bool = False
    channels: Channels = "keep"
    bits: Literal[8] | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    header: bool = True

    def __post_init__(self) -> None:
        choices = {"missing": Missing, "on_error": OnError, "channels": Channels}
        for name, choice in choices.items():
            if getattr(self, name) not in get_args(choice):
                raise ArgumentError(
                    f"{name} must be one of {get_args(choice)}, not {getattr(self, name)!r}"
                )
        for name in ("input", "target", "exclude", "classes"):
            if isinstance(getattr(self, name), str):
                raise ArgumentError(
                    f"{name} must be a list of names, not {getattr(self, name)!r}; of one, "
                    f"[{getattr(self, name)!r}]"
                )
        if self.bits not in (None, 8):
            raise ArgumentError(f"bits must be 8 or None (as many as there are), not {self.bits!r}")
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ArgumentError(f"delimiter must be one character, not {self.delimiter!r}")
        if self.parts and self.target:
            raise ArgumentError(
                "with parts each column is a part of its own, and none is the target; "
                "give target or parts"
            )

    def check_for(self, kind: str, *read: str) -> None:
        """Refuse what is given and means nothing for a kind of input.

        Args:
            kind: The input, in words.
            read: The names of what is read there.

        Raises:
            ArgumentError: Something else is given.
        """
        usual = Options()
        for name in (f.name for f in fields(self) if f.name not in read):
            given, default = getattr(self, name), getattr(usual, name)
            if given != default and (given or default):
                raise ArgumentError(
                    f"{name} is given, and means nothing for {kind}; there "
                    f"{'are ' + ', '.join(read) if read else 'is nothing to choose'}"
                )
