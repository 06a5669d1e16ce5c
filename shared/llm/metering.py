"""What a completion may cost, reserved before it is asked, and what it has cost, booked with its answer.

A process that dies in between leaves the reservation, which goes on counting: the provider may have billed it.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

from psycopg import Connection

from shared import ids
from shared.db import spend
from shared.llm import budget
from shared.llm.budget import Budget, Cost
from shared.llm.chat import ChatRequest
from shared.llm.connection import Provider
from shared.llm.prices import completion_cost, price_of
from shared.llm.tokens import PER_EXAMPLE, PER_MESSAGE, count_tokens

COMPLETION: Final = "cmpl"
_CAUTION: Final = 1.25
"""What is reserved for a prompt, over its estimate: more than the estimate is wrong by for most texts."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """One completion's money: the reference of its row in ``spend``, and the most that one request may cost."""

    reference: str
    model: str
    purpose: str
    job_id: str | None
    tokens_in: int
    tokens_out: int
    most_usd: float


class Meter:
    """Counts what is asked of one provider. Free models are counted nowhere."""

    def __init__(self, provider: Provider, limits: Budget | None = None) -> None:
        self._provider = provider.name
        self._limits = limits

    def reserve(
        self, conn: Connection, model: str, tokens: tuple[int, int], *, purpose: str, job_id: str | None
    ) -> Account | None:
        """Reserve what a request of so many tokens (in by an estimate, out at the most) may cost; None: it is free.

        The month's row is locked until the transaction ends, so requests at the same time cannot together pass the
        budget. Raises RefusedError (``budget-exceeded``) when it would be passed.
        """
        price, _ = price_of(self._provider, model)
        if not price.input and not price.output:
            return None
        tokens_in, tokens_out = ceil(tokens[0] * _CAUTION), tokens[1]
        usd = self._usd(model, tokens_in, tokens_out)
        spend.lock_month(conn)
        budget.require_month(conn, self._limits, usd=usd)
        account = Account(
            reference=ids.new_id(COMPLETION),
            model=model,
            purpose=purpose,
            job_id=job_id,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            most_usd=usd,
        )
        self._write(conn, account, "reserved", tokens=(tokens_in, tokens_out), usd=usd)
        return account

    def close(
        self, conn: Connection, account: Account | None, *, tokens: tuple[int, int] | None, unclear: int
    ) -> float:
        """Book what it came to, in place of the reservation, and return it in US dollars.

        ``tokens`` are the answer's (None: there was none); ``unclear`` requests broke off, and are counted with the
        most that each can have cost.
        """
        if account is None:
            return 0.0
        spent = account.most_usd * unclear
        counted = (account.tokens_in * unclear, account.tokens_out * unclear)
        if tokens is not None:
            spent += self._usd(account.model, *tokens)
            counted = (counted[0] + tokens[0], counted[1] + tokens[1])
        spend.release(conn, account.reference)
        if spent:
            self._write(conn, account, "booked", tokens=counted, usd=spent)
        return spent

    def _usd(self, model: str, tokens_in: int, tokens_out: int) -> float:
        return completion_cost(self._provider, model, tokens_in=tokens_in, tokens_out=tokens_out)

    def _write(self, conn: Connection, account: Account, kind: str, *, tokens: tuple[int, int], usd: float) -> None:
        cost = Cost(
            provider=self._provider,
            model=account.model,
            purpose=account.purpose,
            usd=usd,
            tokens_in=tokens[0],
            tokens_out=tokens[1],
            job_id=account.job_id,
        )
        if kind == "booked":
            budget.book(conn, account.reference, cost)
        else:
            spend.insert(conn, account.reference, kind="reserved", **vars(cost))


def estimated_tokens(request: ChatRequest, answer: str = "") -> tuple[int, int]:
    """Return the tokens of prompt and answer, roughly (see ``tokens.py``): where nobody counts them better."""
    texts = [message.content for message in request.messages]
    if request.schema_ is not None:
        texts.append(ids.canonical_json(request.schema_).decode())
    prompt = sum(count_tokens(text) for text in texts) + PER_MESSAGE * len(texts) + PER_EXAMPLE
    return prompt, min(count_tokens(answer), request.max_tokens)
