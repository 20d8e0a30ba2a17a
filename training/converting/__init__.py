"""ANN to SNN from a command: calibration data, the conversion, and a report of what it costs at each T.

::

    SOURCE -- calibrating --> batches --+
    CHECKPOINT -- twins, classifiers ---+-- methods --> converted -- sweep --> Sweep -- report --> page
                                                            |                                     JSON
                                                        weights and card                          plots

`model.convert` converts and knows no data; `training.converting` brings windows, labels and figures to it.
"""
