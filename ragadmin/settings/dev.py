"""The settings of `make run` and of every command: safe on one machine, set by the environment."""

from __future__ import annotations

from ragadmin.settings.base import *
