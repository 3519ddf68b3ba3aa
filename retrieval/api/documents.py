"""Documents: upload, list, look at, try again, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.exceptions import SuspiciousOperation
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView
from structlog.contextvars import bind_contextvars

from ragadmin.drf import HasScope, Pages, TenantAPIView, tenant_required
from ragadmin.errors import InvalidRequest, RagadminError, TooLarge
from retrieval.selectors import filter_documents, find_document, list_chunks, visible_documents
from retrieval.serializers import (
    BulkResultSerializer,
    BulkSerializer,
    ChunkSerializer,
    DocumentSerializer,
    UploadSerializer,
    UploadsSerializer,
)
from retrieval.services.bulk import FILTERS, Action, Selection, change_documents
from retrieval.services.documents import Upload, delete_document, retry_document, store_upload
from tenants.config import Caller
from tenants.context import tenant_context

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile
    from rest_framework.request import Request

CAN_READ = HasScope("query", "ingest", "admin")
CAN_WRITE = HasScope("ingest")


class ReadOrWrite:
    """Reading takes the scope query, any change the scope ingest."""

    request: Request

    def get_permissions(self) -> list[Any]:
        return [CAN_READ() if self.request.method in {"GET", "HEAD", "OPTIONS"} else CAN_WRITE()]


class DocumentList(ReadOrWrite, APIView):
    """Not under TenantAPIView: each uploaded file is a transaction of its own."""

    pagination_class = Pages

    @extend_schema(
        operation_id="documents_list",
        parameters=[OpenApiParameter(name, str) for name in (*FILTERS, "page", "page_size")],
        responses=DocumentSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Newest first."""
        caller = _caller(request)
        wanted = {name: request.query_params.get(name, "") for name in FILTERS}
        read_uuid("source", wanted["source"])
        pages = Pages()
        with tenant_context(caller.tenant):
            found = filter_documents(visible_documents(caller.access_levels), wanted)
            page = pages.paginate_queryset(found, request, view=self)
            return pages.get_paginated_response(DocumentSerializer(page, many=True).data)

    @extend_schema(
        operation_id="documents_upload",
        request={"multipart/form-data": UploadSerializer},
        responses={202: UploadsSerializer},
    )
    def post(self, request: Request) -> Response:
        """Takes one file or several. A file that cannot be taken does not stop the others; when
        none can, the answer is the first one's error."""
        caller = _caller(request)
        files, paths = _read_form(request)
        level = request.POST.get("access_level", "")
        source_id = read_uuid("source", request.POST.get("source", ""))
        taken = [
            _store(caller, file, path, level, source_id)
            for file, path in zip(files, paths, strict=True)
        ]
        errors = [each for each in taken if isinstance(each, RagadminError)]
        entries = [_as_entry(each, path) for each, path in zip(taken, paths, strict=True)]
        if len(errors) == len(files):
            if len(files) > 1:
                errors[0].extra["documents"] = entries
            raise errors[0]
        return Response({"documents": entries}, status=202)


class DocumentBulk(APIView):
    """Not under TenantAPIView: it takes one transaction after another."""

    permission_classes = (CAN_WRITE,)

    @extend_schema(
        operation_id="documents_bulk", request=BulkSerializer, responses=BulkResultSerializer
    )
    def post(self, request: Request) -> Response:
        """Tries again, deletes or moves many documents: those named, or all that match a filter."""
        caller = _caller(request)
        asked = BulkSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        wanted = {name: str(value) for name, value in values.get("filter", {}).items()}
        outcome = change_documents(
            Action(values["action"]),
            tenant=caller.tenant,
            selection=Selection(caller.access_levels, values.get("ids"), wanted),
            actor=caller.label,
            access_level=values.get("access_level", ""),
        )
        return Response(
            {
                "done": outcome.done,
                "refused": [each.as_json() for each in outcome.refused],
                "refused_count": outcome.refused_count,
                "left": outcome.left,
            }
        )


class DocumentDetail(ReadOrWrite, TenantAPIView):
    @extend_schema(operation_id="documents_retrieve", responses=DocumentSerializer)
    def get(self, request: Request, document_id: UUID) -> Response:
        document = find_document(document_id, self.caller.access_levels)
        return Response(DocumentSerializer(document).data)

    @extend_schema(operation_id="documents_delete", responses={204: None})
    def delete(self, request: Request, document_id: UUID) -> Response:
        """Leaves the search at once. Its file goes too."""
        document = find_document(document_id, self.caller.access_levels)
        delete_document(tenant=self.caller.tenant, document_id=document.pk)
        return Response(status=204)


class DocumentChunks(ReadOrWrite, TenantAPIView):
    pagination_class = Pages

    @extend_schema(
        operation_id="documents_chunks",
        parameters=[OpenApiParameter(name, int) for name in ("page", "page_size")],
        responses=ChunkSerializer(many=True),
    )
    def get(self, request: Request, document_id: UUID) -> Response:
        """The passages as they are searched, in the document's order."""
        levels = self.caller.access_levels
        chunks = list_chunks(find_document(document_id, levels), levels)
        pages = Pages()
        page = pages.paginate_queryset(chunks, request, view=self)
        return pages.get_paginated_response(ChunkSerializer(page, many=True).data)


class DocumentRetry(ReadOrWrite, TenantAPIView):
    @extend_schema(
        operation_id="documents_retry", request=None, responses={202: DocumentSerializer}
    )
    def post(self, request: Request, document_id: UUID) -> Response:
        """Indexes a failed document again."""
        document = find_document(document_id, self.caller.access_levels)
        document = retry_document(tenant=self.caller.tenant, document_id=document.pk)
        return Response(DocumentSerializer(document).data, status=202)


def _caller(request: Request) -> Caller:
    if not isinstance(request.auth, Caller):
        raise tenant_required()
    bind_contextvars(tenant=request.auth.tenant.slug)
    return request.auth


def _read_form(request: Request) -> tuple[list[UploadedFile], list[str]]:
    try:
        files: list[UploadedFile] = request.FILES.getlist("file")
    except SuspiciousOperation as error:
        raise TooLarge(f"{error} Send the files in several requests.") from error
    if not files:
        raise InvalidRequest(
            "No file was sent: send multipart/form-data with one or more parts named file.",
            extra={"field": "file"},
        )
    paths = request.POST.getlist("path") or [file.name or "" for file in files]
    if len(paths) != len(files):
        raise InvalidRequest(
            f"There are {len(files)} files and {len(paths)} paths: send one path for each file, "
            "in the same order, or none.",
            extra={"field": "path"},
        )
    return files, paths


def _store(
    caller: Caller, file: UploadedFile, path: str, level: str, source_id: UUID | None
) -> Upload | RagadminError:
    try:
        return store_upload(
            tenant=caller.tenant,
            file=file,
            path=path,
            access_level=level,
            uploaded_by=caller.label,
            allowed_levels=caller.access_levels,
            source_id=source_id,
        )
    except RagadminError as error:
        return error


def _as_entry(upload: Upload | RagadminError, path: str) -> dict[str, Any]:
    if isinstance(upload, RagadminError):
        return {"path": path, "error": {"code": upload.code, "message": upload.message}}
    return upload.as_json()


def read_uuid(field: str, value: str) -> UUID | None:
    """Raises InvalidRequest."""
    try:
        return UUID(value) if value else None
    except ValueError:
        raise InvalidRequest(f"{field} is the id of a source.", extra={"field": field}) from None
