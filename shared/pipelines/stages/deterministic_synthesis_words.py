"""What follows from each primary constraint: data for ``deterministic_synthesis``."""

from typing import Final, Literal, NamedTuple

from shared.pipelines.stages.contracts_outputs import Constraint

Who = Literal["owner", "office", "crew", "sales", "bookkeeper"]


class Task(NamedTuple):
    """One action of a plan."""

    action: str
    who: Who
    due_days: int
    done_when: str


class Plan(NamedTuple):
    """The answer to one constraint. ``marked`` is its statement where much speaks for it."""

    statement: str
    marked: str
    tasks: tuple[Task, ...]
    boundary: str
    not_now: str


WORDS: Final[dict[Constraint, Plan]] = {
    "cash": Plan(
        "Money comes in later than it goes out.",
        "Cash runs short because clients pay when they like.",
        (
            Task("Call every client with an invoice past its day, the largest first.", "office", 7,
                 "Each of them has named a day of payment."),
            Task("Ask for a third of the price before any new job starts.", "owner", 14,
                 "Five jobs in a row have started with a deposit."),
        ),
        "Start no job for a client who owes money for over sixty days.",
        "Leave prices and new offers alone.",
    ),
    "demand": Plan(
        "Too few people say yes to start the weeks with.",
        "Work runs out faster than clients say yes.",
        (
            Task("Call back every open quote that is older than two weeks.", "sales", 7,
                 "No quote is older than two weeks without an answer."),
            Task("Write to the clients of the last two years with one concrete offer.", "office", 21,
                 "Each of them has had one letter."),
        ),
        "Give no discount to a client who has not asked for one.",
        "Leave hiring for later.",
    ),
    "margin": Plan(
        "Jobs are sold for less than they should leave.",
        "Every job leaves too little, however many there are.",
        (
            Task("Work out the true cost of the last ten jobs.", "bookkeeper", 14,
                 "Ten jobs have their hours and material beside their price."),
            Task("Raise the price of what earned least of them in the next quotes.", "owner", 21,
                 "Ten quotes have gone out at the new price."),
        ),
        "Send no quote below cost plus a fifth.",
        "Leave growth alone: more of the same loses more.",
    ),
    "capacity": Plan(
        "The people have fewer hours than the work needs.",
        "The team is full and every new job makes another one late.",
        (
            Task("Move the jobs that can wait out of the next four weeks.", "office", 7,
                 "No week is planned over nine tenths of its hours."),
            Task("Fill the one position that would free most hours.", "owner", 60,
                 "The first week of the new person is in the calendar."),
        ),
        "Accept no job that begins within the next two weeks.",
        "Spend nothing on winning more clients.",
    ),
    "delivery": Plan(
        "Work does not end as and when it was promised.",
        "Promises are broken by the way the work is done.",
        (
            Task("Look at the last five late or repeated jobs with those who did them.", "crew", 14,
                 "One cause is written down for each of the five."),
            Task("Check every job before leaving against one list of ten points.", "crew", 30,
                 "Twenty jobs in a row have a filled list."),
        ),
        "Promise no day that the crew has not seen in its own calendar.",
        "Leave the range of services as it is.",
    ),
    "owner_time": Plan(
        "The owner's desk is where things wait.",
        "Nothing moves in this business unless its owner moves it.",
        (
            Task("Name the role that leaves the owner's desk first, and who takes it.", "owner", 14,
                 "One name stands beside one role, and the team has been told."),
            Task("Write that role down on two pages while doing it once more.", "owner", 30,
                 "Somebody else has done it from the two pages."),
        ),
        "Take on no new task before one has left the desk.",
        "Leave new services and new places alone.",
    ),
    "market_position": Plan(
        "Clients see no reason to choose this firm.",
        "Others are ahead in what clients look at first.",
        (
            Task("Choose the one thing to be better at than all others nearby.", "owner", 14,
                 "It stands in one sentence on every quote."),
            Task("Ask the last twenty clients what almost made them go elsewhere.", "sales", 21,
                 "Twenty answers are written down."),
        ),
        "Do not answer a competitor by a lower price.",
        "Leave the other weaknesses as they are.",
    ),
    "unclear": Plan(
        "No single thing holds the business back visibly.",
        "No single thing holds the business back visibly.",
        (
            Task("Write down for four weeks what was waited for.", "owner", 30,
                 "Four weeks of notes are there."),
        ),
        "Change no more than one thing at a time.",
        "Start nothing large before the notes are read.",
    ),
}  # fmt: skip
