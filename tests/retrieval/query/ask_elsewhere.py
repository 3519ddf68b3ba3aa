"""Run as a program: asks one question in a process of its own, and prints what it is told."""

from __future__ import annotations

import asyncio
import json
import sys

import django


def tell(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


async def main(wanted):
    from retrieval.query import flight
    from retrieval.query.answer import answer
    from retrieval.query.request import AnswerRequest
    from tests.retrieval.query.asking import changed
    from tests.retrieval.query.conftest import with_model

    # So that others need not wait long after this process is killed.
    flight.LEASE_SECONDS, flight.RENEW_SECONDS = 3.0, 0.5
    caller = with_model(wanted["caller"], wanted["model_url"], wanted["model"])
    caller = changed(caller, query={"llm_cache": False})
    async for event in answer(caller, AnswerRequest(wanted["question"])):
        tell(type(event).__name__)
    tell(event.answer)


if __name__ == "__main__":
    django.setup()
    from tenants.access import tenant_config
    from tenants.config import Caller
    from tenants.models import Tenant

    given = json.loads(sys.argv[1])
    config = tenant_config(Tenant.objects.get(slug=given["slug"]))
    given["caller"] = Caller(config, tuple(given["levels"]), frozenset({"query"}), "elsewhere")
    asyncio.run(main(given))
