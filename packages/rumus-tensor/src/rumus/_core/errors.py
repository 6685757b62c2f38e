"""The errors that a user's mistake can raise, one tree for all of rumus.

::

    RumusError
    ├── ArgumentError (ValueError)       a value outside what the function takes
    │   └── IndexRangeError (IndexError) an index or axis that the shape does not have
    ├── ShapeError (ValueError)          shapes that do not fit each other
    ├── DTypeError (TypeError)           an element type that does not fit
    ├── DeviceError (ValueError)         an unknown device, or tensors on different devices
    │   └── GpuUnavailableError          no adapter, or the wgpu package cannot start
    ├── UnknownNameError (AttributeError) a name that other frameworks have, and this one has not
    ├── UnknownImportError (ImportError) the same, where it is imported
    ├── StateDictError (ValueError)      keys or shapes of saved weights that do not match
    └── AutogradError (RuntimeError)     a backward pass that cannot be right
        ├── MissingGradError             a parameter without a gradient in the store
        └── BorrowError                  use of a store or parameter that a step holds

The GPU runtime adds its own branch, :class:`rumus.gpu.GpuError`; the other packages add theirs.
"""


class RumusError(Exception):
    """The root of every error that rumus raises for a user's mistake."""


class ArgumentError(RumusError, ValueError):
    """A value outside what the function takes."""


class IndexRangeError(ArgumentError, IndexError):
    """An index or an axis that a tensor's shape does not have, or that is no index."""


class ShapeError(RumusError, ValueError):
    """Shapes that do not fit each other."""


class DTypeError(RumusError, TypeError):
    """An element type that the operation does not take."""


class DeviceError(RumusError, ValueError):
    """An unknown device, or tensors that live on different devices."""


class GpuUnavailableError(DeviceError):
    """A GPU was asked for and none can be used."""


class UnknownNameError(RumusError, AttributeError):
    """A name that other frameworks have; the message says what it is called here."""


class UnknownImportError(RumusError, ImportError):
    """An import of a name that other frameworks have; the message says what it is called here."""


class StateDictError(RumusError, ValueError):
    """Saved weights whose keys, shapes or dtypes do not match the module."""


class AutogradError(RumusError, RuntimeError):
    """A backward pass that cannot be right."""


class MissingGradError(AutogradError):
    """A parameter has no gradient in the store."""


class BorrowError(AutogradError):
    """A store or a parameter was used while an optimizer step holds it."""
