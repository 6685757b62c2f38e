"""The version of rumus-train, declared here alone."""

__version__ = "0.3.0.dev0"
