"""The laboratory: real registries, small valid images and bad networks, all on this machine.

The demo, the tests and the benchmarks stand on it; the program itself never imports it.
"""
