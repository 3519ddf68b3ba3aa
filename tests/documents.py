"""Two small documents at two access levels, indexed for real."""

from __future__ import annotations

import io

from retrieval.indexing.index import index_next_batch
from retrieval.services.documents import store_upload

DOCUMENTS = {
    "guide/passwords.md": (
        "public",
        "# Passwords\n\nA password is reset from the sign-in page. The link is valid for one hour.\n\n"
        "# Sessions\n\nA session ends after two weeks without use.\n",
    ),
    "finance/salaries.md": (
        "internal",
        "# Salaries\n\nSalaries are paid on the 25th of each month by bank transfer.\n",
    ),
}


def upload_and_index(tenant, documents):
    for path, (level, text) in documents.items():
        store_upload(
            tenant=tenant,
            file=io.BytesIO(text.encode()),
            path=path,
            access_level=level,
            uploaded_by="test",
        )
    while index_next_batch("test"):
        pass
