"""Work on a database that takes minutes unless it is ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from sqlalchemy import Connection, text

#: A statement that takes minutes.
ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
    " WHERE i < 3000000000) SELECT count(*) FROM n",
    "postgresql": "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b",
}


class Work:
    """Work that takes minutes unless it is ended.

    Attributes:
        begun: How many are or were in progress.
        ended: The times at which they ended.
    """

    def __init__(self) -> None:
        self.begun = 0
        self.ended: list[float] = []

    def one_statement(self, connection: Connection) -> None:
        """Run one long statement."""
        self._count(lambda: connection.execute(text(ENDLESS[connection.dialect.name])).all())

    def many_statements(self, connection: Connection) -> None:
        """Run many short statements, and more Python between them."""

        def run() -> None:
            for _ in range(1_000_000):
                connection.execute(text("SELECT 1")).all()
                time.sleep(0.001)

        self._count(run)

    def many_rows(self, connection: Connection) -> None:
        """Read many rows, a few at a time."""
        statement = ENDLESS[connection.dialect.name].replace("count(*)", "*")

        def run() -> None:
            options = {"stream_results": True, "max_row_buffer": 50}
            with connection.execute(text(statement), execution_options=options) as rows:
                for _ in rows:
                    pass

        self._count(run)

    def _count(self, run: Callable[[], object]) -> None:
        self.begun += 1
        try:
            run()
        finally:
            self.ended.append(time.monotonic())

    async def have_begun(self, count: int) -> None:
        """Return when so many have begun."""
        while self.begun < count:
            await asyncio.sleep(0.005)

    async def have_ended(self, count: int) -> None:
        """Return when so many have ended."""
        while len(self.ended) < count:
            await asyncio.sleep(0.005)
