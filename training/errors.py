"""What can be wrong with training.

::

    TrainingError
    ├── BadDataset          a data set is missing, laid out otherwise, or its labels mean nothing
    ├── BadTraining         settings that mean nothing, or a checkpoint of other settings
    ├── Diverged            the loss is no number any more
    └── GeneratorDied       the process that simulates windows ended

Each message says what was found, what is allowed and what to do.
"""


class TrainingError(Exception):
    """Base of all errors raised by `training`."""


class BadDataset(TrainingError):
    """A data set is missing, laid out otherwise, or its labels mean nothing."""


class BadTraining(TrainingError):
    """Settings that mean nothing, or a checkpoint of other settings."""


class Diverged(TrainingError):
    """The loss is no number any more."""


class GeneratorDied(TrainingError):
    """The process that simulates windows ended."""
