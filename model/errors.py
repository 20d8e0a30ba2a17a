"""Everything that can be wrong with networks, weights and their use, as one tree.

::

    ModelError
    ├── UnknownModel          a name that is neither in the zoo nor a file
    ├── BadSetting            a threshold, size or count outside its range
    ├── BadLayout             a network description that cannot be built
    ├── BadWeights            weights that do not fit their card or network, or hold NaN
    ├── BadState              membranes of another network, size or batch
    ├── BadMaps               head output that is not finite or not of this network
    ├── BadCounts             steps of another grid, type or number of channels
    ├── ExportFailed          a network could not be turned into an ONNX file
    ├── NotConvertible        a network, or a part of one, that cannot be made spiking
    ├── BadCalibration        calibration data that is empty, not finite or not of the network's shape
    └── BadCheckpoint         a pickle that is not a checkpoint of the published code
        └── HostileCheckpoint     a pickle that asks for what no checkpoint needs

Each message says what was found, what is allowed and what to do.
"""


class ModelError(Exception):
    """Base of all errors raised by `model`."""


class UnknownModel(ModelError):
    """A name that is neither in the zoo nor a file."""


class BadSetting(ModelError):
    """A threshold, size or count outside its range."""


class BadLayout(ModelError):
    """A network description that cannot be built."""


class BadWeights(ModelError):
    """Weights that do not fit their card or network, or hold NaN."""


class BadState(ModelError):
    """Membranes of another network, size or batch."""


class BadMaps(ModelError):
    """Head output that is not finite or not of this network."""


class BadCounts(ModelError):
    """Steps of another grid, type or number of channels."""


class ExportFailed(ModelError):
    """A network could not be turned into an ONNX file."""


class NotConvertible(ModelError):
    """A network, or a part of one, that cannot be made spiking."""


class BadCalibration(ModelError):
    """Calibration data that is empty, not finite or not of the network's shape."""


class BadCheckpoint(ModelError):
    """A pickle that is not a checkpoint of the published code."""


class HostileCheckpoint(BadCheckpoint):
    """A pickle that asks for what no checkpoint needs."""
