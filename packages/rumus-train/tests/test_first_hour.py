"""What whoever comes from another framework does to a trainer, and what is said to it."""

import pytest

from rumus import nn
from rumus.optim import SGD
from rumus.tensor import UnknownNameError
from rumus.train import Trainer
from rumus.train._foreign import HINTS


@pytest.mark.parametrize("name", HINTS)
def test_a_name_of_another_framework_is_translated(name: str) -> None:
    trainer = Trainer(SGD(nn.Linear(2, 2).parameters(), lr=0.1))
    assert not hasattr(trainer, name)
    with pytest.raises(UnknownNameError) as caught:
        getattr(trainer, name)
    assert str(caught.value).endswith(f"no attribute {name!r}; here: {HINTS[name]}")
