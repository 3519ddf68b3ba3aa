"""Typed readers of environment variables. A bad value names its variable in one line."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from ragadmin.errors import ConfigurationError


def read_str(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def read_int(name: str, default: int, *, minimum: int = 0, maximum: int = 2**31) -> int:
    raw = read_str(name)
    if not raw:
        return default
    try:
        value = int(raw)
    except ValueError:
        raise ConfigurationError(f"{name} must be a whole number, not {raw!r}.") from None
    if not minimum <= value <= maximum:
        raise ConfigurationError(f"{name} must be from {minimum} to {maximum}, not {value}.")
    return value


def read_bool(name: str, default: bool = False) -> bool:
    raw = read_str(name).lower()
    if not raw:
        return default
    if raw in {"1", "true", "yes", "on"}:
        return True
    if raw in {"0", "false", "no", "off"}:
        return False
    raise ConfigurationError(f"{name} must be true or false, not {raw!r}.")


def read_list(name: str, default: tuple[str, ...] = ()) -> list[str]:
    raw = read_str(name)
    return [part.strip() for part in raw.split(",") if part.strip()] if raw else list(default)


def read_hosts(name: str) -> list[str]:
    """Each as `host` or `host:port`."""
    hosts = read_list(name)
    for host in hosts:
        try:
            parts = urlsplit(f"//{host}")
            wrong = parts.netloc != host or not parts.hostname or parts.port == 0 or "@" in host
        except ValueError:
            wrong = True
        if wrong:
            raise ConfigurationError(f"{name} must list hosts as host or host:port, not {host!r}.")
    return hosts


def read_url(name: str, default: str = "", *, schemes: tuple[str, ...]) -> str:
    raw = read_str(name, default)
    if not raw:
        return raw
    parts = urlsplit(raw)
    if parts.scheme not in schemes or not (parts.hostname or parts.path):
        wanted = " or ".join(f"{scheme}://…" for scheme in schemes)
        raise ConfigurationError(f"{name} must look like {wanted}.")
    return raw


def without_secrets(configured: str) -> str:
    """As people may see it: an address without user, password and query."""
    scheme, marks, rest = configured.partition("//")
    authority, slash, path = re.split("[?#]", rest, maxsplit=1)[0].partition("/")
    return scheme + marks + authority.rpartition("@")[2] + slash + path


def read_reranker(name: str) -> str:
    """`none`, `fastembed:NAME` with a model's name or folder, or `http:URL`."""
    raw = read_str(name, "none")
    kind, _, rest = raw.partition(":")
    try:
        parts = urlsplit(raw if rest.startswith("//") else rest)
        is_url = kind in {"http", "https"} and parts.scheme in {"http", "https"} and parts.hostname
    except ValueError:
        is_url = False
    if not (raw == "none" or (kind == "fastembed" and rest) or is_url):
        raise ConfigurationError(f"{name} must be none, fastembed:NAME or http:URL, not {raw!r}.")
    return raw


def read_roots(name: str) -> list[str]:
    """Absolute folders, separated as in PATH or by commas; `{tenant}` stands for a tenant's slug."""
    parts = [part.strip() for part in re.split(f"[,{os.pathsep}]", read_str(name))]
    roots = [Path(os.path.normpath(part)) for part in parts if part]
    for root in roots:
        braces = set("{}") & set(str(root).replace("{tenant}", ""))
        if not root.is_absolute() or root == Path(root.anchor) or braces:
            raise ConfigurationError(
                f"{name} must name absolute folders such as /srv/documents or"
                f" /srv/documents/{{tenant}}, not {str(root)!r}."
            )
    return [str(root) for root in roots]


def read_languages(name: str, default: str) -> list[str]:
    """As tesseract names them: `eng`, `deu`, `chi_sim`, `script/Latin`."""
    languages = [part for part in re.split(r"[,+\s]+", read_str(name, default)) if part]
    for language in languages:
        if not re.fullmatch(r"(script/)?[A-Za-z][A-Za-z_]*", language):
            raise ConfigurationError(
                f"{name} must list languages such as eng,deu, not {language!r}."
            )
    return languages
