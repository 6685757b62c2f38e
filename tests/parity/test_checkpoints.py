"""Weights that PyTorch writes are read here, and what is written here PyTorch loads by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from rumus import nn, tensor
from rumus.tensor import StateDictError


def models() -> tuple[nn.Sequential, torch.nn.Sequential]:
    """The same model here and there, with weights of its own."""
    here = nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.PReLU(), nn.Sequential(nn.Linear(8, 4, bias=False)),
        nn.LayerNorm(4), nn.GroupNorm(2, 4), nn.Bilinear(4, 4, 1),
    )  # fmt: skip
    there = torch.nn.Sequential(
        torch.nn.Linear(6, 8), torch.nn.BatchNorm1d(8), torch.nn.PReLU(),
        torch.nn.Sequential(torch.nn.Linear(8, 4, bias=False)), torch.nn.LayerNorm(4),
        torch.nn.GroupNorm(2, 4), torch.nn.Bilinear(4, 4, 1),
    )  # fmt: skip
    return here, there


def run(here: nn.Sequential, there: torch.nn.Sequential) -> tuple[object, object]:
    """A step in training and one in evaluation of both."""
    x = np.random.default_rng(0).normal(size=(16, 6)).astype(np.float32)
    results: list[np.ndarray] = []
    for model, given in ((here, tensor.tensor(x)), (there, torch.from_numpy(x))):
        *layers, last = list(model)
        for mode in (True, False):
            model.train(mode)
            y = given
            for layer in layers:
                y = layer(y)
            y = last(y, y)
            results.append(y.detach().numpy())
    return results[:2], results[2:]


def test_what_pytorch_saved_is_loaded_here(tmp_path: Path) -> None:
    here, there = models()
    save_file(there.state_dict(), tmp_path / "model.safetensors")
    report = here.load_state_dict(nn.load_file(tmp_path / "model.safetensors"))
    assert report == nn.LoadReport((), (), ())
    ours, theirs = run(here, there)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    for name, value in there.state_dict().items():
        got = here.state_dict()[name].numpy()
        np.testing.assert_allclose(got, value.numpy(), rtol=1e-5, atol=1e-6)


def test_what_is_saved_here_pytorch_loads(tmp_path: Path) -> None:
    here, there = models()
    nn.save_file(here, tmp_path / "model.safetensors")
    there.load_state_dict(load_file(tmp_path / "model.safetensors"))
    ours, theirs = run(here, there)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "dtype",
    [torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2],
    ids=str,
)
def test_floats_of_any_kind_become_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    values = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    save_file({"weight": values}, tmp_path / "x")
    layer = nn.Linear(5, 3, bias=False)
    layer.load_state_dict(nn.load_file(tmp_path / "x"))
    np.testing.assert_array_equal(layer.weight.numpy(), values.to(torch.float32).numpy())


def test_the_parts_of_a_large_model_are_read_through_their_index(tmp_path: Path) -> None:
    here, there = models()
    places = {}
    for i, name in enumerate(there.state_dict()):
        places[name] = f"model-{i % 2 + 1:05}-of-00002.safetensors"
    for part in set(places.values()):
        state = there.state_dict()
        save_file({n: state[n] for n, p in places.items() if p == part}, tmp_path / part)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    assert here.load_state_dict(nn.load_file(index)) == nn.LoadReport((), (), ())


def test_tied_names_and_another_head_are_no_obstacle(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            self.embedding, self.head = nn.Linear(5, 3, bias=False), nn.Linear(5, 3, bias=False)
            self.head.weight = self.embedding.weight
            self.classes = nn.Linear(3, 7)

    save_file(
        {"embedding.weight": torch.ones(3, 5), "classes.weight": torch.ones(2, 3),
         "classes.bias": torch.ones(2)},
        tmp_path / "x",
    )  # fmt: skip
    model = Tied()
    report = model.load_state_dict(nn.load_file(tmp_path / "x"), strict=False)
    assert report == nn.LoadReport((), (), ("classes.weight", "classes.bias"))
    assert model.head.weight.numpy().all()
    with pytest.raises(StateDictError, match=r"classes\.weight"):
        model.load_state_dict(nn.load_file(tmp_path / "x"))


def test_a_pickled_checkpoint_says_how_to_convert_it(tmp_path: Path) -> None:
    torch.save(models()[1].state_dict(), tmp_path / "model.pt")
    torch.save({}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("model.pt", "old.pt"):
        with pytest.raises(StateDictError, match=r"pickled checkpoint.*save_file"):
            nn.load_file(tmp_path / name)
