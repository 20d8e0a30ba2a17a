"""Every way of converting an ANN, at every T, on three small data sets, beside figures of public tools.

`python -m benchmarks.conversion` trains a network for each data set, converts it by each row of `rows`,
measures it at each T, and judges the figures by the margins of `criteria`. What runs step by step and what is
evaluated in counts of spikes are two kinds of tables (`tables`), which refuse each other's rows.
"""
