"""Run as a program: migrates the named schemas and kills itself in the middle of the third."""

from __future__ import annotations

import os
import signal
import sys
from itertools import count

import django

if __name__ == "__main__":
    django.setup()
    from django.db import migrations

    from tenants.migrate import migrate_schemas
    from tests.tenants.new_migration import compile_next

    calls = count(1)

    def kill_in_the_third(apps, schema_editor):
        apps.get_model("retrieval", "Source").objects.create(name="Half done", kind="upload")
        if next(calls) == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    migrate_schemas(
        compile_next(migrations.RunPython(kill_in_the_third)), only=sys.argv[1:], jobs=1, canaries=1
    )
