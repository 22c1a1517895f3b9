"""The benchmarks: this program beside its peers, on registries and images of their own.

Every request goes through a proxy that makes it wait as a real network would, and counts it. All
that is measured is a program's own process: wall time, processor time, memory.
"""
