"""One incremental pass of LangChain's indexing API over a folder, into its own Postgres vector store.

Arguments: folder, database URL. Prints {"seconds", "read_seconds", and what index() counted}.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_classic.indexes import SQLRecordManager
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.indexing import index
from langchain_postgres import PGVector
from langchain_text_splitters import RecursiveCharacterTextSplitter
from trivial import PASSAGE_CHARACTERS, embed

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "bench"


class Trivial(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return embed(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        return embed([text])[0].tolist()


def main() -> None:
    folder, url = Path(sys.argv[1]), sys.argv[2].replace("postgresql://", "postgresql+psycopg://")
    batch_size = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    store = PGVector(Trivial(), collection_name=NAME, connection=url, use_jsonb=True)
    records = SQLRecordManager(NAME, db_url=url)
    records.create_schema()
    start = time.perf_counter()
    counts = index(
        passages(folder),
        records,
        store,
        cleanup="full",
        source_id_key="source",
        batch_size=batch_size,
        key_encoder="sha256",
    )
    print(json.dumps({"seconds": time.perf_counter() - start, **counts}))


def passages(folder: Path) -> Iterator[Document]:
    splitter = RecursiveCharacterTextSplitter.from_language(
        "markdown", chunk_size=PASSAGE_CHARACTERS, chunk_overlap=0
    )
    for path in sorted(folder.rglob("*.md")):
        source = Document(path.read_text(), metadata={"source": str(path.relative_to(folder))})
        yield from splitter.split_documents([source])


if __name__ == "__main__":
    main()
