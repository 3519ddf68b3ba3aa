"""The real URLconf with routes that somebody could have added: two leak, one has an unknown id."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView

from ragadmin import urls
from retrieval.models import Document
from tenants.context import tenant_context
from tenants.models import Tenant

handler404, handler500 = urls.handler404, urls.handler500


def find_anywhere(document_id):
    for tenant in Tenant.objects.filter(slug__startswith=Tenant.CANARY_PREFIX):
        with tenant_context(tenant):
            if document := Document.objects.filter(pk=document_id).first():
                return document.path
    return None


class LeakyView(APIView):
    def get(self, request, document_id):
        return Response({"path": find_anywhere(document_id)})


def leaky_page(request, slug, document_id):
    return HttpResponse(find_anywhere(document_id))


urlpatterns = [
    path("api/v1/leaky/<uuid:document_id>/", LeakyView.as_view()),
    path("api/v1/unheard/<uuid:thing_id>/", LeakyView.as_view()),
    path("t/<slug:slug>/leaky/<uuid:document_id>/", leaky_page),
    *urls.urlpatterns,
]
