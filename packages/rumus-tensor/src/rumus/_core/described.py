"""What error messages call a value that was given."""

from __future__ import annotations

_FRAMEWORKS = ("torch", "tensorflow", "keras", "jax", "jaxlib", "mlx", "cupy")


def type_name(value: object) -> str:
    """The name of a value's class, behind that of its framework if this is another one's."""
    cls = type(value)
    package = cls.__module__.partition(".")[0]
    return f"{package}.{cls.__name__}" if package in _FRAMEWORKS else cls.__name__
