"""The step of several processes, which has the bits of one."""
