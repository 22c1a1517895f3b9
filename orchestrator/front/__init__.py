"""Original names, answered from the mirror: a read-only registry front."""
