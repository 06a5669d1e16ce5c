"""What sample queries are made of: sentences with gaps, and what fills the gaps.

``RECENT`` holds the ways in which people have asked for the last month: other subjects and a terser tone. A model that
was trained before does not know them; that is the drift which retraining is for.
"""

from collections.abc import Mapping
from typing import Final

from shared.pipelines.router.contracts import Label

Phrases = Mapping[Label, tuple[str, ...]]

# People judge these differently, and no model can know who asks: they are why some answers must be UNCERTAIN.
SIMPLE_OR_NOT: Final = (
    "What is {concept} good for in {code}?",
    "{n} {things} are shared among {small} people; how many are left over?",
    "Say in {small} words what {event} changed in {country}.",
)
LONG_OR_NOT: Final = (
    "How would you test {concept} together with {concept2}?",
    "Which of {concept} and {concept2} scales better to {round} users?",
    "Explain why {theorem}.",
)

USUAL: Final[Phrases] = {
    "EASY": (
        "What is the capital of {country}, and of {country2}?",
        "Who wrote {book}, was it before {event}?",
        "How many {unit} are in {n} {units}?",
        "What is {n} plus {m}?",
        "What does the word '{word}' mean?",
        "Translate '{word}' to {language}.",
        "When does the {shop} open on {day}?",
        "Give me {small} synonyms of {word}.",
        "{name} has {n} {things} and buys {m} more. How many {things} does {name} have?",
        "Is {n} a prime number?",
        "What time is it in {country} when it is {hour} o'clock in London?",
        "Does '{word}' rhyme with '{word2}'?",
        "Which is larger, {n} or {m}?",
        "Turn on the lights in the {room} at {hour} on {day}.",
        "What is {n}% of {round}?",
        "Which came first, {event} or {event2}?",
        *SIMPLE_OR_NOT,
    ),
    "MEDIUM": (
        "Summarise the plot of {book} in {small} sentences.",
        "Write a polite e-mail to {name} that moves our meeting from {day} to another day.",
        "{name} earns ${n} an hour, works {small} hours on {day} and twice as long the day after. How much is that?",
        "Explain to {name}, a new colleague, how {concept} works with {concept2}.",
        "Write a {code} function that returns the {small} largest values of a list.",
        "What are the advantages and drawbacks of {concept} in {code}?",
        "A {shop} sells {things} at ${n} each and gives {small}% off for more than {m}. What do {round} of them cost?",
        "Compare {concept} with {concept2} in a short table.",
        "Plan a weekend in {country} for a family with {small} children.",
        "How do I read a CSV file in {code} and skip the rows where {word} is empty?",
        "Rewrite this sentence so that it sounds friendlier: the {things} must be back by {day}.",
        "{name} cycles {n} km in {small} hours and {m} km in the next hour. What is the average speed?",
        "Give me a recipe with {things} for {small} people, and say how long each part takes.",
        "Why does my {code} program print {word} twice, and how do I find the cause?",
        "Describe the causes of {event} in {small} sentences, for readers in {country}.",
        "Draft {small} questions for an interview about {concept}.",
        *SIMPLE_OR_NOT,
        *LONG_OR_NOT,
    ),
    "HARD": (
        "Design a system for {concept} that serves {round} users in {small} regions, and justify each trade-off.",
        "Prove that {theorem} in {small} steps for {name}, and say where the proof breaks without each assumption.",
        "Refactor a {code} service with {n} modules so that {concept} and {concept2} can be tested apart.",
        "{small} machines make {things} and fail at random. Each repair takes {n} minutes: when is it best to stop?",
        "Compare three designs for {concept} under network partitions and derive the consistency each can promise.",
        "Find a deadlock between {concept} and {concept2} in {code} that shows only under load, step by step.",
        "Derive how many {things} {name} must draw on average until each of {n} kinds was seen, then generalise.",
        "Write a {code} implementation of {concept} that is lock-free, and argue why it is correct.",
        "Analyse how {event} changed trade between {country} and its neighbours, with arguments against your thesis.",
        "Evaluate {small} ways to migrate {round} accounts to {concept} without downtime, with the risks of each.",
        "Optimise deliveries to {n} shops with {small} vans where each holds {m} crates and is back by {hour}.",
        "Given {concept} and {concept2}, build a cost model over {small} years with a sensitivity test.",
        "Critique the claim that {event} led to {event2}, and construct the strongest counter-argument.",
        "Plan an experiment that tells whether {concept} reduces churn while {small} other changes ship.",
        *LONG_OR_NOT,
    ),
}

RECENT: Final[Phrases] = {
    "EASY": (
        "{topic} in {tool}, meaning?",
        "quick one: default port of {tool} {small}.{small2}",
        "latest version of {tool} for {code}?",
        "does {tool} run on {country} servers, yes or no",
        "short name for {topic} with {tool} pls",
    ),
    "MEDIUM": (
        "pls sketch {topic} for our {tool} setup, five bullets",
        "{tool} keeps timing out after {n} requests, what do I look at",
        "config for {tool} with {small} replicas and a health check",
        "turn {small} notes on {topic} into release notes for {tool}",
        "{tool} or {tool2} for {round} rows, and the reason in two lines",
    ),
    "HARD": (
        "{topic} at {round} requests a second on {small} cards, latency under {n} ms, budget fixed. full plan",
        "our {tool} to {tool2} move loses {small} rows in {round}, only at night. root cause tree, proof per branch",
        "{topic} on {tool} with no user data outside {country}; threat model, controls, what is left",
        "evals for {topic}: {small} failure classes, sample sizes for {n}% power, stopping rule",
        "{tool} plus {tool2}, exactly once, {small} regions down. invariants for {topic} and why they hold",
    ),
}

FILLERS: Final[Mapping[str, tuple[str, ...]]] = {
    "country": (
        "Portugal", "Kenya", "Japan", "Chile", "Norway", "Vietnam", "Canada", "Egypt", "Poland", "Peru", "Ghana",
        "Iceland", "Nepal", "Croatia", "Uruguay", "Oman", "Latvia", "Fiji", "Cuba", "Malta",
    ),
    "book": ("Middlemarch", "Dracula", "Emma", "Walden", "Ulysses", "Beowulf", "Hamlet", "The Odyssey"),
    "word": ("harbour", "lantern", "brisk", "orchard", "ledger", "meadow", "thimble", "candid", "gravel", "status"),
    "language": ("Spanish", "German", "Swahili", "Italian", "Polish", "Japanese"),
    "unit": ("minutes", "metres", "grams", "seconds"),
    "units": ("hours", "kilometres", "kilograms", "days"),
    "shop": ("bakery", "library", "pharmacy", "bookshop", "market", "garage"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "name": ("Ada", "Bo", "Chen", "Dara", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jonas"),
    "things": ("apples", "pencils", "lamps", "tickets", "crates", "marbles", "chairs", "bolts"),
    "room": ("kitchen", "hall", "office", "garage"),
    "event": (
        "the moon landing", "the Great Fire", "the fall of the Wall", "the oil crisis", "the first printed book",
        "the first powered flight", "the discovery of penicillin", "the opening of the Suez Canal",
    ),
    "concept": (
        "rate limiting", "event sourcing", "a message queue", "full-text search", "feature flags", "leader election",
        "a write-ahead log", "single sign-on", "a recommendation engine", "blue-green deployment", "a vector index",
    ),
    "concept2": ("caching", "sharding", "replication", "batching", "retries", "schema migration"),
    "code": ("Python", "Rust", "Go", "TypeScript", "Kotlin"),
    "theorem": (
        "there are infinitely many primes", "every bounded monotone sequence converges",
        "the halting problem cannot be decided", "comparison sorting needs n log n steps",
        "the root of 2 is irrational", "every tree with n nodes has n - 1 edges", "the harmonic series diverges",
    ),
    "topic": (
        "prompt caching", "agent memory", "retrieval reranking", "speculative decoding", "tool calling",
        "context compaction", "guardrail tuning", "synthetic labels", "model routing",
    ),
    "tool": ("pgvector", "valkey", "vllm", "duckdb", "nats", "clickhouse"),
    "tool2": ("qdrant", "kafka", "sqlite", "triton", "iceberg"),
}  # fmt: skip

OPENINGS: Final = ("Hi, ", "Hello! ", "Please: ", "Quick question. ", "For work: ")
CLOSINGS: Final = (" Thanks!", " Thank you.", " It is urgent.", " No rush.")
PEOPLE: Final = ("reviewer-1", "reviewer-2", "reviewer-3", "reviewer-4")
