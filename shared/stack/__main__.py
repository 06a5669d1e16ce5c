"""``python -m shared.stack``: the supervisor of ``tuneyard up --detach``. Its output is ``logs/supervisor.log``."""

from shared.errors import TuneyardError
from shared.logs import configure_logs
from shared.settings import get_settings
from shared.stack.supervisor import run_stack

if __name__ == "__main__":
    configure_logs(get_settings())
    try:
        run_stack(get_settings())
    except TuneyardError as error:
        raise SystemExit("\n".join(filter(None, [error.message, error.advice]))) from None
