"""Who leads a duty that only one may do at a time: a lease on a row, the same on both databases."""

from datetime import timedelta

from sqlalchemy import insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from storage.engine import Database
from storage.tables import LEADERS


class Leadership:
    """One candidate for one duty."""

    def __init__(self, database: Database, duty: str, holder: str, ttl_s: float) -> None:
        self._database = database
        self._duty = duty
        self._holder = holder
        self._ttl = timedelta(seconds=ttl_s)

    def hold(self) -> bool:
        """Take or prolong the lead; False while another holds it. The lead lasts `ttl_s` from each True.

        Raises:
            StoreUnavailable: nobody can know.
        """
        try:
            with self._database.writing() as connection:
                now = self._database.now(connection)
                mine = or_(LEADERS.c.holder == self._holder, LEADERS.c.until < now)
                taken = (
                    update(LEADERS)
                    .where(LEADERS.c.duty == self._duty, mine)
                    .values(holder=self._holder, until=now + self._ttl)
                )
                if connection.execute(taken).rowcount:
                    return True
                if connection.execute(select(LEADERS.c.duty).where(LEADERS.c.duty == self._duty)).first():
                    return False
                first = {"duty": self._duty, "holder": self._holder, "until": now + self._ttl}
                connection.execute(insert(LEADERS).values(first))
                return True
        except IntegrityError:  # another was first in the same moment
            return False

    def resign(self) -> None:
        """Let another lead at once."""
        with self._database.writing() as connection:
            connection.execute(
                update(LEADERS)
                .where(LEADERS.c.duty == self._duty, LEADERS.c.holder == self._holder)
                .values(until=self._database.now(connection))
            )
