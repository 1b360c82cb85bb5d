"""The proof of what the feed costs: a load client, peers that do the same job, and a report.

`python -m benchmarks.run --help`, or `make bench` and `make bench-quick`. Not in the wheel.
"""
