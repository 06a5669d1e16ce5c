// What a person decided and the server does not know yet: kept in order, in this tab's storage, until it was answered.
// Each entry has an Idempotency-Key of its own, so sending one twice (after a reload, or a lost answer) does no harm.

import { ask, Problem } from "./site.js";

const FIRST_MS = 500;
const LONGEST_MS = 15000;
const ANSWER_MS = 15000;
const UNNOTICED_MS = 1200; // below, nobody needs to be told that something is on its way
const SIGNED_OUT = new Set([401, 403]);

// Whether asking again would give the same answer. A plain conflict: an earlier try under this key has just failed.
const isFinal = ({ status, code }) => status < 500 && status !== 408 && status !== 429 && code !== "conflict";

const hex = (byte) => byte.toString(16).padStart(2, "0");
export const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), hex).join("");

/** Sends entries `{id, queue, item, op, body}` in order. `of`: the entry that this one takes back. */
export class Outbox {
  #place;
  #entries;
  #answers; // response ids by entry, for an undo that follows
  #busy = false;
  #failed = 0;
  #timer = 0;
  #paused = null;

  /** `changed()`: how many there are, or how sending goes. `sent(entry, answer)`, `refused(entry, problem)`. */
  constructor(visitor, { changed, sent, refused }) {
    this.#place = `tuneyard.review.${visitor}`;
    const kept = read(this.#place);
    this.#entries = kept.entries ?? [];
    this.#answers = new Map(kept.answers ?? []);
    Object.assign(this, { changed, sent, refused });
    addEventListener("online", () => this.pump(true));
    addEventListener("beforeunload", (event) => {
      if (this.late) event.preventDefault();
    });
  }

  get size() {
    return this.#entries.length;
  }

  /** Why nothing is sent for now: the person must do something. A Problem, or null. */
  get paused() {
    return this.#paused;
  }

  /** How many entries wait for longer than anybody would expect. */
  get late() {
    const now = Date.now();
    const slow = this.#entries.some((entry) => now - entry.at > UNNOTICED_MS);
    return this.#failed || this.#paused || slow ? this.#entries.length : 0;
  }

  /** Items of a queue about which something is still to be sent. */
  itemsOf(queue) {
    return this.#entries.filter((entry) => entry.queue === queue).map((entry) => entry.item);
  }

  add(entry) {
    this.#entries.push({ ...entry, at: Date.now() });
    this.#keep();
    setTimeout(() => this.changed(), UNNOTICED_MS + 50);
    this.pump();
  }

  /** Take an entry back that was never on its way; false when it may have arrived. */
  withdraw(id) {
    const place = this.#entries.findIndex((entry) => entry.id === id);
    if (place < 0 || this.#entries[place].tried) return false;
    this.#entries.splice(place, 1);
    this.#keep();
    return true;
  }

  /** Send what waits. `now`: do not wait for the next try. */
  async pump(now = false) {
    if (now) {
      clearTimeout(this.#timer);
      this.#timer = 0;
      this.#paused = null;
    }
    if (this.#busy || this.#timer || this.#paused) return;
    this.#busy = true;
    while (this.#entries.length && !this.#timer && !this.#paused) await this.#sendFirst();
    this.#busy = false;
  }

  async #sendFirst() {
    const entry = this.#entries[0];
    entry.tried = true;
    this.#keep();
    try {
      const answer = await this.#send(entry);
      this.#failed = 0;
      this.#drop(entry, answer?.response_id);
      this.sent(entry, answer);
    } catch (error) {
      if (error instanceof Problem && SIGNED_OUT.has(error.status)) this.#paused = error;
      else if (error instanceof Problem && isFinal(error)) {
        this.#drop(entry);
        this.refused(entry, error);
      } else this.#waitAWhile();
    }
    this.changed();
  }

  #send({ id, queue, item, op, body, of }) {
    let sent = body;
    if (op === "undo") {
      const responseId = this.#answers.get(of);
      if (!responseId) return null; // it was refused: there is nothing to take back
      sent = { response_id: responseId };
    }
    return ask(`/v1/review/${queue}/${item}${op === "decide" ? "" : `/${op}`}`, {
      method: "POST",
      body: sent,
      headers: { "Idempotency-Key": id },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
  }

  #drop(entry, responseId) {
    this.#entries = this.#entries.filter((each) => each.id !== entry.id);
    if (responseId) this.#answers.set(entry.id, responseId);
    this.#keep();
  }

  #waitAWhile() {
    const delay = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failed) * (0.75 + Math.random() / 2);
    this.#failed += 1;
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.pump();
    }, delay);
  }

  #keep() {
    write(this.#place, { entries: this.#entries, answers: [...this.#answers].slice(-100) });
  }
}

/** What this tab keeps under a name. */
export function read(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name) ?? "{}");
  } catch {
    return {};
  }
}

/** Keep something in this tab; where a browser keeps nothing, memory has it. */
export function write(name, value) {
  try {
    sessionStorage.setItem(name, JSON.stringify(value));
  } catch {
    // full, or switched off
  }
}
