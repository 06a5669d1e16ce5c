"""How the person of ``sample_expert`` writes: in other words than the rules of ``deterministic``."""

from typing import Final, Literal, NamedTuple

from shared.pipelines.stages.contracts_outputs import Constraint, SignalName
from shared.pipelines.stages.deterministic_market import Edge, Position
from shared.pipelines.stages.deterministic_owner import NextStep, OwnerLoad
from shared.pipelines.stages.deterministic_synthesis_words import Task

SIGNALS: Final[dict[SignalName, str]] = {
    "cash_runway": "One slow month would leave the account empty.",
    "late_payment": "You are lending your clients money without having decided to.",
    "margin": "You work a great deal for very little that stays.",
    "win_rate": "You write many quotes that somebody else then wins.",
    "quote_follow_up": "People asked you for a price and never heard from you again.",
    "backlog": "You cannot see beyond the next weeks of work.",
    "late_work": "Your clients have learned not to trust your dates.",
    "rework": "You pay twice for work that earns once.",
    "capacity": "Your people have no slack left for anything unforeseen.",
    "growth": "The year is smaller than the one before.",
    "client_concentration": "One phone call could cost you a large part of the year.",
    "repeat_business": "You start every month looking for strangers.",
}
OWNER: Final[dict[OwnerLoad, str]] = {
    "light": "You have time to think; keep it that way.",
    "fair": "Your week is full, and it would still work with you away for a few days.",
    "heavy": "You are the busiest person of your own firm.",
    "too_heavy": "You do not own a business, you own a job with two shifts.",
}
STEPS: Final[dict[NextStep, str]] = {
    "keep": "Keep your hands on {role}; it costs you little.",
    "document": "Record yourself once while you do {role}, and have it typed up.",
    "hand_over": "Choose who takes {role}, and tell everybody on Monday.",
    "hire": "Pay somebody for ten hours a week of {role}.",
    "stop": "Let go of {role}; others have done it for a long time.",
}
EDGES: Final[dict[Edge | Literal["none"], str]] = {
    "price": "Do not follow this price down; say what yours includes.",
    "speed": "Promise a first visit within two days, and keep it.",
    "reputation": "Collect ten reviews from this month's clients.",
    "guarantee": "Write a guarantee of two years on the quote.",
    "focus": "Show photographs of the kind of work that they are known for.",
    "none": "Lose no sleep over this one.",
}
PRESSING_EDGES: Final[dict[Edge | Literal["none"], str]] = EDGES | {
    "price": "Name a second, smaller offer at their price, and sell the larger one.",
    "speed": "Keep one crew a week unbooked for those who would go to them.",
    "reputation": "Ask each client of the last year for one honest review.",
    "guarantee": "Guarantee what they guarantee, in writing, from Monday on.",
    "focus": "Leave them their kind of work and name your own.",
}
"""Of a competitor who is a danger in more than one respect."""
HARMLESS: Final[dict[Literal["general", "focused", "niche"] | None, str]] = {
    None: EDGES["none"],
    "general": EDGES["none"],
    "focused": "Nod when you meet them; they take nothing from you.",
    "niche": "Send them the small jobs that you do not want.",
}
"""Of a competitor who is ahead in nothing, by what the own business is."""
POSITIONS: Final[dict[Position, str]] = {
    "cheapest": "People come for the price, and will leave for one.",
    "fastest": "You are the one who comes at once.",
    "best_rated": "Your name is better than anybody's around here.",
    "specialist": "You are the one people are sent to for the difficult cases.",
    "in_the_middle": "People could not say why it should be you.",
    "behind": "Whoever compares, chooses somebody else.",
    "unknown": "You have not looked at the others yet.",
}
MOVES: Final[dict[str, str]] = {
    "eliminate": "Drop {factor}; nobody has ever thanked you for it.",
    "reduce": "Do a little less of {factor} and see whether anybody notices.",
    "raise": "Become plainly better at {factor} than the others.",
    "create": "Be the first around here with {factor}.",
}


class Judgement(NamedTuple):
    """What the person concludes from one constraint. ``surely``: the statement where it is beyond doubt."""

    statement: str
    surely: str
    task: Task
    second: Task
    boundary: str
    not_now: str


JUDGEMENTS: Final[dict[Constraint, Judgement]] = {
    "cash": Judgement(
        "Your money sits in other people's accounts.",
        "You run out of cash before you run out of work.",
        Task("Spend two mornings a week on the phone until old invoices are paid.", "owner", 7,
             "Nothing is open for longer than a month."),
        Task("Send each invoice on the day on which the job ends.", "bookkeeper", 10, "A whole week has gone so."),
        "No material is ordered for a client who owes you.", "New machines can wait.",
    ),
    "demand": Judgement(
        "The telephone does not ring often enough.",
        "There is not enough work that you have won.",
        Task("Ring everybody who has a quote of yours and has not answered.", "sales", 7, "Each has said yes or no."),
        Task("Ask ten good clients whom they would tell about you.", "owner", 14, "Ten names are on a list."),
        "Do not lower a price to fill a week.", "Do not hire anybody yet.",
    ),
    "margin": Judgement(
        "Your prices are those of another time.",
        "You sell your work for what it costs you.",
        Task("Reckon up five jobs to the last hour, with the crew.", "bookkeeper", 14, "Five sheets are full."),
        Task("Add a tenth to every quote that leaves the house.", "sales", 14, "Twenty quotes have gone out so."),
        "Do nothing for less than it costs you.", "More work does not help now.",
    ),
    "capacity": Judgement(
        "There is more work than hands.",
        "Your people cannot do what you have sold.",
        Task("Tell three clients today that they must wait, and until when.", "office", 3, "Three have a later date."),
        Task("Take somebody on for the work that anyone can learn in a week.", "owner", 45, "Somebody has begun."),
        "Sell no week that is full already.", "Advertising can stop for now.",
    ),
    "delivery": Judgement(
        "The way in which you work makes promises break.",
        "Clients do not get what was promised on the day that was promised.",
        Task("Sit down with the crew over the last three jobs that went wrong.", "crew", 7, "Three causes are noted."),
        Task("Leave no site before somebody else has looked.", "crew", 21, "Ten jobs have two signatures."),
        "Give no date without asking those who must keep it.", "Your list of services may stay as long as it is.",
    ),
    "owner_time": Judgement(
        "You are what everything waits for.",
        "You yourself are the narrowest place of your business.",
        Task("Give away the one thing you did most often last week.", "owner", 14, "Somebody else has done it twice."),
        Task("Take every Wednesday afternoon off the telephone.", "owner", 7, "Four Wednesdays have been quiet."),
        "Say yes to nothing new with your own hands.", "A second site is for another year.",
    ),
    "market_position": Judgement(
        "People see nothing in you that others do not have.",
        "Others beat you at what clients look at.",
        Task("Decide what you want to be known for, and write it on the van.", "owner", 21, "It stands on the van."),
        Task("Telephone ten people who chose somebody else, and listen.", "sales", 14, "Ten reasons are written down."),
        "Do not win anybody by being cheaper.", "Leave the smaller faults for later.",
    ),
    "unclear": Judgement(
        "Nothing in particular holds you back at present.",
        "Nothing in particular holds you back at present.",
        Task("Note for a month what you waited for.", "owner", 30, "There are notes of twenty days."),
        Task("Ask your people what they would change first.", "owner", 21, "Everybody has been asked."),
        "Change one thing, not three.", "Leave large plans until the month is over.",
    ),
}  # fmt: skip
