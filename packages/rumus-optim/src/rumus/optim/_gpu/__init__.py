"""The engine that runs a rule over arenas on a GPU, and what else works there."""
