"""Tables as Parquet: row groups of bounded size, compressed on another thread while the next one is gathered. Says of
itself what it holds: columns' meanings and units, and facts about the stream."""

import base64
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from tcpwatch.export.arrow import Compact, compact, gather
from tcpwatch.export.tables import TableName
from tcpwatch.export.types import TEXT, WORD, leaves, schema, stored
from tcpwatch.records.parts import Records

ROWS = 1 << 17  # of a row group: some 30 MB while it is gathered


class ParquetTable:
    """A Table (tables.py). file: open for writing, from its beginning. thread: one, that compresses; it may serve
    several tables."""

    def __init__(self, name: TableName, file: BinaryIO, thread: ThreadPoolExecutor) -> None:
        self._seen, self._stored, self._thread = schema(name), stored(name), thread
        self._batches: list[Compact] = []
        self._size = 0
        self._busy: Future[None] | None = None
        kinds = dict(leaf for field in self._stored for leaf in leaves(field.type, field.name))
        # A text that is handed over as such does not repeat, but for those in lists
        words = [path for path, kind in kinds.items() if kind == WORD or (kind == TEXT and "." in path)]
        self._writer = pq.ParquetWriter(
            file,
            self._stored,
            compression="zstd",
            use_dictionary=words,
            # Numbers as differences: as fast as plain ones, and smaller
            column_encoding={path: "DELTA_BINARY_PACKED" for path, kind in kinds.items() if _is_number(kind)},
            # The least and the greatest of many texts help nobody to skip a row group
            write_statistics=[path for path in kinds if path not in words],
            write_page_checksum=True,
            store_schema=False,
        )

    def add(self, batch: Records) -> None:
        self._batches.append(compact(batch))
        self._size += batch.size
        if self._size >= ROWS:
            self._hand_over()

    def finish(self, facts: Mapping[str, str]) -> None:
        if self._size:
            self._hand_over()
        self._wait()
        # Texts are handed to the writer as dictionaries, which is fast; readers are told that they are plain texts
        told = {"ARROW:schema": base64.b64encode(self._seen.serialize())}
        self._writer.add_key_value_metadata({**told, **{f"tcpwatch.{key}": fact for key, fact in facts.items()}})
        self._writer.close()

    def abandon(self) -> None:
        if self._busy is not None:
            wait([self._busy])
        with suppress(OSError, pa.ArrowException):
            self._writer.close()
        self._writer.is_open = False  # else it tries again when it is collected

    def _hand_over(self) -> None:
        rows = gather(self._batches, self._stored)
        self._batches, self._size = [], 0
        self._wait()
        self._busy = self._thread.submit(self._writer.write_batch, rows, ROWS)

    def _wait(self) -> None:
        busy, self._busy = self._busy, None
        if busy is not None:
            busy.result()


def _is_number(kind: pa.DataType) -> bool:
    result: bool = pa.types.is_integer(kind) or pa.types.is_timestamp(kind)
    return result
