"""Doors of the database, as the runtime role sees it. What is tried is the second line: names are
given as an attacker with a hole in the code would give them, past every filter of ours.

Not tried: SQL that sets ragadmin.tenant_id itself. Who can run any SQL can do that; there is no such
place in the code, and the role is not given to anybody else.
"""

from __future__ import annotations

from django.db import DatabaseError, connection, transaction

from retrieval.canaries.cast import Attempt, Cast  # noqa: TC001 - the door's signature
from retrieval.canaries.doors import Sight, door, survey
from tenants.context import tenant_context
from tenants.models import SchemaVersion
from tenants.tables import tenant_tables

SECTION = "Database"
POLICY = "(tenant_id = (current_setting('ragadmin.tenant_id'::text))::bigint)"
MOST_NAMED = 5

UNPROTECTED = """
SELECT n.nspname || '.' || c.relname FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN public.tenants_schemaversion v ON v.schema_name = n.nspname
WHERE c.relkind IN ('r', 'p') AND NOT (
    c.relrowsecurity AND c.relforcerowsecurity
    AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
    AND NOT EXISTS (
        SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND NOT (
            pg_get_expr(p.polqual, c.oid) IS NOT DISTINCT FROM %(policy)s
            AND pg_get_expr(p.polwithcheck, c.oid) IS NOT DISTINCT FROM %(policy)s)))
ORDER BY 1
"""
ROLE = """
SELECT r.rolsuper, r.rolbypassrls,
    EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid),
    EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)
FROM pg_roles r WHERE r.rolname = current_user
"""
POWERS = ("is a superuser", "bypasses row-level security", "owns tables", "is in another role")


@survey(SECTION, "Row-level security on every table")
def find_unprotected_tables() -> Sight:
    """Each table and partition of each tenant schema has row-level security enabled, forced, and no
    other policy than the tenant's own."""
    with connection.cursor() as cursor:
        cursor.execute(UNPROTECTED, {"policy": POLICY})
        names = [name for (name,) in cursor.fetchall()]
    if not names:
        return Sight(tried=SchemaVersion.objects.count() * len(tenant_tables()))
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return Sight(granted=f"Not protected: {', '.join(names[:MOST_NAMED])}{more}.")


@survey(SECTION, "The runtime role has no powers")
def find_powers_of_the_role() -> Sight:
    """The role that serves requests is no superuser, cannot bypass row-level security, owns no table
    and is in no other role."""
    with connection.cursor() as cursor:
        cursor.execute(ROLE)
        row = cursor.fetchone() or (True,) * len(POWERS)
    powers = [power for power, has_it in zip(POWERS, row, strict=True) if has_it]
    said = f"The role {', '.join(powers)}." if powers else ""
    return Sight(granted=said, tried=len(POWERS))


@door(SECTION, "SQL on another tenant's tables", within=False)
def select_from_tables(cast: Cast, attempt: Attempt) -> Sight:
    """The canary's rows in every table, by its full name, with the visitor's own tenant in force."""
    rows = {table: _rows(attempt, table) for table in tenant_tables()}
    shown = [table for table, found in rows.items() if found]
    return Sight(
        text="\n".join(row for found in rows.values() for row in found),
        granted=f"Rows of the canary in {', '.join(shown)}."
        if shown and attempt.is_foreign
        else "",
        tried=len(rows),
    )


def _rows(attempt: Attempt, table: str) -> list[str]:
    target = attempt.target.tenant
    with tenant_context(attempt.visitor.tenant), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT t::text FROM {_name(attempt, table)} t WHERE tenant_id = %s",  # noqa: S608
            [target.pk],
        )
        return [row for (row,) in cursor.fetchall()]


@door(SECTION, "SQL writes to another tenant's tables", shows_own=False, within=False)
def write_to_tables(cast: Cast, attempt: Attempt) -> Sight:
    """The canary's rows are changed and deleted by their id, and one is forged in its name, with the
    visitor's own tenant in force; whatever that did is rolled back."""
    document = attempt.target.document_ids[0]
    documents, conversations = (
        _name(attempt, f"retrieval_{name}") for name in ("document", "conversation")
    )
    forged = f"gen_random_uuid(), {attempt.target.tenant.pk}"
    changes = [
        (f"UPDATE {documents} SET title = title WHERE id = %s", "update"),  # noqa: S608
        (f"DELETE FROM {documents} WHERE id = %s", "delete"),  # noqa: S608
        (
            f"INSERT INTO {conversations} (id, tenant_id) SELECT {forged} WHERE %s <> ''",
            "insert",
        ),
    ]
    granted = [verb for statement, verb in changes if _changes_rows(attempt, statement, document)]
    said = f"Rows of the canary could be written: {', '.join(granted)}." if granted else ""
    return Sight(granted=said, tried=len(changes))


@door(SECTION, "SQL with no tenant in force", shows_own=False, within=False)
def select_without_tenant(cast: Cast, attempt: Attempt) -> Sight:
    """Every table of the canary by its full name, outside of any tenant: an error, and no rows."""
    open_tables = []
    for table in tenant_tables():
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM {_name(attempt, table)}")  # noqa: S608
        except DatabaseError:
            continue
        open_tables.append(table)
    said = f"Answered without a tenant: {', '.join(open_tables)}." if open_tables else ""
    return Sight(granted=said, tried=len(tenant_tables()))


def _changes_rows(attempt: Attempt, statement: str, document_id: str) -> bool:
    try:
        with tenant_context(attempt.visitor.tenant), connection.cursor() as cursor:
            cursor.execute(statement, [document_id])
            changed = cursor.rowcount > 0
            transaction.set_rollback(True)
    except DatabaseError:
        return False
    return changed


def _name(attempt: Attempt, table: str) -> str:
    return f"{connection.ops.quote_name(attempt.target.tenant.schema_name)}.{table}"
