"""The version of rumus-train, declared here alone."""

__version__ = "0.2.0"
