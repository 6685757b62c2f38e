"""Options of PyTorch's and Keras's optimizers and schedules, and what is done instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter, signature
from typing import Any

from rumus.optim._errors import HyperparameterError

_ONE_KERNEL = "leave it out: a step is one kernel over all parameters as it is"
OF_OPTIMIZERS = {
    "learning_rate": "lr",
    "epsilon": "eps",
    "beta_1": "betas=(beta_1, beta_2)",
    "beta_2": "betas=(beta_1, beta_2)",
    "foreach": _ONE_KERNEL,
    "fused": _ONE_KERNEL,
    "capturable": "leave it out: rumus.train.Trainer(optimizer, capture=True) captures any of them",
    "differentiable": "there is none: steps are not recorded",
    "clipnorm": "clip_grad_norm_(grads, params, max_norm), or fit(clip=max_norm)",
    "global_clipnorm": "clip_grad_norm_(grads, params, max_norm), or fit(clip=max_norm)",
    "clipvalue": "clip_grad_value_(grads, params, clip_value)",
    "use_ema": "WeightAverage(model.named_parameters(), decay)",
}
OF_SCHEDULES = {
    "optimizer": "a schedule takes the rate, such as optimizer.get_lr(), and "
    "optimizer.set_lr(schedule.get_lr()) sets what it says",
    "T_max": "t_max",
    "T_0": "t_0",
    "T_mult": "t_mult",
    "last_epoch": "schedule.load_state_dict(state) goes on where another one was",
    "verbose": "leave it out, and print schedule.get_lr()",
    "initial_learning_rate": "initial_lr",
}

NAMES_OF_SCHEDULES = {
    "get_last_lr": "schedule.get_lr()",
    "base_lrs": "schedule.get_lr()",
    "optimizer": "a schedule owns none: optimizer.set_lr(schedule.get_lr())",
    "last_epoch": "schedule.state_dict() says how many steps there were",
}


def refuse_foreign(
    name: str, function: Callable[..., Any], given: Iterable[str], hints: Mapping[str, str]
) -> None:
    """Refuse an option that other frameworks have, unless a function takes it.

    Args:
        name: of the class that is made.
        function: what takes the options.
        given: their names.
        hints: what to do instead, by name.

    Raises:
        HyperparameterError: there is one; the message says what to do.
    """
    found = [option for option in given if option in hints]
    if not found:
        return
    taken = signature(function).parameters
    if any(p.kind is Parameter.VAR_KEYWORD for p in taken.values()):
        return
    for option in found:
        if option not in taken:
            raise HyperparameterError(f"{name} has no option {option!r}; here: {hints[option]}")
