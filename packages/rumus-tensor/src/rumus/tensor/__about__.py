"""The version of rumus-tensor, declared here alone."""

__version__ = "0.2.0"
