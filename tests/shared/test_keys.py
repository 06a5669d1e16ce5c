import pytest

from shared import keys
from shared.contracts import Scope
from shared.db import keys as rows
from shared.db.pool import Database
from shared.settings import Settings


@pytest.mark.parametrize(
    ("arguments", "scopes"),
    [(["ops"], [Scope.ADMIN]), (["reviewer", "submit", "review"], [Scope.REVIEW, Scope.SUBMIT])],
)
def test_the_command_prints_a_key_that_works(
    arguments: list[str],
    scopes: list[Scope],
    database: Database,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keys.main(arguments)
    with database.reading() as conn:
        key = rows.by_hash(conn, keys.hash_of(capsys.readouterr().out.strip()))
    assert key
    assert (key.name, key.scopes) == (arguments[0], [s.value for s in scopes])


@pytest.mark.parametrize("arguments", [[], ["name", "root"]])
def test_the_command_explains_itself(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="usage"):
        keys.main(arguments)
