"""Benchmarks: ``python -m benchmarks``. What is measured, and how, is told in ``docs/performance.md``."""
