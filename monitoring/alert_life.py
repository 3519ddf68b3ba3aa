"""What messages to the operator say of a tenant goes with it. Its own rules, alerts and notifiers go
with its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenants.public_rows import PublicRows, register

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

ABOUT = """
payload -> 'alerts' @> jsonb_build_array(
    jsonb_build_object('tenant', jsonb_build_object('id', %(tenant_id)s::bigint)))
"""
COUNT = f"SELECT count(*) FROM public.monitoring_notification WHERE {ABOUT}"  # noqa: S608
FORGET = f"""
UPDATE public.monitoring_notification SET payload = jsonb_set(payload, '{{alerts}}', coalesce((
    SELECT jsonb_agg(told) FROM jsonb_array_elements(payload -> 'alerts') told
    WHERE (told -> 'tenant' ->> 'id')::bigint IS DISTINCT FROM %(tenant_id)s), '[]'))
WHERE {ABOUT}
"""  # noqa: S608


def register_alert_life() -> None:
    register(PublicRows(count_messages_about, forget_in_messages))


def count_messages_about(cursor: CursorWrapper, tenant_id: int) -> dict[str, int]:
    cursor.execute(COUNT, {"tenant_id": tenant_id})
    return {"messages about alerts": cursor.fetchone()[0]}


def forget_in_messages(cursor: CursorWrapper, tenant_id: int) -> None:
    cursor.execute(FORGET, {"tenant_id": tenant_id})
