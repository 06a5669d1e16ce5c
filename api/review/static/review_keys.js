// Keys: those of the item (data-key), and those that every item has. None fires while a person writes.

const EVERY = { u: "undo", s: "skip", w: "rework", r: "reveal", a: "take", "?": "legend" };
const OFF = "tuneyard.keys";
const FIELDS = "textarea, select, input:not([type=checkbox], [type=radio], [type=button], [type=submit])";
const REACHED = "button:not([disabled]), a[href], input:not([type=hidden]), textarea, select, summary";

const legend = document.getElementById("legend");
const switchOff = document.getElementById("single-keys");

/** The words of an action. */
export function nameOf(element) {
  if (element.dataset.label) return element.dataset.label;
  if (element.title) return element.title;
  const copy = element.cloneNode(true);
  for (const each of copy.querySelectorAll("kbd, [hidden]")) each.remove();
  return copy.textContent.trim().replaceAll(/\s+/g, " ") || element.name;
}

const visible = (element) => !element.closest("[hidden]") && element.getClientRects().length > 0;

/** What a key of the item does: the element, or undefined. */
export function actionOf(article, key) {
  return [...article.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key && visible(each));
}

/** Show all keys. */
export function showLegend(article) {
  const list = legend.querySelector("[data-keys]");
  const keyed = [...(article?.querySelectorAll("[data-key]") ?? [])].filter(visible);
  list.replaceChildren(
    ...keyed.flatMap((each) => {
      const key = document.createElement("dt");
      key.append(Object.assign(document.createElement("kbd"), { textContent: each.dataset.key }));
      return [key, Object.assign(document.createElement("dd"), { textContent: labelOf(each) })];
    }),
  );
  legend.showModal();
}

function labelOf(element) {
  if (element.matches("button, a")) return nameOf(element);
  return element.dataset.label ?? element.labels?.[0]?.textContent.trim().slice(0, 60) ?? element.name;
}

/** `current()`: the item; `act(name)`: an action of every item. */
export function listen({ current, act }) {
  switchOff.checked = !isOff();
  switchOff.addEventListener("change", () => {
    try {
      localStorage.setItem(OFF, switchOff.checked ? "on" : "off");
    } catch {
      // a browser that keeps nothing
    }
  });
  legend.addEventListener("close", () => {
    if (!current()?.contains(document.activeElement)) current()?.focus({ preventScroll: true });
  });
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.altKey) return;
    const open = document.querySelector("dialog[open]");
    if (open) return inDialog(event, open);
    pressed(event, current(), act);
  });
}

function inDialog(event, open) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) open.querySelector("button[type=submit]")?.click();
}

function pressed(event, article, act) {
  const writing = event.target.matches?.(FIELDS) || event.target.isContentEditable;
  if (event.ctrlKey || event.metaKey) {
    if (event.key === "Enter" && article) press(event, actionOf(article, "Enter"));
    return;
  }
  if (writing) return inField(event, article);
  if (event.repeat || !switchOff.checked) return event.key.startsWith("Arrow") ? step(event, article) : undefined;
  if (event.key.startsWith("Arrow")) return step(event, article);
  // Enter presses what has the focus
  if (event.key === "Enter" && event.target.matches?.("button, a, summary")) return undefined;
  if (event.key === "Enter" && event.target.matches?.("input")) event.preventDefault();
  const key = keyOf(event);
  const own = article && actionOf(article, key);
  if (own) press(event, own);
  else if (EVERY[key]) {
    event.preventDefault();
    performance.mark("review:key");
    act(EVERY[key]);
  }
}

function inField(event, article) {
  if (event.key === "Escape") {
    event.target.blur();
    article?.focus({ preventScroll: true });
  } else if (event.key === "Enter" && event.target.matches("input")) event.preventDefault();
}

function press(event, element) {
  if (!element) return;
  event.preventDefault();
  performance.clearMarks("review:key");
  performance.mark("review:key");
  if (element.matches(FIELDS)) element.focus();
  else element.click();
}

// On a keyboard of another alphabet a letter's place counts.
function keyOf(event) {
  const isOurs = /^[\x20-\x7e]$/.test(event.key) || !event.code.startsWith("Key");
  return isOurs ? nameOfKey(event.key) : event.code.slice(3).toLowerCase();
}
const nameOfKey = (key) => (key.length === 1 ? key.toLowerCase() : key);

function step(event, article) {
  if (!article || !["ArrowDown", "ArrowUp"].includes(event.key) || event.target.matches?.("[type=radio]")) return;
  const places = [...article.querySelectorAll(REACHED)].filter(visible);
  if (!places.length) return;
  const at = places.indexOf(document.activeElement);
  const to = event.key === "ArrowDown" ? at + 1 : at < 0 ? places.length - 1 : at - 1;
  event.preventDefault();
  places[(to + places.length) % places.length].focus();
}

function isOff() {
  try {
    return localStorage.getItem(OFF) === "off";
  } catch {
    return false;
  }
}
