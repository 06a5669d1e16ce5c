// Faults beside the fields while a person writes, by asking the API; and fields filled with what was decided before.

import { ask } from "./site.js";
import { pathOf, readForm } from "./review_form.js";

const PAUSE_MS = 300; // after the last key
const LONGEST_MS = 3000; // how long a decision waits for its check
const WRITTEN = "textarea[name], select[name], input[name]:not([type=hidden], [type=checkbox], [type=radio])";

export class Checks {
  #touched = new WeakMap(); // article → paths of fields that were written in
  #known = new WeakMap(); // article → {what was checked, its faults}
  #timer = 0;
  #running = null;

  constructor(queue) {
    this.queue = queue;
  }

  /** Check an item's fields from now on. */
  watch(article) {
    if (this.#touched.has(article)) return;
    this.#touched.set(article, new Set());
    article.addEventListener("input", (event) => {
      if (!event.target.name || !article.querySelector(WRITTEN)) return;
      this.#touched.get(article).add(pathOf(event.target.name));
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#check(article), PAUSE_MS);
    });
  }

  /** Whether what is written has faults: they are shown then, and the first faulty field has the focus. */
  async refuses(article, written) {
    if (!article.querySelector(WRITTEN)) return false;
    clearTimeout(this.#timer);
    const faults = await this.#faults(article, written, AbortSignal.timeout(LONGEST_MS));
    if (!faults) return false; // no answer: the decision is kept, sent later, and checked then
    show(article, faults, written.names, null);
    if (faults.length) article.querySelector("[aria-invalid=true], [data-fault]:not(:empty)")?.focus?.();
    return faults.length > 0;
  }

  /** Show what is wrong with the decision as a whole. */
  showWhole(article, text) {
    article.querySelector('[data-fault=""]').textContent = text;
  }

  /** Put a decision into the fields, as far as they have a place for it. */
  fill(article, decision) {
    if (!decision) return;
    for (const field of article.querySelectorAll("[name]:not(button, [type=hidden])")) {
      const value = pathOf(field.name).split(".").reduce((each, way) => each?.[way], decision);
      if (value === undefined) continue;
      const chosen = Array.isArray(value) ? value.includes(field.value) : value === true;
      if (field.type === "checkbox") field.checked = chosen;
      else if (field.type === "radio") field.checked = String(value) === field.value;
      else if (field.name.includes(":json")) field.value = JSON.stringify(value, null, 2);
      else field.value = Array.isArray(value) ? value.join("\n") : (value ?? "");
    }
    article.dispatchEvent(new Event("change", { bubbles: true })); // for what counts along
  }

  async #check(article) {
    const main = article.querySelector('button[data-key="Enter"][name="with-fields"], button[name="with-fields"]');
    if (!main) return;
    this.#running?.abort();
    this.#running = new AbortController();
    const written = readForm(article.querySelector("form"), main);
    const faults = await this.#faults(article, written, this.#running.signal);
    if (faults) show(article, faults, written.names, this.#touched.get(article));
  }

  async #faults(article, { decision }, signal) {
    const asked = JSON.stringify(decision);
    const known = this.#known.get(article);
    if (known?.asked === asked) return known.faults;
    try {
      const path = `/v1/review/${this.queue}/${article.dataset.item}/check`;
      const { faults } = await ask(path, { method: "POST", body: { decision }, signal });
      this.#known.set(article, { asked, faults });
      return faults;
    } catch {
      return null;
    }
  }
}

// Show faults beside their fields; `touched`: only those of fields that were written in (null: all).
function show(article, faults, names, touched) {
  const told = new Map();
  for (const { field, message } of faults) {
    const path = placeOf(article, names.get(field) ?? field);
    if (touched && !touched.has(path)) continue;
    told.set(path, [...(told.get(path) ?? []), message]);
  }
  for (const place of article.querySelectorAll("[data-fault]")) {
    const text = (told.get(place.dataset.fault) ?? []).map(begun).join("; ");
    if (place.textContent !== text) place.textContent = text;
    place.closest(".field")?.classList.toggle("faulty", Boolean(text));
  }
  for (const field of article.querySelectorAll(WRITTEN)) {
    if (told.has(pathOf(field.name))) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
}

const begun = (message) => message.charAt(0).toUpperCase() + message.slice(1);

// The nearest place that can tell of a path: its own, or one that it lies in.
function placeOf(article, path) {
  for (let at = path; at; at = at.includes(".") ? at.slice(0, at.lastIndexOf(".")) : "") {
    if (article.querySelector(`[data-fault="${CSS.escape(at)}"]`)) return at;
  }
  return "";
}
