import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import pgvector.django.halfvec
import pgvector.django.sparsevec
import uuid
from django.db import migrations, models

from tenants.tables import row_level_security

# Partitioned from the first day, so that a pool of tenants can give each one its own partition.
# A sequence and not an identity column: identity on partitioned tables needs PostgreSQL 17.
# The key to documents names the tenant, so that a document's deletion looks at one partition only,
# and no chunk can belong to another tenant's document.
CREATE_CHUNK = """
ALTER TABLE retrieval_document ADD CONSTRAINT document_of_tenant UNIQUE (tenant_id, id);
CREATE SEQUENCE retrieval_chunk_id_seq;
CREATE TABLE retrieval_chunk (
    tenant_id bigint NOT NULL DEFAULT current_setting('ragadmin.tenant_id')::bigint,
    id bigint NOT NULL DEFAULT nextval('retrieval_chunk_id_seq'),
    document_id uuid NOT NULL,
    generation integer NOT NULL DEFAULT 1,
    ordinal integer NOT NULL,
    text text NOT NULL,
    heading_path text NOT NULL,
    start_char integer NOT NULL,
    end_char integer NOT NULL,
    content_hash varchar(64) NOT NULL,
    token_count integer NOT NULL,
    access_level varchar(40) NOT NULL,
    embedding halfvec NOT NULL,
    terms integer[] NOT NULL,
    term_weights sparsevec NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, document_id) REFERENCES retrieval_document (tenant_id, id)
        ON DELETE CASCADE
) PARTITION BY LIST (tenant_id);
ALTER SEQUENCE retrieval_chunk_id_seq OWNED BY retrieval_chunk.id;
CREATE TABLE retrieval_chunk_default PARTITION OF retrieval_chunk DEFAULT;
CREATE UNIQUE INDEX chunk_place ON retrieval_chunk (tenant_id, document_id, generation, ordinal);
CREATE INDEX chunk_content ON retrieval_chunk (tenant_id, content_hash);
CREATE INDEX chunk_terms ON retrieval_chunk USING gin (terms) WITH (fastupdate = off);
"""

# No condition is on these columns, so their statistics serve no plan. But every backend would keep
# them for each tenant that it serves (a third of a megabyte, a hundred vectors among them), and the
# catalog too. Of `terms` it takes only which are common.
STATISTICS = """
ALTER TABLE retrieval_chunk ALTER embedding SET STATISTICS 0, ALTER term_weights SET STATISTICS 0,
    ALTER text SET STATISTICS 0, ALTER heading_path SET STATISTICS 0,
    ALTER content_hash SET STATISTICS 0, ALTER terms SET STATISTICS 10;
ALTER TABLE retrieval_document ALTER markdown SET STATISTICS 0, ALTER title SET STATISTICS 0,
    ALTER content_hash SET STATISTICS 0, ALTER indexed_hash SET STATISTICS 0,
    ALTER storage_key SET STATISTICS 0;
ALTER TABLE retrieval_querytrace ALTER question SET STATISTICS 0, ALTER answer SET STATISTICS 0,
    ALTER citations SET STATISTICS 0, ALTER hits SET STATISTICS 0, ALTER spans SET STATISTICS 0,
    ALTER cost_usd SET STATISTICS 0;
"""

TABLES = [
    "retrieval_source",
    "retrieval_document",
    "retrieval_chunk",
    "retrieval_chunk_default",
    "retrieval_termfrequency",
    "retrieval_conversation",
    "retrieval_querytrace",
    "retrieval_feedback",
]


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Conversation',
            fields=[
                ('tenant_id', models.BigIntegerField(db_default=django.db.models.functions.comparison.Cast(models.Func(models.Value('ragadmin.tenant_id'), function='current_setting'), models.BigIntegerField()), editable=False)),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('user_id', models.BigIntegerField(null=True)),
                ('api_key_id', models.UUIDField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Document',
            fields=[
                ('tenant_id', models.BigIntegerField(db_default=django.db.models.functions.comparison.Cast(models.Func(models.Value('ragadmin.tenant_id'), function='current_setting'), models.BigIntegerField()), editable=False)),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('path', models.CharField(max_length=1000)),
                ('title', models.CharField(blank=True, default='', max_length=500)),
                ('access_level', models.CharField(max_length=40)),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('indexing', 'Indexing'), ('ready', 'Ready'), ('failed', 'Failed')], default='queued', max_length=10)),
                ('stage', models.CharField(blank=True, default='', max_length=20)),
                ('error_code', models.CharField(blank=True, default='', max_length=20)),
                ('error_message', models.TextField(blank=True, default='')),
                ('content_hash', models.CharField(max_length=64)),
                ('indexed_hash', models.CharField(blank=True, default='', max_length=64)),
                ('media_type', models.CharField(blank=True, default='', max_length=120)),
                ('size_bytes', models.BigIntegerField()),
                ('storage_key', models.CharField(max_length=300)),
                ('markdown', models.TextField(blank=True, default='')),
                ('page_count', models.PositiveIntegerField(null=True)),
                ('chunk_count', models.PositiveIntegerField(default=0)),
                ('token_count', models.PositiveIntegerField(default=0)),
                ('uploaded_by', models.CharField(blank=True, default='', max_length=254)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('indexed_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(CREATE_CHUNK, migrations.RunSQL.noop)],
            state_operations=[
                migrations.CreateModel(
                    name='Chunk',
                    fields=[
                        ('tenant_id', models.BigIntegerField(db_default=django.db.models.functions.comparison.Cast(models.Func(models.Value('ragadmin.tenant_id'), function='current_setting'), models.BigIntegerField()), editable=False)),
                        ('id', models.BigAutoField(primary_key=True, serialize=False)),
                        ('generation', models.PositiveIntegerField(db_default=1, default=1)),
                        ('ordinal', models.PositiveIntegerField()),
                        ('text', models.TextField()),
                        ('heading_path', models.TextField(blank=True, default='')),
                        ('start_char', models.PositiveIntegerField()),
                        ('end_char', models.PositiveIntegerField()),
                        ('content_hash', models.CharField(max_length=64)),
                        ('token_count', models.PositiveIntegerField()),
                        ('access_level', models.CharField(max_length=40)),
                        ('embedding', pgvector.django.halfvec.HalfVectorField()),
                        ('terms', django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), size=None)),
                        ('term_weights', pgvector.django.sparsevec.SparseVectorField()),
                        ('document', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='retrieval.document')),
                    ],
                    options={
                        'abstract': False,
                    },
                ),
            ],
        ),
        migrations.CreateModel(
            name='QueryTrace',
            fields=[
                ('tenant_id', models.BigIntegerField(db_default=django.db.models.functions.comparison.Cast(models.Func(models.Value('ragadmin.tenant_id'), function='current_setting'), models.BigIntegerField()), editable=False)),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('user_id', models.BigIntegerField(null=True)),
                ('api_key_id', models.UUIDField(null=True)),
                ('asked_by', models.CharField(blank=True, db_default='', default='', max_length=254)),
                ('access_levels', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), size=None)),
                ('status', models.CharField(choices=[('running', 'Running'), ('succeeded', 'Succeeded'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], db_default='running', max_length=10)),
                ('error_code', models.CharField(blank=True, db_default='', default='', max_length=40)),
                ('error_message', models.TextField(blank=True, db_default='', default='')),
                ('question', models.TextField()),
                ('answer', models.TextField(blank=True, db_default='', default='')),
                ('citations', models.JSONField(db_default=models.Value([], models.JSONField()), default=list)),
                ('hits', models.JSONField(db_default=models.Value([], models.JSONField()), default=list)),
                ('spans', models.JSONField(db_default=models.Value([], models.JSONField()), default=list)),
                ('model', models.CharField(blank=True, db_default='', default='', max_length=120)),
                ('tier', models.CharField(blank=True, db_default='', default='', max_length=20)),
                ('route_reason', models.CharField(blank=True, db_default='', default='', max_length=300)),
                ('cache', models.CharField(db_default='none', default='none', max_length=10)),
                ('similarity_avg', models.FloatField(null=True)),
                ('similarity_max', models.FloatField(null=True)),
                ('input_tokens', models.IntegerField(db_default=0, default=0)),
                ('output_tokens', models.IntegerField(db_default=0, default=0)),
                ('cost_usd', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict)),
                ('total_cost_usd', models.DecimalField(decimal_places=9, max_digits=14, null=True)),
                ('duration_ms', models.FloatField(null=True)),
                ('first_token_ms', models.FloatField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('conversation', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to='retrieval.conversation')),
            ],
        ),
        migrations.CreateModel(
            name='Feedback',
            fields=[
                ('tenant_id', models.BigIntegerField(db_default=django.db.models.functions.comparison.Cast(models.Func(models.Value('ragadmin.tenant_id'), function='current_setting'), models.BigIntegerField()), editable=False)),
                ('rating', models.CharField(choices=[('up', 'Up'), ('down', 'Down')], max_length=4)),
                ('reason', models.CharField(blank=True, default='', max_length=40)),
                ('comment', models.TextField(blank=True, default='')),
                ('rated_by', models.CharField(blank=True, default='', max_length=254)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('trace', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, serialize=False, to='retrieval.querytrace')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Source',
            fields=[
                ('tenant_id', models.BigIntegerField(db_default=django.db.models.functions.comparison.Cast(models.Func(models.Value('ragadmin.tenant_id'), function='current_setting'), models.BigIntegerField()), editable=False)),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('kind', models.CharField(choices=[('upload', 'Upload')], max_length=10)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('tenant_id', 'name'), name='source_name_once')],
            },
        ),
        migrations.AddField(
            model_name='document',
            name='source',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='retrieval.source'),
        ),
        migrations.CreateModel(
            name='TermFrequency',
            fields=[
                ('tenant_id', models.BigIntegerField(db_default=django.db.models.functions.comparison.Cast(models.Func(models.Value('ragadmin.tenant_id'), function='current_setting'), models.BigIntegerField()), editable=False)),
                ('pk', models.CompositePrimaryKey('tenant_id', 'term', blank=True, editable=False, primary_key=True, serialize=False)),
                ('term', models.IntegerField()),
                ('chunks', models.IntegerField()),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.AddIndex(
            model_name='querytrace',
            index=models.Index(fields=['tenant_id', '-created_at'], name='trace_newest'),
        ),
        migrations.AddIndex(
            model_name='querytrace',
            index=models.Index(fields=['conversation', 'created_at'], name='trace_conversation'),
        ),
        migrations.AddIndex(
            model_name='querytrace',
            index=models.Index(condition=models.Q(('status', 'running')), fields=['created_at'], name='trace_running'),
        ),
        migrations.AddIndex(
            model_name='document',
            index=models.Index(fields=['tenant_id', '-created_at'], name='document_newest'),
        ),
        migrations.AddConstraint(
            model_name='document',
            constraint=models.UniqueConstraint(fields=('tenant_id', 'source', 'path'), name='document_path_once'),
        ),
        migrations.RunSQL(STATISTICS, migrations.RunSQL.noop),
        migrations.RunSQL([row_level_security(table) for table in TABLES], migrations.RunSQL.noop),
    ]
