"""The names that users and siblings rely on."""

import copy
import pickle

import numpy as np
import pytest

import rumus.data
from rumus.data import DataItem, DataLoader
from rumus.data._foreign_options import HINTS
from rumus.tensor import ArgumentError


def test_all_public_names_are_listed_and_sorted() -> None:
    names = rumus.data.__all__
    assert sorted(names) == names
    public = {name for name in vars(rumus.data) if not name.startswith("_")}
    assert public == set(names) - {"__version__"}


def test_names_of_pytorch_are_translated() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'TensorDataset'; here: ArrayDataset"):
        rumus.data.TensorDataset  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'nothing_like_it'$"):
        rumus.data.nothing_like_it  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError, match=r"'TensorDataset' from 'rumus.data'; here: ArrayDataset"):
        from rumus.data import TensorDataset  # type: ignore[attr-defined]  # noqa: F401
    with pytest.raises(ImportError, match=r"'Dataloader' from 'rumus.data'; here: there is DataL"):
        from rumus.data import Dataloader  # type: ignore[attr-defined]  # noqa: F401


def test_options_of_pytorch_are_translated() -> None:
    for option, hint in HINTS.items():
        with pytest.raises(ArgumentError) as caught:
            DataLoader([1, 2], batch_size=1, **{option: 1})  # type: ignore[arg-type]
        assert str(caught.value) == f"DataLoader has no option {option!r}; here: {hint}"
    with pytest.raises(TypeError, match="unexpected keyword argument 'nothing_like_it'"):
        DataLoader([1, 2], batch_size=1, nothing_like_it=1)  # type: ignore[call-overload]


def test_other_names_of_an_input_and_a_target_are_translated() -> None:
    item = DataItem(1, 2)
    with pytest.raises(AttributeError, match=r"no attribute 'x'; here: input$"):
        item.x  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'labels'; here: target$"):
        item.labels  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'nothing_like_it'$"):
        item.nothing_like_it  # type: ignore[attr-defined]  # noqa: B018
    assert pickle.loads(pickle.dumps(copy.deepcopy(item))).target.item() == 2


def test_targets_are_no_batch_size() -> None:
    with pytest.raises(ArgumentError, match=r"a ndarray: inputs and targets make one data set, D"):
        DataLoader(np.zeros((4, 2)), np.zeros(4))  # type: ignore[call-overload]


def test_a_tuple_of_arrays_is_no_data_set() -> None:
    with pytest.raises(ArgumentError, match=r"tuple of 2 arrays, .*ArrayDataset\(inputs, targets"):
        DataLoader((np.zeros((4, 2)), np.zeros(4)), batch_size=2)
    assert len(DataLoader([np.zeros(4), np.zeros(4)], batch_size=2)) == 1
