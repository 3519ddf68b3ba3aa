import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import uuid
from django.db import migrations, models

from tenants.tables import row_level_security

# The values come with a rewrite of the column and not by UPDATE: whoever migrates may be bound by
# row-level security, and then sees no tenant's rows.
FILL_NEW_COLUMNS = """
ALTER TABLE retrieval_document
    ALTER external_id TYPE text USING path,
    ALTER indexed_generation TYPE integer USING CASE WHEN indexed_hash <> '' THEN 1 ELSE 0 END;
"""
# Document frequencies of two generations side by side while one replaces the other.
TERMS_BY_GENERATION = """
ALTER TABLE retrieval_termfrequency ADD generation integer NOT NULL DEFAULT 1 CHECK (generation >= 0);
ALTER TABLE retrieval_termfrequency DROP CONSTRAINT retrieval_termfrequency_pkey;
ALTER TABLE retrieval_termfrequency ADD PRIMARY KEY (tenant_id, generation, term);
"""
# Entries of a few batches are put into the index together, which costs an eighth; a search looks
# through at most these 256 kB of them one by one.
TERMS_INDEX = """
DROP INDEX chunk_terms;
CREATE INDEX chunk_terms ON retrieval_chunk USING gin (terms)
    WITH (fastupdate = on, gin_pending_list_limit = 256);
"""
# As in 0001: no condition is on these columns.
STATISTICS = """
ALTER TABLE retrieval_document ALTER external_id SET STATISTICS 0, ALTER fingerprint SET STATISTICS 0,
    ALTER source_state SET STATISTICS 0, ALTER kept_chunks SET STATISTICS 0;
ALTER TABLE retrieval_syncrun ALTER plan SET STATISTICS 0, ALTER paths SET STATISTICS 0,
    ALTER confirmed SET STATISTICS 0, ALTER timings SET STATISTICS 0;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('retrieval', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='SyncError',
            fields=[
                ('tenant_id', models.BigIntegerField(db_default=django.db.models.functions.comparison.Cast(models.Func(models.Value('ragadmin.tenant_id'), function='current_setting'), models.BigIntegerField()), editable=False)),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('external_id', models.TextField()),
                ('path', models.CharField(max_length=1000)),
                ('code', models.CharField(max_length=40)),
                ('message', models.TextField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
        ),
        migrations.CreateModel(
            name='SyncRun',
            fields=[
                ('tenant_id', models.BigIntegerField(db_default=django.db.models.functions.comparison.Cast(models.Func(models.Value('ragadmin.tenant_id'), function='current_setting'), models.BigIntegerField()), editable=False)),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('needs_confirmation', 'Needs Confirmation'), ('succeeded', 'Succeeded'), ('partial', 'Partial'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='queued', max_length=20)),
                ('stage', models.CharField(blank=True, choices=[('planning', 'Planning'), ('applying', 'Applying'), ('indexing', 'Indexing')], default='', max_length=10)),
                ('trigger', models.CharField(choices=[('manual', 'Manual'), ('schedule', 'Schedule'), ('api', 'Api'), ('command', 'Command'), ('retry', 'Retry')], max_length=10)),
                ('started_by', models.CharField(blank=True, db_default='', default='', max_length=254)),
                ('dry_run', models.BooleanField(db_default=False, default=False)),
                ('full_check', models.BooleanField(db_default=False, default=False)),
                ('retry_of', models.UUIDField(null=True)),
                ('cancel_requested', models.BooleanField(db_default=False, default=False)),
                ('added', models.PositiveIntegerField(db_default=0, default=0)),
                ('updated', models.PositiveIntegerField(db_default=0, default=0)),
                ('deleted', models.PositiveIntegerField(db_default=0, default=0)),
                ('unchanged', models.PositiveIntegerField(db_default=0, default=0)),
                ('failed', models.PositiveIntegerField(db_default=0, default=0)),
                ('embedded_chunks', models.PositiveIntegerField(db_default=0, default=0)),
                ('reused_chunks', models.PositiveIntegerField(db_default=0, default=0)),
                ('embedded_tokens', models.PositiveBigIntegerField(db_default=0, default=0)),
                ('cost_usd', models.DecimalField(decimal_places=9, max_digits=14, null=True)),
                ('plan', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict)),
                ('paths', models.BinaryField(db_default=b'', default=b'')),
                ('timings', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict)),
                ('error_code', models.CharField(blank=True, db_default='', default='', max_length=40)),
                ('error_message', models.TextField(blank=True, db_default='', default='')),
                ('confirmed', models.BinaryField(null=True)),
                ('confirmed_by', models.CharField(blank=True, db_default='', default='', max_length=254)),
                ('undone_at', models.DateTimeField(null=True)),
                ('undone_by', models.CharField(blank=True, db_default='', default='', max_length=254)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('started_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='document',
            name='document_path_once',
        ),
        migrations.AddField(
            model_name='document',
            name='external_id',
            field=models.TextField(default=''),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='document',
            name='fingerprint',
            field=models.CharField(blank=True, db_default='', default='', max_length=300),
        ),
        migrations.AddField(
            model_name='document',
            name='indexed_generation',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='document',
            name='kept_chunks',
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name='document',
            name='removed_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='document',
            name='removed_by',
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name='document',
            name='source_state',
            field=models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict),
        ),
        migrations.AddField(
            model_name='document',
            name='sync_action',
            field=models.CharField(blank=True, choices=[('add', 'Add'), ('update', 'Update'), ('rename', 'Rename'), ('delete', 'Delete'), ('unchanged', 'Unchanged')], db_default='', default='', max_length=10),
        ),
        migrations.AddField(
            model_name='source',
            name='access_level',
            field=models.CharField(blank=True, db_default='', default='', max_length=40),
        ),
        migrations.AddField(
            model_name='source',
            name='config',
            field=models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict),
        ),
        migrations.AddField(
            model_name='source',
            name='created_by',
            field=models.CharField(blank=True, db_default='', default='', max_length=254),
        ),
        migrations.AddField(
            model_name='source',
            name='credentials_encrypted',
            field=models.TextField(blank=True, db_default='', default=''),
        ),
        migrations.AddField(
            model_name='source',
            name='keep_days',
            field=models.PositiveIntegerField(db_default=7, default=7),
        ),
        migrations.AddField(
            model_name='source',
            name='last_full_check_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='source',
            name='max_deleted_share',
            field=models.FloatField(db_default=0.3, default=0.3),
        ),
        migrations.AddField(
            model_name='source',
            name='updated_at',
            field=models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.AlterField(
            model_name='document',
            name='storage_key',
            field=models.CharField(blank=True, db_default='', default='', max_length=300),
        ),
        migrations.AlterField(
            model_name='source',
            name='kind',
            field=models.CharField(max_length=20),
        ),
        migrations.AddField(
            model_name='syncrun',
            name='source',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='retrieval.source'),
        ),
        migrations.AddField(
            model_name='syncerror',
            name='sync_run',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='errors', to='retrieval.syncrun'),
        ),
        migrations.AddField(
            model_name='document',
            name='sync_run',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, to='retrieval.syncrun'),
        ),
        migrations.AddIndex(
            model_name='document',
            index=models.Index(condition=models.Q(('sync_run__isnull', False)), fields=['sync_run', 'status'], name='document_of_run'),
        ),
        migrations.AddIndex(
            model_name='document',
            index=models.Index(fields=['tenant_id', 'content_hash'], name='document_content'),
        ),
        migrations.AddIndex(
            model_name='document',
            index=models.Index(condition=models.Q(('removed_at', None)), fields=['tenant_id', 'updated_at', 'id'], include=('status', 'access_level', 'source', 'error_code', 'size_bytes', 'chunk_count'), name='document_listed'),
        ),
        migrations.AddIndex(
            model_name='document',
            index=models.Index(condition=models.Q(('removed_at', None)), fields=['tenant_id', 'path', 'id'], include=('status', 'access_level', 'source', 'error_code'), name='document_by_path'),
        ),
        migrations.AddIndex(
            model_name='document',
            index=models.Index(condition=models.Q(('removed_at', None)), fields=['tenant_id', 'status', 'access_level', 'source', 'error_code'], name='document_counted'),
        ),
        migrations.AddIndex(
            model_name='document',
            index=models.Index(fields=['tenant_id', '-indexed_at'], name='document_indexed'),
        ),
        migrations.AddIndex(
            model_name='document',
            index=models.Index(condition=models.Q(('chunk_count__gt', 0), ('removed_at__isnull', True)), fields=['tenant_id', 'indexed_generation', 'status'], name='document_behind'),
        ),
        migrations.AddIndex(
            model_name='document',
            index=models.Index(condition=models.Q(('removed_at__isnull', False)), fields=['removed_by'], name='document_kept'),
        ),
        migrations.AddConstraint(
            model_name='document',
            constraint=models.UniqueConstraint(condition=models.Q(('removed_at', None)), fields=('tenant_id', 'source', 'external_id'), name='document_in_source_once'),
        ),
        migrations.AddIndex(
            model_name='syncrun',
            index=models.Index(fields=['tenant_id', '-created_at'], name='sync_run_newest'),
        ),
        migrations.AddIndex(
            model_name='syncrun',
            index=models.Index(fields=['source', '-created_at'], name='sync_run_of_source'),
        ),
        migrations.AddConstraint(
            model_name='syncerror',
            constraint=models.UniqueConstraint(fields=('sync_run', 'external_id'), name='sync_error_once'),
        ),
        migrations.RunSQL(FILL_NEW_COLUMNS, migrations.RunSQL.noop),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TERMS_BY_GENERATION, migrations.RunSQL.noop)],
            state_operations=[
                migrations.DeleteModel(name='TermFrequency'),
                migrations.CreateModel(
                    name='TermFrequency',
                    fields=[
                        ('tenant_id', models.BigIntegerField(db_default=django.db.models.functions.comparison.Cast(models.Func(models.Value('ragadmin.tenant_id'), function='current_setting'), models.BigIntegerField()), editable=False)),
                        ('pk', models.CompositePrimaryKey('tenant_id', 'generation', 'term', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('generation', models.PositiveIntegerField(db_default=1, default=1)),
                        ('term', models.IntegerField()),
                        ('chunks', models.IntegerField()),
                    ],
                    options={'abstract': False},
                ),
            ],
        ),
        migrations.RunSQL(TERMS_INDEX, migrations.RunSQL.noop),
        migrations.RunSQL(STATISTICS, migrations.RunSQL.noop),
        migrations.RunSQL(
            [row_level_security(table) for table in ('retrieval_syncrun', 'retrieval_syncerror')],
            migrations.RunSQL.noop,
        ),
    ]
