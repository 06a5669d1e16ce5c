"""Which of a model's figures people look at first, and which of them are drawn: words for pages, never a rule."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A list of a window's figures that is drawn as a line: its name, and what each of its entries has.

    ``low`` and ``high`` are the ends of an interval around ``y``; empty: there is none.
    """

    name: str
    x: str
    y: str
    low: str = ""
    high: str = ""


@dataclass(frozen=True, kw_only=True)
class Bins:
    """A list of a window's figures with how sure answers were, and how often they were right; dots lead into it."""

    name: str
    said: str
    true: str
    rows: str


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What to show of an evaluation's figures. What is not named here is shown too, in a plain table.

    ``headline`` names the figures that stand for a model where there is room for one: the first that it has. More is
    better, but for those in ``less_is_better``.
    """

    headline: tuple[str, ...] = ()
    less_is_better: tuple[str, ...] = ()
    curve: Curve | None = None
    bins: Bins | None = None
