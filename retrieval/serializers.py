"""Documents as the API shows them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from retrieval.models import Chunk, Document


class DocumentErrorSerializer(serializers.Serializer[dict[str, str]]):
    code = serializers.CharField()
    message = serializers.CharField()


class DocumentSerializer(serializers.ModelSerializer[Document]):
    source = serializers.UUIDField(source="source_id")
    error = serializers.SerializerMethodField()

    class Meta:
        model = Document
        fields = (
            "id",
            "path",
            "title",
            "status",
            "stage",
            "access_level",
            "source",
            "media_type",
            "size_bytes",
            "page_count",
            "chunk_count",
            "token_count",
            "content_hash",
            "created_at",
            "indexed_at",
            "error",
        )
        read_only_fields = fields

    @extend_schema_field(DocumentErrorSerializer(allow_null=True))
    def get_error(self, document: Document) -> dict[str, str] | None:
        """Why it failed; while it is queued, why it is tried again."""
        if not document.error_code:
            return None
        return {"code": document.error_code, "message": document.error_message}


class ChunkSerializer(serializers.ModelSerializer[Chunk]):
    class Meta:
        model = Chunk
        fields = (
            "id",
            "ordinal",
            "text",
            "heading_path",
            "start_char",
            "end_char",
            "token_count",
            "access_level",
        )
        read_only_fields = fields


class UploadSerializer(serializers.Serializer[Any]):
    """The form of an upload, for the schema. Each file is judged by itself."""

    file = serializers.ListField(child=serializers.FileField())
    access_level = serializers.CharField()
    path = serializers.ListField(child=serializers.CharField(), required=False)
    source = serializers.UUIDField(required=False)


class UploadedSerializer(serializers.Serializer[Any]):
    """`id`, `status` and `result` of a file that was taken, `error` of one that was not."""

    id = serializers.UUIDField(required=False)
    path = serializers.CharField()
    status = serializers.CharField(required=False)
    result = serializers.ChoiceField(choices=["new", "replaced", "unchanged"], required=False)
    error = DocumentErrorSerializer(required=False)


class UploadsSerializer(serializers.Serializer[Any]):
    documents = UploadedSerializer(many=True)


class DocumentFilterSerializer(serializers.Serializer[Any]):
    """As the list is filtered. Empty: every document that the caller may see."""

    status = serializers.ChoiceField(choices=Document.Status.values, required=False)
    source = serializers.UUIDField(required=False)
    access_level = serializers.CharField(required=False)
    error_code = serializers.CharField(required=False)
    q = serializers.CharField(required=False)

    def to_internal_value(self, data: Any) -> Any:
        """A misspelled filter would mean every document."""
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            raise serializers.ValidationError(
                {str(unknown[0]): ["There is no such filter: " + ", ".join(self.fields) + "."]}
            )
        return super().to_internal_value(data)


class BulkSerializer(serializers.Serializer[Any]):
    """Either `ids` or `filter` says which documents."""

    action = serializers.ChoiceField(choices=["retry", "delete", "set_access_level"])
    ids = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=1000)
    filter = DocumentFilterSerializer(required=False)
    access_level = serializers.CharField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("ids" in attrs) == ("filter" in attrs):
            raise serializers.ValidationError("Say which documents: send either ids or filter.")
        if (attrs["action"] == "set_access_level") != ("access_level" in attrs):
            raise serializers.ValidationError(
                "access_level goes with the action set_access_level, and only with it."
            )
        return attrs


class RefusedSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    code = serializers.CharField()
    message = serializers.CharField()


class BulkResultSerializer(serializers.Serializer[Any]):
    """With a filter, `refused` names the first 100 of `refused_count`. `left` could not be done in
    the time that one request has: send it again."""

    done = serializers.IntegerField()
    refused = RefusedSerializer(many=True)
    refused_count = serializers.IntegerField()
    left = serializers.IntegerField()
