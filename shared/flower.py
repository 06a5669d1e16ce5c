"""How the front and Flower speak: one account, and the path under which both know Flower's pages."""

from typing import Final

PATH: Final = "/flower"
USER: Final = "tuneyard"
