"""The catalog: a page of what is mirrored, with its pull commands; pure but for its template."""
