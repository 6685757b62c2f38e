"""Samples of the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError, RumusError

from ._options import Options
from ._source import Sample, Samples, Skipped, Source, numbered
from ._table import Piece, Table, Values

_TARGETS = ("target", "label")  # names that say by themselves what they are
_NUMBERS = ("float32", "float16", "float64", "int32", "int64", "int16", "int8", "uint8", "bool")


class _Column(NamedTuple):
    """A column that is part of the samples.

    Attributes:
        name: Its name.
        dtype: What its numbers become; None of text and arrays.
        classes: The number of each name, if the cells are names of classes.
        holes: Whether a cell that is missing is NaN.
    """

    name: str
    dtype: np.dtype[Any] | None
    classes: dict[str, int] | None
    holes: bool


def samples_of(table: Table, options: Options) -> Source:
    """The rows as an input and a target each, or as a dict of all the columns.

    Raises:
        ArgumentError: A column is not there, or not of a kind that the options can do with.
    """
    inputs, targets = _chosen(table, options)
    names = [*inputs, *targets]
    unknown = [name for name in options.dtypes if name and name not in names]
    if unknown:
        raise ArgumentError(f"a dtype is given for {unknown[0]!r}, {_none_of(table, names)}")
    if not options.parts:
        _check_no_text(table, [name for name in inputs if name not in options.dtypes])
    kinds = {name: _kind(table, name, name in targets, options) for name in names}
    of_classes = [name for name, kind in kinds.items() if kind == "class"]
    classes = _classes(table, of_classes, options) if of_classes else {}
    if options.classes is not None and not of_classes:
        raise ArgumentError(f"classes are given, and no column of {table.path} holds their names")
    columns = [_column(table, name, kinds[name], classes, options, targets) for name in names]
    metadata: dict[str, Any] = {"columns": inputs}
    if targets and targets[0] in classes and len(targets) == 1:
        metadata["classes"] = classes[targets[0]]
    elif classes:
        metadata["classes_of"] = classes
    samples = _samples(table, columns, len(inputs), options)
    return Source(table.rows, samples, metadata)


def _chosen(table: Table, options: Options) -> tuple[list[str], list[str]]:
    names = [name for name in table.kinds if name not in options.exclude]
    for name in (*(options.input or ()), *(options.target or ()), *options.exclude):
        if name not in table.kinds:
            raise ArgumentError(f"{table.path} has no column {name!r}; {_listed(table.kinds)}")
    targets = list(options.target or ())
    if not targets and not options.parts:
        targets = [name for name in _TARGETS if name in names]
        if len(targets) != 1:
            raise ArgumentError(
                f"which column of {table.path} is the target? {_listed(table.kinds)}: --target "
                "NAME (target=[name]) says it, and --parts (parts=True) makes samples that are "
                "dicts of all columns"
            )
    inputs = list(options.input or [name for name in names if name not in targets])
    both = [name for name in inputs if name in targets]
    if both:
        raise ArgumentError(f"column {both[0]!r} is an input and a target; it can be one of them")
    if not inputs:
        raise ArgumentError(f"{table.path} has no column but the target; an input is needed")
    return inputs, targets


def _check_no_text(table: Table, inputs: Sequence[str]) -> None:
    """Refuse inputs that are text, of which nothing is said: all of them at once."""
    texts = [name for name in inputs if table.kinds[name] == "text"]
    if not texts:
        return
    one = len(texts) == 1
    what = f"column {texts[0]!r}" if one else f"columns {', '.join(map(repr, texts))}"
    raise ArgumentError(
        f"{what} of {table.path} {'holds' if one else 'hold'} text, such as "
        f"{_first_text(table, texts[0])!r}: --exclude {','.join(texts)} leaves "
        f"{'it' if one else 'them'} out, --dtype {texts[0]}=class makes numbers of its names, and "
        "--parts makes samples that are dicts of all columns, with text"
    )


def _kind(table: Table, name: str, is_target: bool, options: Options) -> str:
    """A name of a dtype, "class", "text" or "array".

    Raises:
        ArgumentError: There is no such dtype, or the column cannot be of it.
    """
    there = table.kinds[name]
    wanted = options.dtypes.get(name)
    if wanted is None and isinstance(there, np.dtype) and not is_target:
        wanted = options.dtypes.get("")
    if wanted is not None and wanted not in (*_NUMBERS, "class", "text"):
        raise ArgumentError(
            f"a column becomes one of {', '.join(_NUMBERS)}, class or text, not {wanted!r}"
        )
    if isinstance(there, np.dtype):
        if wanted == "text":
            raise ArgumentError(f"column {name!r} of {table.path} holds numbers, which are no text")
        if wanted is None and not table.exact:
            wanted = {"i": "int32", "f": "float32"}.get(there.kind)
        return wanted or there.name
    if there == "array" and wanted is None:
        return "array"
    if there != "text":
        raise ArgumentError(
            f"column {name!r} of {table.path} {there if there != 'array' else 'holds arrays'}, "
            f"which cannot become {wanted or 'numbers'}; --exclude {name} leaves it out"
        )
    if wanted in _NUMBERS:
        raise ArgumentError(
            f"column {name!r} of {table.path} is to be {wanted}, and holds text, such as "
            f"{_first_text(table, name)!r}"
        )
    return wanted or ("class" if is_target else "text")


def _column(
    table: Table,
    name: str,
    kind: str,
    classes: dict[str, list[str]],
    options: Options,
    targets: Sequence[str],
) -> _Column:
    if kind == "class":
        order = {label: k for k, label in enumerate(classes[name])}
        return _Column(name, np.dtype(np.int32), order, False)
    if kind in ("text", "array"):
        return _Column(name, None, None, False)
    dtype = np.dtype(kind)
    holes = options.missing == "nan" and not (name in targets and dtype.kind != "f")
    if holes and dtype.kind != "f":
        dtype = np.dtype(np.float64 if table.exact and dtype.itemsize > 2 else np.float32)
    return _Column(name, dtype, None, holes)


def _classes(table: Table, names: Sequence[str], options: Options) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {name: set() for name in names}
    for piece in table.pieces(names):
        there = np.ones(len(piece.places), bool)
        there[list(piece.broken)] = False
        for name, labels in found.items():
            values = piece.columns[name]
            labels.update(map(str, values.array[~values.missing & there].tolist()))
    given = options.classes if len(names) == 1 else None
    return {n: numbered(labels, given, f"column {n!r}") for n, labels in found.items()}


def _samples(table: Table, columns: Sequence[_Column], inputs: int, options: Options) -> Samples:
    for piece in table.pieces([column.name for column in columns]):
        bad = _bad_rows(piece, columns)
        for k, reason in bad.items():
            policy = options.on_error if k in piece.broken else options.missing
            if policy != "skip":
                raise ArgumentError(
                    f"{piece.places[k]}: {reason}; {_advice(k in piece.broken, options)}"
                )
        arrays = [_array(piece, column, bad) for column in columns]
        whole = None if options.parts else _inputs(columns[:inputs], arrays[:inputs], table)
        targets = [] if options.parts else arrays[inputs:]
        vectors = _vectors(columns[inputs:], targets, table) if len(targets) > 1 else targets
        for k, place in enumerate(piece.places):
            if k in bad:
                yield Skipped(place, bad[k])
            elif whole is None:
                yield Sample(place, ({c.name: a[k] for c, a in zip(columns, arrays, strict=True)},))
            else:
                yield Sample(place, (whole[k], (vectors if len(targets) > 1 else targets[0])[k]))


def _advice(is_broken: bool, options: Options) -> str:
    """What to do about a row that cannot be a sample."""
    if is_broken:
        return "--on-error skip (on_error='skip') leaves such rows out"
    skip = "--missing skip (missing='skip') leaves such rows out"
    if options.missing == "nan":
        return f"NaN has no place among text, classes and targets that are whole numbers: {skip}"
    return f"{skip}, and --missing nan makes them NaN among numbers"


def _bad_rows(piece: Piece, columns: Sequence[_Column]) -> dict[int, str]:
    """What is wrong with rows that cannot be samples, in their order."""
    bad = dict(piece.broken)
    for column in columns:
        if not column.holes:
            for k in piece.columns[column.name].missing.nonzero()[0].tolist():
                bad.setdefault(k, f"there is no {column.name}")
    return dict(sorted(bad.items()))


def _array(piece: Piece, column: _Column, bad: dict[int, str]) -> npt.NDArray[Any]:
    values: Values = piece.columns[column.name]
    if column.classes is not None:
        numbers = [column.classes.get(str(label), 0) for label in values.array.tolist()]
        return np.array(numbers, np.int32)
    if column.dtype is None:
        return values.array
    array = values.array
    if column.dtype.kind in "iu":
        limits = np.iinfo(column.dtype)
        # As floats the limits are exact, and the largest number of 64 bits is not.
        above = array >= float(limits.max + 1) if array.dtype.kind == "f" else array > limits.max
        outside = (array < limits.min) | above | (array != np.trunc(array))
        outside[list(bad)] = False
        if outside.any():
            k = int(outside.argmax())
            raise RumusError(
                f"{piece.places[k]}: {column.name} is {array[k]}, which {column.dtype} does not "
                f"hold; --dtype {column.name}=float32, int64 or class makes it another kind, and "
                f"--exclude {column.name} leaves it out"
            )
    with np.errstate(over="ignore"):
        array = array.astype(column.dtype)
    if column.holes:
        array[values.missing] = np.nan
    return array


def _inputs(
    columns: Sequence[_Column], arrays: Sequence[npt.NDArray[Any]], table: Table
) -> npt.NDArray[Any]:
    """The numbers of columns as vectors; a single column of arrays as it is.

    Raises:
        ArgumentError: There is text, or arrays beside other columns.
    """
    if len(columns) == 1 and table.kinds[columns[0].name] == "array":
        return arrays[0]
    return _vectors(columns, arrays, table)


def _vectors(
    columns: Sequence[_Column], arrays: Sequence[npt.NDArray[Any]], table: Table
) -> npt.NDArray[Any]:
    for column in columns:
        if column.dtype is None:
            raise ArgumentError(
                f"column {column.name!r} of {table.path} holds arrays or text, which are no "
                "numbers to put beside others; --input NAME takes a column of arrays alone, and "
                "--parts makes samples that are dicts of all columns"
            )
    dtype = np.result_type(*arrays)
    if not table.exact and dtype.kind == "f":  # where numpy would widen integers to 64 bits
        dtype = np.result_type(*(array for array in arrays if array.dtype.kind == "f"))
    return np.stack(arrays, axis=1).astype(dtype, copy=False)


def _first_text(table: Table, name: str) -> str:
    for piece in table.pieces([name]):
        for text in piece.columns[name].array.tolist():
            if text:
                return str(text)
    return ""


def _listed(names: Sequence[str] | dict[str, Any]) -> str:
    shown = list(names)[:30]
    more = f" and {len(names) - 30} more" if len(names) > 30 else ""
    return f"it has {', '.join(shown)}{more}"


def _none_of(table: Table, names: Sequence[str]) -> str:
    return f"which is none of the columns taken from {table.path}: {', '.join(names[:30])}"
