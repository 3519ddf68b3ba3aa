"""What the commands of ragadmin have in common."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError

from ragadmin.errors import RagadminError

if TYPE_CHECKING:
    from collections.abc import Sequence


class RagadminCommand(BaseCommand):
    """Tells what went wrong in one line, without a traceback."""

    requires_system_checks: Sequence[str] = ()

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except RagadminError as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:
            raise CommandError(
                "The database cannot be reached: start ragadmin with `make run`, "
                f"or set DATABASE_URL. ({_first_line(error)})"
            ) from error
        except ProgrammingError as error:
            raise CommandError(
                "The database is not prepared: start `manage.py up` once, or run "
                f"`manage.py migrate --database owner`. ({_first_line(error)})"
            ) from error

    def write_json(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, default=str))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
