#!/usr/bin/env python
from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ragadmin.settings.dev")
    from django.core.management import execute_from_command_line

    from ragadmin.errors import ConfigurationError

    try:
        execute_from_command_line(sys.argv)
    except ConfigurationError as error:
        sys.exit(f"ragadmin: {error}")


if __name__ == "__main__":
    main()
