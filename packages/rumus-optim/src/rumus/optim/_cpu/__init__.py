"""The engine that runs a rule with numpy, and what else works on the host."""
