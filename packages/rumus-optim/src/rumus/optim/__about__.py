"""The version of rumus-optim, declared here alone."""

__version__ = "0.3.0.dev0"
