"""Speed and memory against peers; `python -m benchmarks` prints ratios measured in one run."""
