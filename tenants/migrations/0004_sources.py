import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('django_celery_beat', '0019_alter_periodictasks_options'),
        ('tenants', '0003_vector_index'),
    ]

    operations = [
        migrations.CreateModel(
            name='SyncJob',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source_id', models.UUIDField()),
                ('run_id', models.UUIDField()),
                ('attempts', models.PositiveIntegerField(db_default=0, default=0)),
                ('available_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('lease_until', models.DateTimeField(null=True)),
                ('lease_holder', models.CharField(blank=True, db_default='', default='', max_length=200)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
        ),
        migrations.CreateModel(
            name='SyncSchedule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source_id', models.UUIDField()),
                ('is_paused', models.BooleanField(db_default=False, default=False)),
                ('next_run_at', models.DateTimeField()),
                ('purge_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
        ),
        migrations.RemoveIndex(
            model_name='documentjob',
            name='document_job_available',
        ),
        migrations.AddField(
            model_name='documentjob',
            name='priority',
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='tenant',
            name='generation',
            field=models.PositiveIntegerField(db_default=1, default=1, editable=False),
        ),
        migrations.AddField(
            model_name='tenant',
            name='next_chunk_tokens',
            field=models.PositiveIntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='tenant',
            name='next_embedding_dimension',
            field=models.PositiveIntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='tenant',
            name='next_embedding_model',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=120),
        ),
        migrations.AddField(
            model_name='tenant',
            name='next_generation',
            field=models.PositiveIntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='tenant',
            name='next_started_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='tenant',
            name='stale_chunks_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name='tenant',
            index=models.Index(condition=models.Q(('next_generation__isnull', False)), fields=['next_started_at'], name='tenant_reindexing'),
        ),
        migrations.AddIndex(
            model_name='tenant',
            index=models.Index(condition=models.Q(('stale_chunks_at__isnull', False)), fields=['stale_chunks_at'], name='tenant_stale_chunks'),
        ),
        migrations.AddIndex(
            model_name='documentjob',
            index=models.Index(fields=['tenant', 'priority', 'available_at', 'id'], name='document_job_turn'),
        ),
        migrations.AddIndex(
            model_name='documentjob',
            index=models.Index(condition=models.Q(('lease_until__isnull', False)), fields=['tenant', 'lease_until'], name='document_job_leased'),
        ),
        migrations.AddField(
            model_name='syncjob',
            name='tenant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='tenants.tenant'),
        ),
        migrations.AddField(
            model_name='syncschedule',
            name='crontab',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to='django_celery_beat.crontabschedule'),
        ),
        migrations.AddField(
            model_name='syncschedule',
            name='interval',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to='django_celery_beat.intervalschedule'),
        ),
        migrations.AddField(
            model_name='syncschedule',
            name='tenant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='tenants.tenant'),
        ),
        migrations.AddIndex(
            model_name='syncjob',
            index=models.Index(fields=['available_at', 'id'], name='sync_job_available'),
        ),
        migrations.AddIndex(
            model_name='syncschedule',
            index=models.Index(condition=models.Q(('is_paused', False)), fields=['next_run_at'], name='sync_schedule_due'),
        ),
        migrations.AddIndex(
            model_name='syncschedule',
            index=models.Index(fields=['purge_at'], name='sync_schedule_purge'),
        ),
        migrations.AddConstraint(
            model_name='syncjob',
            constraint=models.UniqueConstraint(fields=('tenant', 'source_id'), name='one_run_a_source'),
        ),
        migrations.AddConstraint(
            model_name='syncschedule',
            constraint=models.UniqueConstraint(fields=('tenant', 'source_id'), name='one_schedule_a_source'),
        ),
        migrations.AddConstraint(
            model_name='syncschedule',
            constraint=models.CheckConstraint(condition=models.Q(('interval', None), ('crontab', None), _connector='XOR'), name='interval_or_crontab'),
        ),
        # What processes keep of a tenant names the generation that is searched.
        migrations.RunSQL(
            "CREATE CONSTRAINT TRIGGER generation_changed AFTER UPDATE OF generation ON tenants_tenant"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
            " EXECUTE FUNCTION tenants_configuration_changed()",
            "DROP TRIGGER generation_changed ON tenants_tenant",
        ),
    ]
