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
