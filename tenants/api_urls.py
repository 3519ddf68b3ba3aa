from __future__ import annotations

from django.urls import path

from tenants import api
from tenants.budget_api import BudgetView, TenantBudgetView

urlpatterns = [
    path("tenants/", api.TenantList.as_view()),
    path("tenants/<slug:slug>/", api.TenantDetail.as_view()),
    path("tenants/<slug:slug>/budget/", TenantBudgetView.as_view()),
    path("tenants/<slug:slug>/move/", api.TenantMoveView.as_view()),
    path("tenants/<slug:slug>/keys/", api.KeyList.as_view()),
    path("tenants/<slug:slug>/keys/<uuid:key_id>/", api.KeyDetail.as_view()),
    path("budget/", BudgetView.as_view()),
    path("members/", api.MemberList.as_view()),
    path("members/<int:member_id>/", api.MemberDetail.as_view()),
]
