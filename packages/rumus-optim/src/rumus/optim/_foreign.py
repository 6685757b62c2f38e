"""What PyTorch's and Keras's names on an optimizer, and in their modules, are here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

from rumus.optim._errors import UnknownAttributeError

_GROUPS = "optimizer.groups shows the groups, and set_lr() and set_option() change them"
HINTS = {
    "zero_grad": "gradients are not kept: optimizer.step(loss.backward()) uses them up",
    "param_groups": _GROUPS,
    "add_param_group": "groups are given when the optimizer is made; make a new one",
    "state": "optimizer.state_dict()",
    "lr": "optimizer.get_lr() and set_lr(lr)",
    "learning_rate": "optimizer.get_lr() and set_lr(lr)",
    "minimize": "optimizer.step(loss.backward())",
    "apply_gradients": "optimizer.step(loss.backward())",
    "fit": "rumus.train.Trainer(optimizer).fit(model, loader, loss, epochs=...)",
}
_SCHEDULE = "it is in rumus.optim.lr_scheduler"
_MODULE_HINTS = {
    "SparseAdam": "gradients are dense: Adam",
    "StepLR": _SCHEDULE,
    "LambdaLR": _SCHEDULE,
    "OneCycleLR": _SCHEDULE,
    "CosineAnnealingLR": _SCHEDULE,
    "ReduceLROnPlateau": _SCHEDULE,
    "swa_utils": "there is WeightAverage",
}
SCHEDULE_HINTS = {
    "ExponentialDecay": "ExponentialLR(lr, gamma)",
    "CosineDecay": "CosineAnnealingLR(lr, t_max)",
    "LinearWarmupCosineAnnealingLR": "there is WarmupCosine",
    "get_cosine_schedule_with_warmup": "there is WarmupCosine",
}


def unknown(owner: object, name: str, hints: Mapping[str, str] = HINTS) -> NoReturn:
    """Raise for an attribute that an optimizer has not."""
    hint = f"; here: {hints[name]}" if name in hints else ""
    text = f"{type(owner).__name__!r} object has no attribute {name!r}{hint}"
    raise UnknownAttributeError(text, name=name, obj=owner)


def _of_module(module: str, hints: Mapping[str, str]) -> Callable[[str], NoReturn]:
    """A module's ``__getattr__``.

    ``from module import name`` drops the text of an AttributeError. It asks by ``hasattr`` first,
    from a function of importlib, and lets an ImportError through.
    """

    def missing(name: str) -> NoReturn:
        from difflib import get_close_matches  # which no import waits for

        known = {public.lower(): public for public in sys.modules[module].__all__}
        alike = get_close_matches(name.lower(), known, 1, 0.7)
        hint = hints.get(name) or (f"there is {known[alike[0]]}" if alike else "")
        told = f"; here: {hint}" if hint else ""
        asks = sys._getframe(1).f_code.co_name
        if hint and asks == "_handle_fromlist" and not name.startswith("_"):
            raise ImportError(f"cannot import name {name!r} from {module!r}{told}", name=name)
        raise UnknownAttributeError(f"module {module!r} has no attribute {name!r}{told}", name=name)

    return missing


missing = _of_module("rumus.optim", _MODULE_HINTS)
missing_schedule = _of_module("rumus.optim.lr_scheduler", SCHEDULE_HINTS)
