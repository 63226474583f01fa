"""What can go wrong in a way the person at the screen can do something about."""


class ConfigError(ValueError):
    """What was asked cannot be: one sentence with what was asked, why not, and what instead."""


class DataError(RuntimeError):
    """A data set could not be had, or is damaged: one sentence with what happened and the way out."""


class RunError(RuntimeError):
    """A run cannot be read, written or continued: one sentence with what happened and the way out."""


PROBLEMS = (ConfigError, DataError, RunError)
"""Whoever shows something to a person catches these and shows the sentence; anything else is a fault of ours."""
