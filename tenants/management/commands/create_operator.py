from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from ragadmin.errors import InvalidRequest
from ragadmin.management.base import RagadminCommand
from tenants.keys import OPERATOR_SCOPE, create_api_key
from tenants.models import User
from tenants.services import create_operator

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(RagadminCommand):
    help = "Makes an operator account. Without --password one is made and printed, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--password", default="")
        parser.add_argument(
            "--api-key",
            action="store_true",
            help="print an operator's API key too; for an existing operator, only that",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        result: dict[str, Any] = {"email": options["email"].strip().lower()}
        operator = User.objects.filter(email=result["email"], is_operator=True).first()
        if operator is None or not options["api_key"] or options["password"]:
            password = options["password"] or secrets.token_urlsafe(15)
            _check_password(password)
            operator = create_operator(email=result["email"], password=password)
            result |= {} if options["password"] else {"password": password}
        if options["api_key"]:
            _, result["api_key"] = create_api_key(
                tenant=None, name=operator.email, scopes=[OPERATOR_SCOPE], created_by=operator
            )
        self._report(result, as_json=options["json"])

    def _report(self, result: dict[str, Any], *, as_json: bool) -> None:
        if as_json:
            self.write_json(result)
            return
        for name, value in result.items():
            self.stdout.write(f"{name.replace('_', ' ')}: {value}")


def _check_password(password: str) -> None:
    try:
        validate_password(password)
    except ValidationError as error:
        raise InvalidRequest(" ".join(error.messages), extra={"field": "password"}) from None
