"""Tables and arrays as record files, written by numpy, Python's csv and pyarrow themselves."""

import csv
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rumus.data import RecordDataset, convert
from rumus.tensor import ArgumentError, RumusError


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_csv(rows: Sequence[Sequence[object]], name: str = "a.csv", **options: Any) -> str:
    with open(name, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, **options).writerows(rows)
    return name


def read(path: str = "out.rrec") -> RecordDataset[Any]:
    return RecordDataset(path)


def targets(dataset: RecordDataset[Any]) -> list[Any]:
    return [dataset.read(k)[1].tolist() for k in range(len(dataset))]


PETS: list[list[object]] = [
    ["weight", "age", "label"],
    [4.5, 3, "cat"],
    [30, 5, "dog"],
    [3.5, 1, "cat"],
]


def test_text_in_the_target_is_a_class_that_can_be_read_by_name() -> None:
    done = convert(write_csv(PETS), "out.rrec")
    pets = read()
    assert done.records == [3] and not done.skipped
    assert pets.metadata == {"columns": ["weight", "age"], "classes": ["cat", "dog"]}
    assert pets.read(1)[0].dtype == np.float32
    np.testing.assert_array_equal(pets.read(1)[0], [30, 5])
    assert [pets.class_names()[pets[k].target.item()] for k in range(3)] == ["cat", "dog", "cat"]


# cells of a column, the dtype that it gets as a target, and what becomes of the cells
COLUMNS: dict[str, tuple[list[object], str, list[object]]] = {
    "whole": ([1, -2, "+3", 0], "int32", [1, -2, 3, 0]),
    "float": ([1, 2.5, "1e3", "-.5", "inf"], "float32", [1, 2.5, 1000, -0.5, np.inf]),
    "bool": (["true", "FALSE", "True"], "bool", [True, False, True]),
    "codes": (["007", "012", "007"], "int32", [0, 1, 0]),
    "text": ([" b", "a ", "None", "NA"], "int32", [3, 2, 1, 0]),
    "hex": (["0x1", "1_000"], "int32", [0, 1]),
    "date": (["2026-01-02", "2026-01-01"], "int32", [1, 0]),
    "letters": (["ü", "写", '"quoted, with comma"'], "int32", [1, 2, 0]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_csv_is_what_all_of_its_cells_are(name: str) -> None:
    cells, dtype, expected = COLUMNS[name]
    convert(write_csv([["x", "y"], *([0, cell] for cell in cells)]), "out.rrec", target=["y"])
    assert read().read(0)[1].dtype == dtype
    assert targets(read()) == expected


def test_pixels_keep_their_whole_numbers_and_a_dtype_can_be_given() -> None:
    pixels = np.random.default_rng(0).integers(256, size=(5000, 4))
    path = write_csv([["label", "a", "b", "c", "d"], *np.c_[pixels[:, 0] % 7, pixels].tolist()])
    convert(path, "out.rrec")
    assert read().read(0)[0].dtype == np.int32
    convert(path, "out.rrec", dtypes="uint8", overwrite=True, shards=1)
    whole = read()
    assert whole.read(0)[0].dtype == np.uint8 and whole.read(0)[1].dtype == np.int32
    inputs, labels = whole[:]
    np.testing.assert_array_equal(inputs.numpy(), pixels)
    np.testing.assert_array_equal(labels.numpy(), pixels[:, 0] % 7)
    with pytest.raises(RumusError, match=r"a\.csv, line 2: b is .*int8 does not hold"):
        convert(path, "o2.rrec", dtypes={"b": "int8"}, exclude=["a", "c", "d"])


def test_whole_numbers_as_classes_are_sorted_by_value() -> None:
    convert(
        write_csv([["x", "y"], [0, 10], [0, 9], [0, -1]]),
        "out.rrec",
        target=["y"],
        dtypes={"y": "class"},
    )
    assert read().class_names() == ["-1", "9", "10"]
    assert targets(read()) == [2, 1, 0]


def test_the_classes_of_another_file_are_kept() -> None:
    convert(write_csv(PETS), "train.rrec")
    test = write_csv([PETS[0], PETS[2]], "test.csv")
    convert(test, "test.rrec", classes=read("train.rrec").class_names())
    assert targets(read("test.rrec")) == [1]
    with pytest.raises(ArgumentError, match="class 'dog', which is none of those given: cat, cow"):
        convert(test, "other.rrec", classes=["cat", "cow"])
    with pytest.raises(ArgumentError, match=r"no column of a\.csv holds their names"):
        convert(write_csv([["x", "target"], [0, 1]]), "other.rrec", classes=["cat"])


def test_parts_keep_each_column_with_text_as_it_is() -> None:
    convert(write_csv(PETS), "out.rrec", parts=True, dtypes={"label": "class"}, exclude=["age"])
    pets = read()
    assert pets[1]["weight"].item() == 30 and set(pets[1]) == {"weight", "label"}
    assert pets.class_names("label") == ["cat", "dog"]
    with pytest.raises(ArgumentError, match=r"no names of classes for 'target' .some for: label"):
        pets.class_names()
    convert("a.csv", "out.rrec", parts=True, overwrite=True)
    assert read()[1]["label"] == "dog"


def test_several_targets_are_a_vector_and_several_files_one_table() -> None:
    rows: list[list[object]] = [["a", "b", "c"], [1, 2, 3], [4, 5.5, 6]]
    paths = [write_csv(rows), write_csv([rows[0], [7, 8, 9]], "b.csv")]
    done = convert(paths, "out.rrec", target=["a", "b"], shards=2)
    assert done.records == [1, 2] and [path.name for path in done.paths] == [
        f"out-0000{k}-of-00002.rrec" for k in range(2)
    ]
    whole: RecordDataset[Any] = RecordDataset(done.paths)
    assert targets(whole) == [[1, 2], [4, 5.5], [7, 8]]
    assert whole.read(1)[1].dtype == np.float32 and whole.read(1)[0].dtype == np.int32


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_and_the_mark_of_excel_is_no_letter(delimiter: str) -> None:
    write_csv(PETS, delimiter=delimiter)
    Path("a.csv").write_bytes(b"\xef\xbb\xbf" + Path("a.csv").read_bytes())
    convert("a.csv", "out.rrec")
    assert read().metadata["columns"] == ["weight", "age"]


def test_other_encodings_and_files_without_a_header() -> None:
    Path("a.csv").write_bytes("x,label\n1,Köln\n".encode("latin-1"))
    with pytest.raises(ArgumentError, match=r"a\.csv is not utf-8 .*encoding="):
        convert("a.csv", "out.rrec")
    convert("a.csv", "out.rrec", encoding="latin-1")
    assert read().class_names() == ["Köln"]
    with pytest.raises(ArgumentError, match="'klingon' is no encoding"):
        convert("a.csv", "b.rrec", encoding="klingon")
    write_csv([[5, 0.5], [6, 1.5]])
    with pytest.raises(ArgumentError, match=r"numbers where the names.*--no-header"):
        convert("a.csv", "b.rrec")
    convert("a.csv", "b.rrec", header=False, target=["column 1"])
    assert targets(read("b.rrec")) == [5, 6]


HOLES: list[list[object]] = [
    ["x", "n", "y"],
    [1.5, 1, 0],
    ["", 2, 1],
    [2.5, "NA", 0],
    [3.5, 3, ""],
    [4.5, 4, 1],
]


def test_a_cell_that_is_missing_is_an_error_a_row_less_or_not_a_number() -> None:
    path = write_csv(HOLES)
    with pytest.raises(ArgumentError, match=r"a\.csv, line 3: there is no x; --missing skip"):
        convert(path, "out.rrec", target=["y"])
    done = convert(path, "out.rrec", target=["y"], missing="skip")
    assert done.records == [2]
    assert done.skipped == [
        f"a.csv, line {line}: there is no {name}" for line, name in ((3, "x"), (4, "n"), (5, "y"))
    ]
    with pytest.raises(ArgumentError, match=r"line 5: there is no y; NaN has no .* skip"):
        convert(path, "b.rrec", target=["y"], missing="nan")
    convert(write_csv(HOLES[:4]), "b.rrec", target=["y"], missing="nan")
    inputs = np.stack([read("b.rrec").read(k)[0] for k in range(3)])
    np.testing.assert_array_equal(inputs, np.array([[1.5, 1], [np.nan, 2], [2.5, np.nan]], "f4"))


def test_a_row_that_is_too_short_is_named_or_skipped() -> None:
    path = write_csv([*PETS, [1, 2], [5, 6, "cow", 7]])
    with pytest.raises(ArgumentError, match=r"a\.csv, line 5: 2 cells, where the header has 3"):
        convert(path, "out.rrec")
    done = convert(path, "out.rrec", on_error="skip", missing="nan")
    assert done.records == [3] and len(done.skipped) == 2
    assert read().class_names() == ["cat", "dog"]


def test_rows_may_go_over_lines_and_blank_lines_are_none() -> None:
    Path("a.csv").write_text('x,label\n1,"two\nlines"\n\n2,one\nbad\n')
    done = convert("a.csv", "out.rrec", on_error="skip")
    assert done.records == [2] and done.skipped[0].startswith("a.csv, line 6: 1 cells")


def arrow_table() -> Any:
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table(
        {
            "small": pyarrow.array([1, 2, 3], pyarrow.int8()),
            "half": pyarrow.array(np.array([1, 2, 3], np.float16)),
            "price": [Decimal("1.5"), Decimal("2.5"), Decimal("3.5")],
            "vector": pyarrow.FixedSizeListArray.from_arrays(np.arange(6, dtype=np.float32), 2),
            "grid": [[[1, 2], [3, 4]]] * 3,
            "when": pyarrow.array([0, 1, 2], pyarrow.timestamp("s")),
            "text": ["b", "a", "b"],
            "coded": pyarrow.array(["y", "x", "y"]).dictionary_encode(),
            "flag": [True, False, True],
            "hole": [1, None, 3],
            "label": [7, 8, 9],
        }
    )


def write_arrow(kind: str) -> str:
    import pyarrow
    from pyarrow import feather, parquet

    table, path = arrow_table(), f"a.{kind.split()[0]}"
    if kind == "parquet":
        parquet.write_table(table, path, row_group_size=2)
    elif kind == "feather":
        feather.write_feather(table, path, compression="lz4")
    else:
        new = pyarrow.ipc.new_stream if kind == "arrow stream" else pyarrow.ipc.new_file
        with new(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    return path


@pytest.mark.parametrize("kind", ["parquet", "feather", "arrow file", "arrow stream"])
def test_columns_of_arrow_are_what_the_file_says(kind: str) -> None:
    pytest.importorskip("pyarrow")
    path = write_arrow(kind)
    convert(path, "out.rrec", input=["small", "half", "flag"])
    assert read().read(2)[0].dtype == np.float16 and read().read(2)[1].dtype == np.int64
    np.testing.assert_array_equal(read().read(2)[0], [3, 3, 1])
    assert targets(read()) == [7, 8, 9]
    for target, names in (("text", ["a", "b"]), ("coded", ["x", "y"])):
        convert(path, "out.rrec", input=["vector"], target=[target], overwrite=True)
        assert read().class_names() == names and targets(read()) == [1, 0, 1]
        np.testing.assert_array_equal(read().read(1)[0], np.array([2, 3], np.float32))
    convert(path, "out.rrec", exclude=["when", "hole"], parts=True, overwrite=True)
    sample = read()[0]
    assert sample["text"] == "b" and sample["grid"].tolist() == [[1, 2], [3, 4]]
    assert sample["price"].item() == 1.5
    done = convert(path, "out.rrec", input=["hole"], missing="skip", overwrite=True)
    assert done.records == [2] and done.skipped == [f"{path}, row 1: there is no hole"]
    with pytest.raises(ArgumentError, match=r"'when' .* holds timestamp.*--exclude when"):
        convert(path, "b.rrec", input=["when"])
    with pytest.raises(ArgumentError, match=r"'vector' .*--input NAME takes a column of arrays"):
        convert(path, "b.rrec", input=["small", "vector"])


def test_damaged_tables_of_arrow_are_named() -> None:
    pytest.importorskip("pyarrow")
    for kind in ("parquet", "feather", "arrow file", "arrow stream"):
        path = write_arrow(kind)
        whole = Path(path).read_bytes()
        for content in (b"", b"junk", whole[: len(whole) // 2], whole[:-3]):
            Path(path).write_bytes(content)
            try:
                convert(path, "out.rrec", input=["small"])
            except ArgumentError as error:
                assert path in str(error)
            else:  # a stream may end without its mark
                assert kind == "arrow stream" and len(read()) == 3 and content == whole[:-3]
            Path("out.rrec").unlink(missing_ok=True)


def test_arrays_of_one_or_two_files_and_all_of_an_archive() -> None:
    x, y = np.random.default_rng(0).normal(size=(4, 3)), np.array(["b", "a", "b", "c"])
    np.save("x.npy", x)
    np.save("y.npy", y)
    np.savez("a.npz", x=x, y=y, z=np.arange(4))
    convert(["x.npy", "y.npy"], "out.rrec")
    assert read().class_names() == ["a", "b", "c"] and targets(read()) == [1, 0, 1, 2]
    np.testing.assert_array_equal(read().read(3)[0], x[3])
    convert("x.npy", "out.rrec", overwrite=True)
    np.testing.assert_array_equal(read()[3], x[3])
    convert("a.npz", "out.rrec", parts=True, exclude=["z"], overwrite=True)
    assert read()[1]["y"] == "a" and set(read()[1]) == {"x", "y"}
    convert("a.npz", "out.rrec", input=["x"], target=["y"], classes=list("dcba"), overwrite=True)
    assert targets(read()) == [2, 3, 2, 1]
    np.save("x.npy", x[:3])
    with pytest.raises(RumusError, match=r"x\.npy and y\.npy: .* differ in the number"):
        convert(["x.npy", "y.npy"], "b.rrec")


# what is done, and words of the message
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no target": ({"target": None, "exclude": ["label"]}, "which column of a.csv is the target"),
    "unknown": ({"target": ["lable"]}, "no column 'lable'; it has weight, age, label"),
    "unknown dtype": ({"dtypes": {"age": "uint4"}}, "becomes one of float32, .* not 'uint4'"),
    "unknown column": ({"dtypes": {"ages": "uint8"}}, "'ages', which is none of the columns"),
    "text as input": ({"target": ["age"]}, "'label' of a.csv holds text, such as 'cat': --exclude"),
    "text as number": ({"dtypes": {"label": "int32"}}, "is to be int32, and holds text"),
    "number as text": ({"dtypes": {"age": "text"}}, "holds numbers, which are no text"),
    "twice": ({"input": ["age", "label"]}, "'label' is an input and a target"),
    "a name": ({"target": "label"}, r"target must be a list of names.*\['label'\]"),
    "policy": ({"missing": "drop"}, r"missing must be one of .*not 'drop'"),
    "target of parts": ({"parts": True, "target": ["label"]}, "give target or parts"),
    "delimiter": ({"delimiter": "ab"}, "delimiter must be one character"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_the_table_is_refused(what: str) -> None:
    options, words = REFUSED[what]
    with pytest.raises(ArgumentError, match=words):
        convert(write_csv(PETS), "out.rrec", **options)
    assert not Path("out.rrec").exists()


def test_all_columns_of_text_are_named_at_once() -> None:
    path = write_csv([["sold", "x", "note", "y"], ["2022-10-27", 1, "good", 2]])
    words = "columns 'sold', 'note' of a.csv hold text, such as '2022-10-27': --exclude sold,note "
    with pytest.raises(ArgumentError, match=words):
        convert(path, "out.rrec", target=["y"])
    convert(path, "out.rrec", target=["y"], exclude=["sold"], dtypes={"note": "class"})


CONTENTS = {
    "empty": (b"", "a.csv is empty"),
    "twice": (b"a,a,label\n1,2,3\n", "two columns 'a'"),
    "quote": (b'a,label\n1,"2\n', "a.csv, line 2: this is no CSV"),
    "zeros": (b"a,label\n\0\0,1\n", "holds text|no CSV|NUL"),
    "binary": (bytes(range(256)), "not utf-8|no CSV"),
}


@pytest.mark.parametrize("what", CONTENTS)
def test_what_is_no_table_is_refused(what: str) -> None:
    content, words = CONTENTS[what]
    Path("a.csv").write_bytes(content)
    with pytest.raises(ArgumentError, match=words):
        convert("a.csv", "out.rrec")


NO_INPUTS = {
    "a.zip": "unpack it first",
    "a.xlsx": "as CSV first",
    "a.json": "read it in Python",
    "a.png": "the folder that holds the folders",
    "a": "inputs are a folder",
}


@pytest.mark.parametrize("name", NO_INPUTS)
def test_what_is_no_input_says_what_is(name: str) -> None:
    Path(name).write_bytes(b"something else altogether")
    with pytest.raises(ArgumentError, match=NO_INPUTS[name]) as caught:
        convert(name, "out.rrec")
    assert ".parquet" in str(caught.value) and name in str(caught.value)
    with pytest.raises(FileNotFoundError, match="missing"):
        convert("missing", "out.rrec")


def test_the_first_number_beyond_64_bits_is_refused() -> None:
    rows = [["a", "label"], [2**63, "x"], [1, "y"]]
    with pytest.raises(RumusError, match="int64 does not hold"):
        convert(write_csv(rows), "out.rrec", dtypes={"a": "int64"})


def test_what_means_nothing_for_an_input_is_refused() -> None:
    np.savez("a.npz", input=np.ones((4, 3)), target=np.arange(4))
    np.save("a.npy", np.ones((4, 3)))
    convert("a.npz", "records.rrec")
    for source, given in (
        ("a.npz", {"dtypes": "float16"}),
        ("a.npz", {"resize": (2, 2)}),
        ("a.npy", {"missing": "nan"}),
        ("records.rrec", {"input": ["input"]}),
        (write_csv(PETS), {"bits": 8}),
    ):
        with pytest.raises(ArgumentError, match=f"{next(iter(given))} is given, and means nothing"):
            convert(source, "out.rrec", **given)  # type: ignore[arg-type]


def test_no_input_is_an_error_in_words() -> None:
    with pytest.raises(ArgumentError, match="there is no input"):
        convert([], "out.rrec")


FULL = """
import os, resource, signal
from rumus.data import RecordWriteError, convert
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
try:
    convert("a.csv", "a.rrec", target=["b"])
except RecordWriteError as error:
    print(error.errno > 0, str(error).partition("; ")[2], sorted(os.listdir()))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the file's size by POSIX means")
def test_a_full_disk_leaves_nothing_and_promises_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n" + "1.5,2.5\n" * 20_000)
    done = subprocess.run(
        [sys.executable, "-c", FULL], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    told = "nothing was converted, and what was there before stays: 'a.rrec'"
    assert done.stdout.strip() == f"True {told} ['a.csv']"
