"""The contract between the operations and the two devices."""

from .backend import Backend
from .kinds import Scalar, Shape, Slices

__all__ = ["Backend", "Scalar", "Shape", "Slices"]
