"""Where this installation keeps its files, its secret, and the addresses of its services."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from pathlib import Path
from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from ragadmin.env import read_str, read_url
from ragadmin.errors import ConfigurationError

PROJECT_DIR = Path(__file__).resolve().parent.parent
# Refused at once, so that a command without a database fails in a line instead of hanging.
NO_DATABASE = "postgresql://ragadmin@127.0.0.1:1/ragadmin"
NO_REDIS = "redis://127.0.0.1:1/0"


def data_dir() -> Path:
    return Path(read_str("RAGADMIN_DATA_DIR", str(PROJECT_DIR / ".data"))).expanduser().resolve()


def secret_key() -> str:
    """`RAGADMIN_SECRET_KEY`, or one made on first use and kept in the data folder."""
    given = read_str("RAGADMIN_SECRET_KEY")
    if given:
        if len(given) < 32:
            raise ConfigurationError("RAGADMIN_SECRET_KEY must have at least 32 characters.")
        return given
    path = data_dir() / "secret_key"
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(48))
        return path.read_text()
    except OSError as error:
        raise ConfigurationError(
            f"The data folder {path.parent} cannot be used ({error.strerror}): "
            "make it writable or set RAGADMIN_DATA_DIR."
        ) from error


def derive_secret(purpose: str, key: str) -> str:
    """A secret of its own for each purpose, the same on every node that shares the key."""
    return hmac.new(key.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def service_addresses() -> dict[str, str]:
    """`DATABASE_URL` and `REDIS_URL`: given, or noted by the running `up`, or refused addresses."""
    noted: dict[str, str] = {}
    path = data_dir() / "services.json"
    if path.is_file():
        noted = json.loads(path.read_text())
    return {
        "database": read_url(
            "DATABASE_URL",
            noted.get("database", NO_DATABASE),
            schemes=("postgresql", "postgres"),
        ),
        "redis": read_url(
            "REDIS_URL", noted.get("redis", NO_REDIS), schemes=("redis", "rediss", "unix")
        ),
    }


def runtime_role(database: str) -> str:
    return f"{database}_app"


def database_settings(url: str, key: str) -> dict[str, dict[str, Any]]:
    """Two ways into one database: `owner` makes schemas, `default` is the role that owns nothing."""
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as error:
        raise ConfigurationError(f"DATABASE_URL cannot be read: {error}.") from error
    name = str(parts.get("dbname") or "ragadmin")
    owner = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": parts.get("host", ""),
        "PORT": str(parts.get("port", "")),
        "NAME": name,
        "USER": parts.get("user", ""),
        "PASSWORD": parts.get("password", ""),
        "OPTIONS": {"connect_timeout": 5},
    }
    role = runtime_role(name)
    runtime = owner | {
        "USER": role,
        "PASSWORD": derive_secret(f"database role {role}", key),
        # Those of iterator() outlive the transaction: behind PgBouncer they are gone by then, and
        # so they are when a loop over all tenants changes its connection.
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {
            "connect_timeout": 5,
            # Django under ASGI runs each request in its own thread, so only a pool keeps connections.
            "pool": {"min_size": 1, "max_size": 12, "timeout": 10},
        },
    }
    return {"default": runtime, "owner": owner}
