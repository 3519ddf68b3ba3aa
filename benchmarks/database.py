"""Django on a migrated Postgres of the benchmark's own, for those that call the code directly."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from benchmarks.common import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def database(
    folder: Path, settings: str = "ragadmin.settings.dev", **environment: str
) -> Iterator[str]:
    """Django set up on a migrated Postgres of its own; gives the owner's URL."""
    from ragadmin.embedded.postgres import EmbeddedPostgres
    from ragadmin.embedded.redis import EmbeddedRedis

    with ExitStack() as stack:
        postgres = EmbeddedPostgres(folder / "postgres", "benchmark")
        redis = EmbeddedRedis(folder / "redis", "benchmark")
        for part in (postgres, redis):
            part.initialise()
            service = part.service()
            process = service.start()
            stack.callback(service.stop, process)
            service.wait_until_ready(process)
        postgres.create_database()
        os.environ.update(
            clean_environment(folder, DATABASE_URL=postgres.url, REDIS_URL=redis.url)
            | {"DJANGO_SETTINGS_MODULE": settings}
            | environment
        )
        _set_up_django()
        yield postgres.url


def _set_up_django() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    from tenants.schema import prepare_database

    prepare_database()
    call_command("migrate", database="owner", verbosity=0)
