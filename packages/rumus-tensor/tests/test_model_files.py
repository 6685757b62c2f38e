"""A model and its arguments in one file, and what is said where they do not belong together."""

import json

import numpy as np
import pytest
from safetensors import safe_open

from rumus import nn
from rumus.tensor import ArgumentError, StateDictError, randn, zeros


class Net(nn.Module):
    def __init__(self, width, *, layers=1, names=("a",)):
        self.names = list(names)
        self.layers = nn.Sequential(*(nn.Linear(width, width) for _ in range(layers)))

    def forward(self, x):
        return self.layers(x)


CONFIG = {"width": 3, "layers": 2, "names": ["b", "ç"]}


@pytest.fixture
def saved(tmp_path):
    model = Net(**CONFIG)
    nn.save_model(model, tmp_path / "net.safetensors", CONFIG)
    return model, tmp_path / "net.safetensors"


def test_a_model_comes_back_without_its_arguments(saved, device):
    model, path = saved
    again = nn.load_model(path, Net, device)
    x = randn((2, 3))
    assert again.names == ["b", "ç"] and len(again.layers) == 2 and again.training
    assert np.allclose(again(x.to(device)).numpy(), model(x).numpy(), atol=1e-6)


def test_others_read_the_file_as_weights_with_metadata(saved):
    model, path = saved
    with safe_open(path, "np") as file:
        assert json.loads(file.metadata()["rumus.model"]) == {"class": "Net", "config": CONFIG}
        assert set(file.keys()) == set(model.state_dict())
    assert set(nn.load_file(path)) == set(model.state_dict())


def test_a_class_is_found_by_name_among_those_that_are_given(saved):
    _, path = saved
    assert isinstance(nn.load_model(path, {"Linear": nn.Linear, "Net": Net}), Net)
    with pytest.raises(ArgumentError, match="holds a Net, and classes has Linear"):
        nn.load_model(path, {"Linear": nn.Linear})


def test_another_class_is_refused_with_what_helps_if_it_was_renamed(saved):
    class Renamed(Net):
        pass

    _, path = saved
    with pytest.raises(ArgumentError, match=r"holds a Net and not a Renamed.*\{'Net': Renamed\}"):
        nn.load_model(path, Renamed)
    assert isinstance(nn.load_model(path, {"Net": Renamed}), Renamed)


def test_arguments_that_the_class_does_not_take_are_named(saved, tmp_path):
    class Other(nn.Module):
        def __init__(self, width, depth):
            pass

    _, path = saved
    with pytest.raises(ArgumentError, match=r"Other\(width, depth\) does not take layers, names "):
        nn.load_model(path, {"Net": Other})
    with pytest.raises(ArgumentError, match="and needs depth; config has width, layers, names"):
        nn.load_model(path, {"Net": Other})
    with pytest.raises(ArgumentError, match=r"save_model: Net.* needs width; config has nothing"):
        nn.save_model(Net(2), tmp_path / "x", {})
    assert not (tmp_path / "x").exists()


def test_weights_of_another_shape_are_listed_with_the_file(saved):
    class Wider(Net):
        def __init__(self, width, layers, names):
            super().__init__(width + 1, layers=layers, names=names)

    _, path = saved
    with pytest.raises(StateDictError, match=r"net\.safetensors: (?s:.*)layers\.0\.weight"):
        nn.load_model(path, {"Net": Wider})


@pytest.mark.parametrize("value", [{1, 2}, np.float32(1), float("nan"), zeros(2), [{1: 2}]])
def test_arguments_that_json_does_not_hold_are_refused(tmp_path, value):
    with pytest.raises(ArgumentError, match="config holds text, numbers"):
        nn.save_model(Net(2), tmp_path / "x", {"width": value})
    assert not (tmp_path / "x").exists()


def test_any_text_comes_back(tmp_path):
    nn.save_model(Net(2), tmp_path / "x", {"width": 2, "names": "\ud800\0"})
    assert nn.load_model(tmp_path / "x", Net).names == ["\ud800", "\0"]


def test_weights_alone_and_foreign_metadata_are_told_apart(tmp_path):
    path = tmp_path / "x"
    nn.save_file(Net(2), path)
    with pytest.raises(StateDictError, match="without the arguments of a model"):
        nn.load_model(path, Net)
    for text in ("{", "[]", '{"class": 1, "config": {}}', '{"class": "Net", "config": []}', "{}"):
        nn.save_file(Net(2), path, metadata={"rumus.model": text})
        with pytest.raises(StateDictError, match="none of save_model"):
            nn.load_model(path, Net)
    with pytest.raises(FileNotFoundError):
        nn.load_model(tmp_path / "none", Net)
    path.write_bytes(b"PK\x03\x04 and more")
    with pytest.raises(StateDictError, match="pickled"):
        nn.load_model(path, Net)


def test_metadata_is_texts_by_name(tmp_path):
    nn.save_file({"a": zeros(2)}, tmp_path / "x", metadata={"made by": "ö"})
    with safe_open(tmp_path / "x", "np") as file:
        assert file.metadata() == {"made by": "ö"}
    for wrong in ({"a": 1}, {1: "a"}, {"a": "\ud800"}):
        with pytest.raises(StateDictError, match="texts by name"):
            nn.save_file({"a": zeros(2)}, tmp_path / "x", metadata=wrong)
