"""``python -m tests.shared.stack.small_stack``: a real supervisor over small parts, behaving as the argument says."""

import sys
from dataclasses import replace
from pathlib import Path

from shared.errors import TuneyardError
from shared.settings import Settings, get_settings
from shared.stack.home import Home
from shared.stack.leftovers import MARK
from shared.stack.parts import Part, redis_part
from shared.stack.plan import Keys, Plan
from shared.stack.ports import free_port
from shared.stack.redis import RedisServer
from shared.stack.supervisor import run_stack

PART = Path(__file__).with_name("small_part.py")


def small_plan(settings: Settings, home: Home) -> tuple[Plan, Keys]:
    """Plan a Redis, ``first`` and ``second``, each of the last two with a child of its own."""
    env = {MARK: str(home.folder)}
    redis = RedisServer(folder=home.redis, port=free_port(), password="secret")
    redis.prepare()
    parts = (
        redis_part(redis, env),
        _part(home, "first", env, needs=("redis",)),
        _part(home, "second", env, needs=("first",)),
    )
    behaviour = sys.argv[1]
    if behaviour == "broken":
        broken = replace(parts[2], argv=(sys.executable, "-c", "raise SystemExit('the part is broken')"))
        parts = (*parts[:2], broken)
    if behaviour == "deaf":
        parts = (*parts[:2], replace(parts[2], argv=(*parts[2].argv, "deaf"), stop_seconds=0.3))
    return Plan(parts=parts, url="", flower_url="", exports={}), Keys(home, "")


def _part(home: Home, name: str, env: dict[str, str], needs: tuple[str, ...]) -> Part:
    ready = home.ready_file(name)
    return Part(
        name=name,
        argv=(sys.executable, str(PART), name, str(home.folder), str(ready)),
        env=env,
        needs=needs,
        is_ready=ready.exists,
        marker=ready,
    )


if __name__ == "__main__":
    try:
        run_stack(get_settings(), planner=small_plan)
    except TuneyardError as error:
        raise SystemExit(f"{error.message}\n{error.advice}") from None
