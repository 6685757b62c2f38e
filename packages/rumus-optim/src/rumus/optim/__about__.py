"""The version of rumus-optim, declared here alone."""

__version__ = "0.1.0"
