"""Style sheets and scripts. Their path has a hash of all of them, so a browser asks for each only once."""

from typing import Annotated, Final

from fastapi import Path
from starlette.responses import FileResponse, Response

from api.review.render import STATIC, static_version
from api.review.route import public_router
from shared.errors import NotFoundError

_public = public_router()
ROUTERS: Final = (_public,)

_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_GOOD: Final = "public, max-age=31536000, immutable"


@_public.get("/static/{version}/{name}", name="site.static")
def static(
    version: Annotated[str, Path(pattern=r"^[0-9a-f]{12}$")],
    name: Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]*\.[a-z]+$")],
) -> Response:
    """Send a file. Raises NotFoundError."""
    file = STATIC / name
    if file.suffix not in _TYPES or not file.is_file():
        raise NotFoundError(f"there is no file {name}")
    kept = _FOR_GOOD if version == static_version() else "no-store"  # of another release: send ours, keep nothing
    return FileResponse(file, media_type=_TYPES[file.suffix], headers={"Cache-Control": kept})
