"""Brings an installation up to date before its programs start, and furnishes a new one."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import redis
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import Error, connections
from django.db.migrations.executor import MigrationExecutor

from ragadmin import installation
from ragadmin.embedded.data_folder import write_private
from ragadmin.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

OPERATOR_EMAIL = "operator@ragadmin.local"


@dataclass(frozen=True, slots=True)
class SignIn:
    """The generated operator account. `encoded` is the stored hash: it differs once changed."""

    email: str
    password: str
    encoded: str


def use_services(*, database: str, redis: str) -> None:
    """Points this process at servers that were not known yet when its settings were read."""
    aliases = installation.database_settings(database, settings.SECRET_KEY)
    for alias, values in aliases.items():
        connections[alias].settings_dict.update(values)
        connections.settings[alias].update(values)
    settings.REDIS_URL = settings.CELERY_BROKER_URL = redis
    from ragadmin.celery import app

    app.conf.update(broker_url=redis)


def check_given_services(*, database: str | None, redis_url: str | None) -> None:
    """Raises ConfigurationError if a server named in the environment does not answer."""
    if database:
        try:
            psycopg.connect(database, connect_timeout=5).close()
        except psycopg.Error as error:
            raise ConfigurationError(f"DATABASE_URL cannot be used: {_in_a_line(error)}") from None
    if redis_url:
        try:
            with redis.Redis.from_url(redis_url, socket_connect_timeout=5) as client:
                client.ping()
        except (redis.RedisError, OSError) as error:
            raise ConfigurationError(f"REDIS_URL cannot be used: {_in_a_line(error)}") from None


def prepare_installation(*, with_demo: bool, tell: Callable[[str], None]) -> SignIn | None:
    """Migrations, schedules, operator, demo. Returns the sign-in while it is the generated one."""
    from ragadmin.schedules import setup_schedules
    from tenants.schema import prepare_database

    try:
        prepare_database()
        _migrate(tell)
        _migrate_schemas(tell)
        setup_schedules()
        sign_in = _operator_sign_in()
        if with_demo:
            _load_demo(tell)
    except Error as error:
        raise ConfigurationError(
            f"The database could not be prepared: {_in_a_line(error)}"
        ) from error
    finally:
        for connection in connections.all():
            connection.close()
            # Only Postgres has one; its threads must not live beside child processes.
            getattr(connection, "close_pool", bool)()
    return sign_in


def _migrate(tell: Callable[[str], None]) -> None:
    executor = MigrationExecutor(connections["owner"])
    # The command itself takes a second to find that there is nothing to do.
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        tell("migrating the database")
        call_command("migrate", database="owner", verbosity=0, interactive=False)


def _migrate_schemas(tell: Callable[[str], None]) -> None:
    """A tenant that cannot be migrated is told of and left out: the others have to be served."""
    from tenants.migrate import migrate_schemas

    outcome = migrate_schemas(tell=tell)
    for failure in outcome.failures:
        tell(f"tenant schema {failure.schema}: {failure.reason}")
    if outcome.stopped_at_canary:
        raise ConfigurationError(
            f"The tenant schemas that go first could not be migrated to {outcome.newest}; "
            f"{outcome.left} others were left as they were. Start the release from before, "
            "or mend the cause and start again."
        )


def collect_static(tell: Callable[[str], None]) -> None:
    """Copies, hashes and compresses the console's files, if any has changed since the last time."""
    stamp = Path(settings.DATA_DIR) / "static.stamp"
    state = _static_state()
    if Path(settings.STATIC_ROOT).is_dir() and stamp.exists() and stamp.read_text() == state:
        return
    tell("collecting the console's files")
    call_command(
        "collectstatic",
        verbosity=0,
        interactive=False,
        clear=True,
        ignore_patterns=["redoc"],  # 5 MB of another viewer of the API's description
    )
    stamp.write_text(state)


def _static_state() -> str:
    digest = hashlib.sha256(str(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            status = Path(storage.path(path)).stat()
            digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _sign_in_path() -> Path:
    return Path(settings.DATA_DIR) / "sign_in"


def _operator_sign_in() -> SignIn | None:
    from tenants.models import User
    from tenants.services import create_operator

    if not User.objects.filter(is_operator=True).exists():
        password = secrets.token_urlsafe(12)
        user = create_operator(email=OPERATOR_EMAIL, password=password)
        sign_in = SignIn(user.email, password, user.password)
        write_private(_sign_in_path(), json.dumps(asdict(sign_in)))
        return sign_in
    return _stored_sign_in()


def _stored_sign_in() -> SignIn | None:
    """The password is kept only until it is changed: from then on it says nothing, and goes."""
    from tenants.models import User

    path = _sign_in_path()
    if not path.exists():
        return None
    sign_in = SignIn(**json.loads(path.read_text()))
    user = User.objects.filter(email=sign_in.email, is_operator=True, is_active=True).first()
    if user and (user.password == sign_in.encoded or user.check_password(sign_in.password)):
        return sign_in
    path.unlink()
    return None


def _load_demo(tell: Callable[[str], None]) -> None:
    from retrieval.demo import demo_is_wanted, load_demo

    if demo_is_wanted():
        tell("loading the demo tenants")
        load_demo()


def _in_a_line(error: Any) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
