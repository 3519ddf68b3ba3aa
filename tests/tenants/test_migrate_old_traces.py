"""A tenant of the version before, brought to this one with what was asked there."""

from __future__ import annotations

from ragadmin.installation import runtime_role
from retrieval.models import QueryTrace
from retrieval.trace_filter import TraceFilter
from tenants.compiled import compiled_migrations
from tenants.context import tenant_context
from tenants.migrate import migrate_schemas
from tenants.models import SchemaVersion
from tenants.schema import owner

BEFORE = "0003_caches"
ASKED = """
INSERT INTO retrieval_querytrace (id, access_levels, question, hits, status)
SELECT gen_random_uuid(), '{public}', 'Which zeppelin ' || n, '[{"document_id": "d"}]', 'succeeded'
FROM generate_series(1, 1200) n;
INSERT INTO retrieval_feedback (trace_id, rating, reason, comment, rated_by, updated_at)
SELECT id, 'down', '', '', '', now() FROM retrieval_querytrace WHERE question LIKE '%% 7'
"""


def go_back(tenant):
    """The tenant's schema as the version before made it, with 1,200 traces of which one is rated."""
    done = [one for one in compiled_migrations() if one.name <= BEFORE]
    name = tenant.schema_name
    role = f'"{runtime_role(owner().settings_dict["NAME"])}"'
    with owner().cursor() as cursor:
        cursor.execute(
            f"BEGIN; SET LOCAL ragadmin.tenant_id = '{tenant.pk}'; DROP SCHEMA {name} CASCADE;"
            f"CREATE SCHEMA {name}; SET LOCAL search_path = {name}, extensions;"
            f"GRANT USAGE ON SCHEMA {name} TO {role};"
            + "\n".join(one.sql for one in done)
            + ASKED.replace("%%", "%")
            + "; COMMIT"
        )
    SchemaVersion.objects.filter(schema_name=name).update(version=BEFORE)


def test_its_traces_are_found_by_the_new_filters(tenant):
    go_back(tenant)
    outcome = migrate_schemas(only=[tenant.schema_name])
    assert (outcome.migrated, outcome.failures) == ([tenant.schema_name], [])
    with tenant_context(tenant):
        traces = QueryTrace.objects.all()
        assert TraceFilter({"q": "zeppelins"}).apply(traces).count() == 1200
        assert TraceFilter({"rating": "down"}).apply(traces).get().question == "Which zeppelin 7"
