from __future__ import annotations

from django.db import migrations

# Every change that decides who may ask what, and with which settings, raises one number when it
# commits: a sequence would move on before. What is new needs no entry, because a process that knew
# of nothing kept nothing. Columns that change all the time (last use, corpus revision) are left out.
TRIGGERS = {
    "tenants_tenant": (
        "DELETE OR UPDATE OF slug, name, schema_name, status, access_levels, embedding_model,"
        " embedding_dimension, chunk_tokens, top_k, min_similarity, provider_id",
        "",
    ),
    "tenants_apikey": ("DELETE OR UPDATE OF scopes, access_levels, revoked_at, name", ""),
    "tenants_membership": ("DELETE OR UPDATE", ""),
    "tenants_provider": ("INSERT OR DELETE OR UPDATE", ""),
    "tenants_user": ("DELETE OR UPDATE OF password, is_active, is_operator, email", ""),
    "django_session": ("DELETE", "WHEN (OLD.expire_date > now())"),
}
CREATE = """
CREATE TABLE tenants_configurationrevision (
    id integer PRIMARY KEY CHECK (id = 1),
    revision bigint NOT NULL
);
INSERT INTO tenants_configurationrevision VALUES (1, 1);
CREATE FUNCTION tenants_configuration_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS
    $$ BEGIN UPDATE tenants_configurationrevision SET revision = revision + 1; RETURN NULL; END $$;
""" + "\n".join(
    f"CREATE CONSTRAINT TRIGGER configuration_changed AFTER {events} ON {table}"
    f" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW {condition}"
    " EXECUTE FUNCTION tenants_configuration_changed();"
    for table, (events, condition) in TRIGGERS.items()
)
DROP = (
    "DROP FUNCTION tenants_configuration_changed() CASCADE; DROP TABLE tenants_configurationrevision"
)


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial"), ("sessions", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
