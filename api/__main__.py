"""Serves the API: ``python -m api``. Host and port come from the settings."""

import gc
import socket
from typing import Final

import uvicorn

from api.app import Tuneyard, create_app
from shared.logs import configure_logs
from shared.settings import get_settings

_GRACE_S: Final = 10  # for requests under way when a stop is asked for


class _Server(uvicorn.Server):
    """Ends the event streams first, which would hold up a stop for as long as their clients listen."""

    def __init__(self, config: uvicorn.Config, app: Tuneyard) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._app.state.front.waiter.stop()
        await super().shutdown(sockets)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    settings = get_settings()
    configure_logs(settings)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        # Who asks for the review site, and whether by https: a proxy before us says so, if it is one of ours.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=_GRACE_S,
        server_header=False,
    )
    # What is loaded by now stays: looking at it in each full collection would stop all requests for 70 ms, twice a
    # second under load.
    gc.collect()
    gc.freeze()
    _Server(config, app).run()


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:  # a setting is missing or wrong
        raise SystemExit(str(error)) from None
