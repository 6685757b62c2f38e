"""The version of rumus-data, declared here alone."""

__version__ = "0.2.0"
