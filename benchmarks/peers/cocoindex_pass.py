"""One incremental pass of CocoIndex over a folder, into a Postgres table.

Arguments: folder, database URL, CocoIndex's own state. Prints {"seconds"}.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import asyncpg
import cocoindex as coco
import numpy as np
from cocoindex.connectors import localfs, postgres
from cocoindex.ops.text import RecursiveSplitter
from cocoindex.resources.schema import VectorSchema
from numpy.typing import NDArray  # noqa: TC002 - read when the table is made
from trivial import DIMENSION, PASSAGE_CHARACTERS, embed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

POOL = coco.ContextKey[asyncpg.Pool]("pool")
splitter = RecursiveSplitter()


@dataclass
class Row:
    path: str
    ordinal: int
    text: str
    embedding: Annotated[
        NDArray[np.float32], VectorSchema(dtype=np.dtype(np.float32), size=DIMENSION)
    ]


@coco.fn(memo=True)
async def index_file(file: localfs.File, table: postgres.TableTarget[Row]) -> None:
    text = await file.read_text()
    chunks = splitter.split(text, PASSAGE_CHARACTERS, min_chunk_size=1, language="markdown")
    vectors = embed([chunk.text for chunk in chunks])
    for ordinal, (chunk, vector) in enumerate(zip(chunks, vectors, strict=True)):
        row = Row(str(file.file_path.path), ordinal, chunk.text, vector)
        table.declare_row(row=row)


@coco.fn
async def index_folder(folder: Path) -> None:
    schema = await postgres.TableSchema.from_class(Row, primary_key=["path", "ordinal"])
    table = await postgres.mount_table_target(POOL, "cocoindex_passage", schema)
    files = localfs.walk_dir(folder, recursive=True)
    await coco.mount_each(index_file, files.items(), table)


async def main() -> None:
    folder, url, state = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])

    @coco.lifespan
    async def lifespan(builder: coco.EnvironmentBuilder) -> AsyncIterator[None]:
        builder.settings.db_path = state
        async with asyncpg.create_pool(url) as pool:
            builder.provide(POOL, pool)
            yield

    async with coco.runtime():
        app = coco.App(coco.AppConfig(name="bench"), index_folder, folder)
        start = time.perf_counter()
        await app.update()
        print(json.dumps({"seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    asyncio.run(main())
