// A queue's page: one item at a time, a key for each action, the next item at once, what was decided sent behind.

import { ask, Problem } from "./site.js";
import { Deck } from "./review_deck.js";
import { Checks } from "./review_checks.js";
import { readForm } from "./review_form.js";
import { listen, nameOf, showLegend } from "./review_keys.js";
import { newKey, Outbox, read, write } from "./review_outbox.js";
import { showPace } from "./review_pace.js";
import { announce, facts, namesIn, plain, tell } from "./review_words.js";

const page = document.getElementById("review");
const { pipeline, kind, visitor } = page.dataset;
const queue = `${pipeline}/${kind}`;
const HISTORY = `tuneyard.review.${visitor}.${queue}`;
const INVERSE = { decide: "undo", skip: "unskip", rework: "put-back" };
const REMEMBERED = 50;
const TITLE = 300;

const unsent = document.getElementById("unsent");
const last = document.getElementById("told-last");
const bar = document.querySelector(".bar");
const dialog = document.getElementById("rework");
const history = read(HISTORY).done ?? []; // what this tab did, the latest last: for undo
const decided = new Set(history.filter((done) => done.op === "decide").map((done) => done.item));
const pace = showPace(queue);
let waitsForItems = false;

const outbox = new Outbox(visitor, { changed: showUnsent, sent: afterSent, refused: afterRefused });
const deck = new Deck(`/review/${queue}`, {
  unsent: () => outbox.itemsOf(queue),
  busy: () => new Set([...outbox.itemsOf(queue), ...decided]),
  shown,
  trouble: (status) => {
    if (deck.current) return;
    waitsForItems = true;
    tell(status ? "The next items cannot be loaded now." : "No connection: the next items come when it is back.");
  },
});
const checks = new Checks(queue);

// --- what a person does ---------------------------------------------------------------------------------------------

async function decide(article, button) {
  const least = Number(button.dataset.least ?? 0);
  if (button.dataset.of && !enoughChosen(article, button)) {
    return announceAndShow(`Choose ${least} to ${button.dataset.most}; for all or none there are keys of their own.`);
  }
  const form = article.querySelector("form");
  const written = readForm(form, button);
  if (button.name === "with-fields" && (await checks.refuses(article, written))) return;
  if (deck.current !== article) return; // decided meanwhile by another key
  const body = { decision: written.decision, note: written.note ?? undefined };
  leave(article, "decide", body, nameOf(button), button.value);
}

function skip() {
  if (deck.current) leave(deck.current, "skip", undefined, "Skipped");
}

function rework() {
  if (!deck.current) return;
  dialog.showModal();
  document.getElementById("reason").focus();
}

function sendToRework(event) {
  const field = document.getElementById("reason");
  const reason = field.value.trim();
  if (!reason) {
    event.preventDefault();
    document.getElementById("e-reason").textContent = "Say what must be put right.";
    field.setAttribute("aria-invalid", "true");
    return field.focus();
  }
  field.value = "";
  if (deck.current) leave(deck.current, "rework", { reason }, "Sent to rework");
}

/** Let an item go: to be sent behind, and the next one shown at once. */
function leave(article, op, body, said, pressed) {
  const entry = { id: newKey(), queue, item: article.dataset.item, op, body };
  if (op === "decide") decided.add(entry.item);
  history.push({ id: entry.id, item: entry.item, op, said, pressed, decision: body?.decision });
  keepHistory();
  outbox.add(entry);
  if (op === "decide") pace.count(1);
  last.textContent = `Last: ${said}`;
  announce(said);
  deck.next();
}

async function undo() {
  const done = history.pop();
  if (!done) return announceAndShow("There is nothing to undo on this page.");
  keepHistory();
  decided.delete(done.item);
  if (!outbox.withdraw(done.id)) {
    outbox.add({ id: newKey(), queue, item: done.item, op: INVERSE[done.op], of: done.id });
  }
  if (done.op === "decide") pace.count(-1);
  last.textContent = `Undone: ${done.said}`;
  announce(`Undone: ${done.said}`);
  const article = await deck.back(done.item);
  if (!article) return tell("It is taken back. The item cannot be loaded now: it comes back with the next ones.");
  markEarlier(article, done);
  showUnsent();
}

async function reveal() {
  const article = deck.current;
  if (!article || article.dataset.revealed) return;
  const found = await direct(article, "reveal");
  if (!found) return;
  article.dataset.revealed = "yes";
  for (const each of article.querySelectorAll("[data-after-reveal]")) each.hidden = false;
  for (const each of article.querySelectorAll("[data-score]")) {
    each.textContent = plain(each.dataset.score.split(".").reduce((value, way) => value?.[way], found.scores));
  }
  const place = article.querySelector(".revealed");
  const title = Object.assign(document.createElement("h3"), { textContent: "Scores" });
  const note = Object.assign(document.createElement("p"), { className: "hint" });
  note.textContent = "That you saw them is written down with your decision.";
  place.replaceChildren(title, facts(found.scores, namesIn(article)), note);
  place.hidden = false;
  announce("Scores are shown below the item. That you saw them is written down.");
  refreshBar();
}

async function take() {
  const article = deck.current;
  const mine = article?.dataset.mine === "yes";
  if (!article || !(await direct(article, mine ? "release" : "assign"))) return;
  article.dataset.mine = mine ? "no" : "yes";
  refreshBar();
  announce(mine ? "Open for all." : "Yours: nobody else is asked about it.");
}

/** Ask for something that must be known before one goes on. */
async function direct(article, what) {
  try {
    return await ask(`/v1/review/${queue}/${article.dataset.item}/${what}`, { method: "POST" });
  } catch (error) {
    const unreached = "No connection: nothing was done. Try again when it is back.";
    tell(error instanceof Problem ? sentence(error) : unreached, { bad: true });
    return null;
  }
}

// --- what the server says -------------------------------------------------------------------------------------------

function afterSent(entry, answer) {
  if (entry.queue !== queue) return;
  pace.refresh();
  if (answer?.came_to?.told) last.textContent = answer.came_to.told;
  if (!deck.current && !outbox.size) deck.fill(); // what was skipped comes back when nothing else waits
}

async function afterRefused(entry, problem) {
  const here = entry.queue === queue;
  const link = { href: `/review/${entry.queue}?item=${entry.item}`, text: "Show the item" };
  if (entry.op !== "decide" || !here) return tell(`${sentence(problem)} It was not stored.`, { link, bad: true });
  decided.delete(entry.item);
  forget(entry.id);
  pace.count(-1);
  const changed = problem.code === "cluster-changed";
  if (changed || problem.status === 422) {
    const article = await deck.queue(entry.item, { fresh: changed });
    if (article) checks.showWhole(article, sentence(problem));
    return tell(`${sentence(problem)} Your decision was not stored: the item comes again.`, { bad: true });
  }
  if (problem.code === "already-decided") {
    return tell("Somebody else decided on an item before you: theirs stands, and yours was not stored.", { link });
  }
  tell(`${sentence(problem)} Your decision was not stored.`, { link, bad: true });
}

function forget(id) {
  const place = history.findIndex((done) => done.id === id);
  if (place >= 0) history.splice(place, 1);
  keepHistory();
}

function showUnsent() {
  const { paused, late } = outbox;
  unsent.hidden = !late;
  page.dataset.unsent = outbox.size;
  if (!late) return unsent.replaceChildren();
  const many = `${late} ${late === 1 ? "decision" : "decisions"} not yet sent`;
  const words = document.createElement("span");
  const act = document.createElement(paused ? "a" : "button");
  if (paused) {
    const signedOut = paused.status === 401;
    words.textContent = `${signedOut ? "You are signed out." : sentence(paused)} ${many}, kept here. `;
    act.href = signedOut ? `/sign-in?to=${encodeURIComponent(location.pathname)}` : location.pathname;
    act.textContent = signedOut ? "Sign in" : "Load the page again";
  } else {
    words.textContent = `${many}: no answer. Trying again. `;
    Object.assign(act, { type: "button", textContent: "Try now" });
    act.addEventListener("click", () => outbox.pump(true));
  }
  if (unsent.textContent !== words.textContent + act.textContent) unsent.replaceChildren(words, act);
}

const sentence = (problem) => {
  const text = problem.message.charAt(0).toUpperCase() + problem.message.slice(1);
  return `${text}.${problem.advice ? ` ${problem.advice.charAt(0).toUpperCase()}${problem.advice.slice(1)}.` : ""}`;
};

// --- the page -------------------------------------------------------------------------------------------------------

function shown(article) {
  bar.hidden = false;
  refreshBar();
  if (!article) return document.getElementById("done").focus({ preventScroll: true });
  if (waitsForItems) tell("");
  waitsForItems = false;
  const title = article.querySelector("[data-title]")?.textContent.trim().replaceAll(/\s+/g, " ");
  if (title) article.setAttribute("aria-label", title.slice(0, TITLE)); // what a screen reader says as the focus comes
  checks.watch(article);
  refreshChosen(article);
  const first = article.querySelector("[data-focus]") ?? article;
  first.focus({ preventScroll: true });
  window.scrollTo(0, 0);
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      if (performance.getEntriesByName("review:key").length) performance.measure("review:next", "review:key");
      performance.clearMarks("review:key");
    }),
  );
}

function refreshBar() {
  const article = deck.current;
  for (const button of bar.querySelectorAll("[data-do]")) {
    const needs = !["undo", "legend"].includes(button.dataset.do);
    button.disabled = (needs && !article) || (button.dataset.do === "undo" && !history.length);
  }
  const [takeIt, seen] = ["take", "reveal"].map((name) => bar.querySelector(`[data-do="${name}"] span`));
  takeIt.textContent = article?.dataset.mine === "yes" ? "Open for all" : "Take for me";
  seen.textContent = article?.dataset.revealed ? "Revealed" : "Reveal";
}

function enoughChosen(article, button) {
  const chosen = article.querySelectorAll(`input[name="${CSS.escape(button.dataset.of)}"]:checked`).length;
  return chosen >= Number(button.dataset.least ?? 0) && chosen <= Number(button.dataset.most ?? Infinity);
}

function refreshChosen(article) {
  for (const button of article.querySelectorAll("button[data-of]")) {
    button.setAttribute("aria-disabled", String(!enoughChosen(article, button)));
  }
}

function markEarlier(article, done) {
  for (const each of article.querySelectorAll(".was")) each.classList.remove("was");
  for (const button of article.querySelectorAll("button[name]")) {
    if (done.pressed !== undefined && button.value === done.pressed) button.classList.add("was");
  }
  if (article.dataset.fresh) checks.fill(article, done.decision); // else its fields are as they were left
  refreshChosen(article);
}

function announceAndShow(text) {
  last.textContent = text;
  announce(text);
}

function keepHistory() {
  history.splice(0, Math.max(0, history.length - REMEMBERED));
  write(HISTORY, { done: history });
}

const DO = { undo, skip, rework, reveal, take, legend: () => showLegend(deck.current) };

document.getElementById("deck").addEventListener("submit", (event) => {
  event.preventDefault();
  const article = event.target.closest("article");
  if (event.submitter && article === deck.current) decide(article, event.submitter);
});
document.getElementById("deck").addEventListener("change", (event) => refreshChosen(event.target.closest("article")));
bar.addEventListener("click", (event) => DO[event.target.closest("[data-do]")?.dataset.do]?.());
dialog.querySelector("form").addEventListener("submit", sendToRework);
dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  if (!deck.current?.contains(document.activeElement)) (deck.current ?? bar).focus({ preventScroll: true });
});
listen({
  current: () => deck.current,
  act: (name) => bar.querySelector(`[data-do="${name}"]`).disabled || DO[name](),
});

document.querySelector('form[action="/sign-out"]')?.addEventListener("submit", () => write(HISTORY, {}));

addEventListener("online", () => deck.fill());

deck.start();
outbox.pump();
pace.refresh();
