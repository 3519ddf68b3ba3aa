from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0002_configuration_revision'),
    ]

    operations = [
        migrations.AddField(
            model_name='tenant',
            name='hnsw_ef',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name='tenant',
            name='vector_checked_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='tenant',
            name='vector_recall',
            field=models.FloatField(editable=False, null=True),
        ),
        # A new index, or none any more, is a change that web processes have to see.
        migrations.RunSQL(
            "CREATE CONSTRAINT TRIGGER vector_index_changed AFTER UPDATE OF hnsw_ef ON tenants_tenant"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
            " EXECUTE FUNCTION tenants_configuration_changed()",
            "DROP TRIGGER vector_index_changed ON tenants_tenant",
        ),
    ]
