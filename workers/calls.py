"""Calls of the inference queue, from the front's side: batched, answered within the deadline whatever happens.

A call is no job: nothing of it is worth a ledger row. Concurrent calls travel together: a batch's payload lies in Redis
under the batch's id until its deadline, the Celery message carries the id alone, and the worker pushes the answers to
this front's own list. A lone call is sent at once; while batches are out, calls gather for the next one.

Celery's way from message to task takes longer than a prediction. So a worker that has just answered stays for a moment
and listens to a plain list of payloads, and a front that has just got an answer uses that list alone; the Celery
message follows when no answer does. Should a batch be answered twice, the second answer finds nobody who waits.

When an answer does not come in time, the addressee's fallback answers, and its line is *down*: until an empty batch has
made the whole way through queue and worker and back, further calls get the fallback at once instead of waiting too.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any, Final

import orjson
import structlog
from redis.exceptions import RedisError

from shared.contracts import Queue
from shared.ids import CALL, new_id
from shared.loop.predict import Answered
from shared.pipeline import Pipeline
from workers.addressees import A_co, Addressee, ForPipeline
from workers.app import KEY_PREFIX
from workers.dispatch import WakeUp, job_envelope, queue_key
from workers.lines import Batch, Call, Line, close_down, fall_back, settle
from workers.redis_line import AsyncRedisLine, Command

log = structlog.get_logger()

CALL_KEY: Final = KEY_PREFIX + "call:"
REPLY_KEY: Final = KEY_PREFIX + "reply:"
NEXT_KEY: Final = KEY_PREFIX + "calls"  # the list of payloads that workers listen to while they stay
STAY_S: Final = 0.02  # how long a worker that has answered listens for more

_MAX_OUT: Final = 16  # batches of one line, for as many workers
_GATHER_S: Final = 0.005  # how long calls gather while a batch is out: larger batches cost each call less
_SURE_S: Final = STAY_S / 2  # how long after an answer a front counts on somebody who listens
_NUDGE_S: Final = STAY_S  # after which it sends the Celery message all the same
_LISTEN_S: Final = 1
_PROBE_PAUSE_S: Final = 1.0


class Caller:
    """Asks the inference workers, from one event loop. Never raises because of Redis or a worker."""

    def __init__(self, redis_url: str, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._reply_key = REPLY_KEY + new_id("front")
        self._sender = AsyncRedisLine(redis_url, timeout_s)
        self._listener = AsyncRedisLine(redis_url, _LISTEN_S + timeout_s)
        self._lines: dict[tuple[str, str], Line] = {}
        self._out: dict[str, Batch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._heard_until = 0.0  # until then a worker listens, as far as its last answer tells
        self._stopping = False

    async def start(self) -> None:
        """Begin to listen for answers."""
        self._spawn(self._listen())

    async def stop(self) -> None:
        """Stop listening and close the connections; whoever still waits gets the fallback."""
        self._stopping = True  # redis-py loses a cancellation that comes while it connects: then this ends the loop
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for line in self._lines.values():
            close_down(line)
        for batch in list(self._out.values()):
            self._give_up(batch)
        await self._sender.aclose()
        await self._listener.aclose()

    async def call(self, pipeline: Pipeline[Any, Any], surface: str, raw: Any) -> Answered:
        """Answer one input, within the time-out. ``raw`` is the JSON that the pipeline's ``parse_input`` reads.

        Raises InvalidInputError when it breaks the pipeline's contract.
        """
        value = pipeline.parse_input(raw)
        line = self._lines.get((pipeline.name, surface)) or self._open(ForPipeline(pipeline), surface)
        answered: Answered = await self._ask(line, value, raw)
        return answered

    async def ask(self, addressee: Addressee[A_co], surface: str, raw: Any) -> A_co:
        """Answer one input, which was checked before. Raises what the addressee raises."""
        line = self._lines.get((addressee.name, surface)) or self._open(addressee, surface)
        answer: A_co = await self._ask(line, raw, raw)
        return answer

    async def _ask(self, line: Line, value: Any, raw: Any) -> Any:
        if line.down:
            return line.addressee.fallback(value)
        loop = asyncio.get_running_loop()
        call = Call(value, raw, loop.create_future(), loop.time() + line.timeout_s)
        line.waiting.append(call)
        self._flush_soon(line)
        return await call.answer

    def _open(self, addressee: Addressee[Any], surface: str) -> Line:
        line = Line(addressee, surface, addressee.timeout_s or self._timeout_s)
        self._lines[addressee.name, surface] = line
        return line

    # --- out --------------------------------------------------------------------------------------------------------

    def _flush_soon(self, line: Line) -> None:
        """Send what waits: in the next turn of the loop while no batch is out, otherwise when some have gathered."""
        loop = asyncio.get_running_loop()
        if not line.waiting or line.out >= _MAX_OUT:
            return
        if line.out == 0 or len(line.waiting) >= line.addressee.max_batch:
            if line.flush is not None:
                line.flush.cancel()
            line.flush = loop.call_soon(self._flush, line)
        elif line.flush is None:
            line.flush = loop.call_later(_GATHER_S, self._flush, line)

    def _flush(self, line: Line) -> None:
        line.flush = None
        calls = [line.waiting.popleft() for _ in range(min(len(line.waiting), line.addressee.max_batch))]
        if calls:
            self._send(line, calls, calls[0].deadline)

    def _send(self, line: Line, calls: Sequence[Call], deadline: float) -> Batch:
        loop = asyncio.get_running_loop()
        batch_id = new_id(CALL)
        batch = Batch(batch_id, line, calls, deadline, self._payload(batch_id, line, calls))
        batch.timers.append(loop.call_at(deadline, self._expire, batch))
        self._out[batch_id] = batch
        line.out += 1
        # However the front ends: what people wrote does not stay in Redis.
        commands: list[Command] = [("RPUSH", NEXT_KEY, batch.payload), ("PEXPIRE", NEXT_KEY, self._left_ms(batch))]
        if loop.time() < self._heard_until:
            batch.timers.append(loop.call_later(_NUDGE_S, self._nudge, batch))
        else:
            commands += self._message(batch)
        self._spawn(self._push(batch, *commands))
        return batch

    def _nudge(self, batch: Batch) -> None:
        """Send the Celery message of a batch that nobody has answered yet: perhaps nobody was listening."""
        self._spawn(self._push(batch, *self._message(batch)))

    def _payload(self, batch_id: str, line: Line, calls: Sequence[Call]) -> bytes:
        return orjson.dumps(
            {
                "id": batch_id,
                "reply_to": self._reply_key,
                "pipeline": line.addressee.name,
                "surface": line.surface,
                "inputs": [call.raw for call in calls],
            }
        )

    def _message(self, batch: Batch) -> list[Command]:
        """Return the commands that send a batch by way of Celery."""
        wake = WakeUp(batch.id, f"{batch.line.addressee.name}.predict", Queue.INFERENCE.value)
        batch.message = job_envelope(wake)
        return [
            ("SET", CALL_KEY + batch.id, batch.payload, "PX", self._left_ms(batch)),
            ("LPUSH", queue_key(wake.queue), batch.message),
        ]

    def _left_ms(self, batch: Batch) -> int:
        """Return the time to the deadline, which Redis's clock alone keeps: the clocks of hosts may differ."""
        return max(1, int((batch.deadline - asyncio.get_running_loop().time()) * 1000))

    async def _push(self, batch: Batch, *commands: Command) -> None:
        try:
            await self._sender.run(*commands)
        except (RedisError, OSError) as error:
            self._lose(batch, type(error).__name__)

    def _expire(self, batch: Batch) -> None:
        self._lose(batch, "no answer in time")
        self._spawn(self._withdraw(batch))

    async def _withdraw(self, batch: Batch) -> None:
        """Take back a message that nobody took, so that none pile up while no worker runs."""
        queue = queue_key(Queue.INFERENCE.value)
        with contextlib.suppress(RedisError, OSError):
            await self._sender.run(
                ("DEL", CALL_KEY + batch.id), ("LREM", NEXT_KEY, 0, batch.payload), ("LREM", queue, 0, batch.message)
            )

    # --- back -------------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while not self._stopping:
            try:
                (item,) = await self._listener.run(("BLPOP", self._reply_key, _LISTEN_S))
            except (RedisError, OSError) as error:
                log.warning("answers cannot be listened for", reason=type(error).__name__)
                await asyncio.sleep(_PROBE_PAUSE_S / 2)
                continue
            if item is not None:
                self._receive(orjson.loads(item[1]))
                await asyncio.sleep(0)  # who got an answer goes first; then the next one is listened for

    def _receive(self, reply: dict[str, Any]) -> None:
        self._heard_until = asyncio.get_running_loop().time() + _SURE_S if reply["stays"] else 0.0
        batch = self._close(reply["id"])
        if batch is None:
            return  # came too late: its calls have their answers
        answers = reply["answers"]
        if answers is None:
            self._give_up(batch)
            return
        if batch.answered is not None:
            batch.answered.set_result(True)
        for call, answer in zip(batch.calls, answers, strict=True):
            if not call.answer.done():  # else its client has hung up
                settle(call, batch.line.addressee.read, answer)

    def _close(self, batch_id: str) -> Batch | None:
        batch = self._out.pop(batch_id, None)
        if batch is None:
            return None
        for timer in batch.timers:
            timer.cancel()
        batch.line.out -= 1
        self._flush_soon(batch.line)
        return batch

    def _give_up(self, batch: Batch) -> None:
        """Answer a batch's calls with the fallback."""
        self._close(batch.id)
        if batch.answered is not None and not batch.answered.done():
            batch.answered.set_result(False)
        fall_back(batch.line, batch.calls)

    # --- down and up again ------------------------------------------------------------------------------------------

    def _lose(self, batch: Batch, reason: str) -> None:
        """Give up a batch, and with it its line until a probe comes through."""
        if batch.id not in self._out:
            return
        line = batch.line
        self._give_up(batch)
        if line.down:
            return
        log.warning("calls get the fallback", addressee=line.addressee.name, surface=line.surface, reason=reason)
        close_down(line)
        self._spawn(self._probe(line))

    async def _probe(self, line: Line) -> None:
        loop = asyncio.get_running_loop()
        went_down = time.monotonic()
        while not self._stopping:
            answered: asyncio.Future[bool] = loop.create_future()
            batch = self._send(line, [], loop.time() + line.timeout_s)
            batch.answered = answered
            if await answered:
                break
            await asyncio.sleep(_PROBE_PAUSE_S)
        line.down = False
        log.info(
            "calls get answers again", addressee=line.addressee.name, after_s=round(time.monotonic() - went_down, 1)
        )

    def _spawn(self, coroutine: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._tasks.discard)
