"""Modules, parameters, layers and losses."""

from . import functional, init
from ._activations import (
    CELU,
    ELU,
    GELU,
    GLU,
    Hardshrink,
    Hardtanh,
    LeakyReLU,
    LogSoftmax,
    PReLU,
    Softmax,
    Softmin,
    Softplus,
    Softshrink,
    SwiGLU,
    Threshold,
)
from ._cells import GRUCell, LSTMCell, RNNCell
from ._channel_norm import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm1d, InstanceNorm2d
from ._containers import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from ._dropout import AlphaDropout, Dropout, Dropout1d, Dropout2d
from ._embedding import Embedding, EmbeddingBag
from ._files import load_file, save_file
from ._hooks import RemovableHandle
from ._layer import Layer
from ._linear import Bilinear, Linear
from ._module import Module
from ._norm import LayerNorm, RMSNorm
from ._parameter import Parameter
from ._plain_activations import (
    SELU,
    Hardsigmoid,
    Hardswish,
    LogSigmoid,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softsign,
    Tanh,
    Tanhshrink,
)
from ._recurrent import GRU, LSTM, RNN
from ._shape import Flatten, Identity, Unflatten
from ._state import LoadReport
from ._summary import Summary, SummaryRow, summary
from .functional import (
    binary_cross_entropy_with_logits,
    cross_entropy_loss,
    l1_loss,
    mse_loss,
)

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "GRU",
    "LSTM",
    "RNN",
    "SELU",
    "AlphaDropout",
    "BatchNorm1d",
    "BatchNorm2d",
    "Bilinear",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Embedding",
    "EmbeddingBag",
    "Flatten",
    "GRUCell",
    "GroupNorm",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "LSTMCell",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LoadReport",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "Module",
    "ModuleDict",
    "ModuleList",
    "PReLU",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "RMSNorm",
    "RNNCell",
    "ReLU",
    "ReLU6",
    "RemovableHandle",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Summary",
    "SummaryRow",
    "SwiGLU",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "Unflatten",
    "binary_cross_entropy_with_logits",
    "cross_entropy_loss",
    "functional",
    "init",
    "l1_loss",
    "load_file",
    "mse_loss",
    "save_file",
    "summary",
]
