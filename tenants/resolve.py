"""Who is calling, for the hot path: plain SQL, no ORM, kept until the configuration changes.

So a steady stream of questions costs no look-up, while a revoked key, a suspended tenant or a changed
setting takes effect in every process within two seconds (tenants.revision).
"""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.utils.crypto import constant_time_compare, salted_hmac

from ragadmin.errors import NotAuthenticated, NotFound, PermissionDenied
from tenants.config import Caller, TenantConfig
from tenants.config_rows import CONFIG_COLUMNS, PROVIDER_JOIN, config_of
from tenants.pool import public_connection
from tenants.revision import FreshValues
from tenants.secrets import hash_key

KEY_QUERY = f"""
    SELECT k.id AS key_id, k.name AS key_name, k.prefix, k.scopes, k.access_levels,
        k.questions_per_minute AS key_questions_per_minute, {CONFIG_COLUMNS}
    FROM tenants_apikey k JOIN tenants_tenant t ON t.id = k.tenant_id {PROVIDER_JOIN}
    WHERE k.key_hash = %s AND k.revoked_at IS NULL
"""  # noqa: S608
TOUCH_KEY = """
    UPDATE tenants_apikey SET last_used_at = now()
    WHERE id = %s AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
"""
SESSION_QUERY = (
    "SELECT session_data FROM django_session WHERE session_key = %s AND expire_date > now()"
)
MEMBER_QUERY = f"""
    SELECT u.id AS user_id, u.email, u.password, u.is_operator, m.role, m.access_levels, {CONFIG_COLUMNS}
    FROM tenants_tenant t {PROVIDER_JOIN} JOIN tenants_user u ON u.id = %s AND u.is_active
    LEFT JOIN tenants_membership m ON m.tenant_id = t.id AND m.user_id = u.id
    WHERE t.slug = %s
"""  # noqa: S608


class SessionStore(SessionBase):
    """Only decodes. Named as Django's own store is, because the name salts the signature."""


_callers = FreshValues()


async def caller_for_key(key: str) -> Caller:
    """Raises NotAuthenticated for an unknown or revoked key, PermissionDenied if suspended."""
    key_hash = hash_key(key)
    return await _callers.get(("key", key_hash), lambda: _load_key(key_hash))


async def caller_for_session(session_key: str, slug: str) -> Caller:
    """Raises NotAuthenticated without a live session, NotFound for a stranger to the tenant."""
    return await _callers.get(
        ("session", session_key, slug), lambda: _load_session(session_key, slug)
    )


async def _load_key(key_hash: str) -> Caller:
    async with public_connection() as connection:
        row = await (await connection.execute(KEY_QUERY, [key_hash])).fetchone()
        if row is None:
            raise NotAuthenticated(
                "This API key is not known or was revoked: create one on the tenant's API keys page.",
                code="invalid_api_key",
            )
        await connection.execute(TOUCH_KEY, [row["key_id"]])
    return Caller(
        tenant=_tenant(row),
        access_levels=_still_existing(row["access_levels"], row["tenant_levels"]),
        scopes=frozenset(row["scopes"]),
        label=f"{row['key_name']} ({row['prefix']}…)",
        api_key_id=str(row["key_id"]),
        questions_per_minute=row["key_questions_per_minute"],
        may_tune="admin" in row["scopes"],
    )


async def _load_session(session_key: str, slug: str) -> Caller:
    async with public_connection() as connection:
        found = await (await connection.execute(SESSION_QUERY, [session_key])).fetchone()
        session = SessionStore().decode(found["session_data"]) if found else {}
        user_id = session.get("_auth_user_id")
        if not user_id:
            raise _signed_out()
        row = await (await connection.execute(MEMBER_QUERY, [int(user_id), slug])).fetchone()
    if row is None or not (row["role"] or row["is_operator"]):
        raise NotFound(f"There is no tenant {slug!r} that you belong to.")
    if not constant_time_compare(
        session.get("_auth_user_hash", ""), _password_hash(row["password"])
    ):
        raise _signed_out()
    levels = row["tenant_levels"] if row["is_operator"] else row["access_levels"]
    return Caller(
        tenant=_tenant(row, for_operator=row["is_operator"]),
        access_levels=_still_existing(levels, row["tenant_levels"]),
        scopes=frozenset({"query"}),
        label=row["email"],
        user_id=row["user_id"],
        may_tune=row["is_operator"] or row["role"] in ("admin", "owner"),
    )


def _tenant(row: dict[str, Any], *, for_operator: bool = False) -> TenantConfig:
    """Raises PermissionDenied for a suspended tenant, which only operators enter."""
    if row["status"] != "active" and not for_operator:
        raise PermissionDenied(
            f"The tenant {row['slug']} is suspended: ask the operator to resume it.",
            code="tenant_suspended",
        )
    return config_of(row)


def _still_existing(levels: list[str], of_tenant: list[str]) -> tuple[str, ...]:
    return tuple(level for level in levels if level in of_tenant)


def _password_hash(password: str) -> str:
    """What Django's AbstractBaseUser.get_session_auth_hash() gives for this password."""
    salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"
    digest = salted_hmac(salt, password, algorithm="sha256")  # pyright: ignore[reportCallIssue]
    return digest.hexdigest()


def _signed_out() -> NotAuthenticated:
    return NotAuthenticated("You are signed out: sign in again.", code="signed_out")
