"""The parts of `storage.database` that need no server."""

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from storage.database import engine_of


@pytest.mark.parametrize(
    ("url", "reads"),
    [
        ("postgres://u:p@h/d", {"user": "u", "password": "p", "host": "h", "dbname": "d"}),
        ("postgresql+psycopg2://h/d", {"host": "h", "dbname": "d"}),
        ("postgresql://a:1,b/d?target_session_attrs=read-write", {"host": "a,b", "port": "1,"}),
        ("postgresql://[::1],[fe80::1]:5433/d", {"host": "::1,fe80::1", "port": ",5433"}),
        ("postgresql:///d?host=/run/pg,localhost", {"host": "/run/pg,localhost", "dbname": "d"}),
        ("postgresql://%2Frun%2Fpg/d", {"host": "/run/pg", "dbname": "d"}),
        ("postgresql://a,b/d?port=1,2", {"host": "a,b", "port": "1,2"}),
        ("postgresql://h/d?client_encoding=latin1", {"client_encoding": "utf8"}),
    ],
)
def test_a_url_is_read_by_libpq_alone(url: str, reads: dict[str, str]) -> None:
    engine = engine_of(url, connect_args={"client_encoding": "utf8"})
    given: dict[str, str] = {}

    @event.listens_for(engine, "do_connect")
    def note(_dialect: object, _record: object, _arguments: object, named: dict[str, str]) -> None:
        given.update(named)
        raise OperationalError("not tried", None, Exception())

    with pytest.raises(OperationalError, match="not tried"):
        engine.connect()
    assert given.items() >= reads.items()
    assert "//u:p@" not in repr(engine)
