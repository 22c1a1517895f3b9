"""The report for its readers: tables for eyes, Markdown for pages, JSON for programs.

Each module is a pure function from a `Report` to a text.
"""
