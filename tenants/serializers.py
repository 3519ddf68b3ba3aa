"""What the tenants API takes and gives."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tenants.keys import MOST_QUESTIONS, TENANT_SCOPES
from tenants.models import ApiKey, Membership, Provider, Tenant, TenantMove
from tenants.query_settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields it does not know: a misspelt setting must not be taken for a saved one."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, dict):
            self._refuse_unknown(data)
        return super().to_internal_value(data)

    def _refuse_unknown(self, data: Mapping[str, Any]) -> None:
        known = {name for name, field in self.fields.items() if not field.read_only}
        unknown = sorted(set(data) - known)
        if unknown:
            raise serializers.ValidationError(
                {name: [f"Unknown field. Known: {', '.join(sorted(known))}."] for name in unknown}
            )


def levels_field(**options: Any) -> Any:
    return serializers.ListField(
        child=serializers.CharField(max_length=40), max_length=20, **options
    )


def per_minute_field() -> Any:
    return serializers.IntegerField(
        min_value=1,
        max_value=MOST_QUESTIONS,
        allow_null=True,
        required=False,
        help_text="How many questions may be asked a minute; null: no limit.",
    )


class NextSettingsSerializer(serializers.Serializer[Tenant]):
    embedding_model = serializers.CharField(source="next_embedding_model", read_only=True)
    embedding_dimension = serializers.IntegerField(
        source="next_embedding_dimension", read_only=True
    )
    chunk_tokens = serializers.IntegerField(source="next_chunk_tokens", read_only=True)
    started_at = serializers.DateTimeField(source="next_started_at", read_only=True)


class TenantSerializer(serializers.ModelSerializer[Tenant]):
    provider = serializers.SlugRelatedField(slug_field="name", read_only=True, allow_null=True)
    access_levels = levels_field()
    next = serializers.SerializerMethodField(
        help_text="The settings that documents are being indexed anew with; null: none."
    )
    query_settings = serializers.SerializerMethodField(
        help_text="How questions are searched, cached and answered: every setting as it is in force."
    )

    class Meta:
        model = Tenant
        fields = (
            "slug",
            "name",
            "status",
            "isolation",
            "access_levels",
            "embedding_model",
            "embedding_dimension",
            "chunk_tokens",
            "next",
            "top_k",
            "min_similarity",
            "provider",
            "timezone",
            "questions_per_minute",
            "query_settings",
            "corpus_revision",
            "created_at",
        )
        read_only_fields = fields

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_query_settings(self, tenant: Tenant) -> dict[str, Any]:
        return asdict(read_settings(tenant.query_settings))

    @extend_schema_field(NextSettingsSerializer(allow_null=True))
    def get_next(self, tenant: Tenant) -> dict[str, Any] | None:
        return NextSettingsSerializer(tenant).data if tenant.next_generation else None


class TenantCreateSerializer(StrictSerializer):
    slug = serializers.CharField(max_length=40)
    name = serializers.CharField(max_length=200, required=False, default="")
    isolation = serializers.ChoiceField(Tenant.Isolation.choices, default=Tenant.Isolation.SCHEMA)
    embedding_model = serializers.CharField(max_length=120, required=False, default="")


class TenantChangeSerializer(StrictSerializer):
    """Every field is optional; `provider: null` goes back to the installation's default.

    Another `embedding_model` or `chunk_tokens` indexes all documents anew in the background, and is
    in force when that is done: until then `next` says what is being made.
    """

    name = serializers.CharField(max_length=200, required=False)
    status = serializers.ChoiceField(Tenant.Status.choices, required=False)
    top_k = serializers.IntegerField(min_value=1, max_value=50, required=False)
    min_similarity = serializers.FloatField(min_value=0, max_value=1, required=False)
    chunk_tokens = serializers.IntegerField(min_value=50, max_value=2000, required=False)
    embedding_model = serializers.CharField(max_length=120, required=False)
    access_levels = levels_field(required=False)
    provider = serializers.SlugRelatedField(
        slug_field="name", queryset=Provider.objects.all(), allow_null=True, required=False
    )
    timezone = serializers.CharField(max_length=60, required=False)
    questions_per_minute = per_minute_field()
    query_settings = serializers.DictField(
        required=False, help_text="The settings that change, by name; the others stay."
    )


class MoveCreateSerializer(StrictSerializer):
    to = serializers.ChoiceField(Tenant.Isolation.choices)


class MoveSerializer(serializers.ModelSerializer[TenantMove]):
    class Meta:
        model = TenantMove
        fields = (
            "from_isolation",
            "to_isolation",
            "status",
            "stage",
            "rows_total",
            "rows_copied",
            "error",
            "moved_by",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields


class KeySerializer(serializers.ModelSerializer[ApiKey]):
    scopes = serializers.ListField(child=serializers.CharField(), read_only=True)
    access_levels = levels_field(read_only=True)

    class Meta:
        model = ApiKey
        fields = (
            "id",
            "name",
            "prefix",
            "scopes",
            "access_levels",
            "questions_per_minute",
            "created_at",
            "last_used_at",
            "revoked_at",
        )
        read_only_fields = fields


class KeyCreateSerializer(StrictSerializer):
    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(TENANT_SCOPES), allow_empty=False, default=["query"]
    )
    access_levels = levels_field(required=False, default=list)
    questions_per_minute = per_minute_field()


class NewKeySerializer(KeySerializer):
    key = serializers.CharField(read_only=True, help_text="Shown this once; only a hash is kept.")

    class Meta(KeySerializer.Meta):
        fields = (*KeySerializer.Meta.fields, "key")
        read_only_fields = fields


class MemberSerializer(serializers.ModelSerializer[Membership]):
    email = serializers.EmailField(source="user.email", read_only=True)
    access_levels = levels_field(read_only=True)

    class Meta:
        model = Membership
        fields = ("id", "email", "role", "access_levels", "created_at")
        read_only_fields = fields


class MemberCreateSerializer(StrictSerializer):
    """Without `access_levels` the member gets those of the caller."""

    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(Membership.Role.choices, default=Membership.Role.MEMBER)
    access_levels = levels_field(required=False, default=list)


class MemberChangeSerializer(StrictSerializer):
    role = serializers.ChoiceField(Membership.Role.choices, required=False)
    access_levels = levels_field(required=False)


class NewMemberSerializer(MemberSerializer):
    initial_password = serializers.CharField(
        read_only=True, help_text="For a person who is new here; shown this once. Otherwise empty."
    )

    class Meta(MemberSerializer.Meta):
        fields = (*MemberSerializer.Meta.fields, "initial_password")
        read_only_fields = fields


class RemovalSerializer(serializers.Serializer[Any]):
    """Counts by kind; `after` is zero throughout."""

    slug = serializers.CharField()
    before = serializers.DictField(child=serializers.IntegerField())
    after = serializers.DictField(child=serializers.IntegerField())
    notes = serializers.ListField(child=serializers.CharField())
