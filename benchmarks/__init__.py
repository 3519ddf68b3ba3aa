"""One file for each question asked of the speed. `python -m benchmarks [NAME ...]`."""

from __future__ import annotations
