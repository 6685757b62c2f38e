"""The version of rumus-tensor, declared here alone."""

__version__ = "0.3.0.dev0"
