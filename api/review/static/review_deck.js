// The items of a queue in the browser: the one that is shown, and some behind it whose pictures are loaded already.

const AHEAD = 5; // items kept ready
const REMEMBERED = 30; // articles kept as they were, for undo
const AGAIN_MS = 15000;
const MOST_WITHOUT = 50; // that the server takes

export class Deck {
  #deck = document.getElementById("deck");
  #done = document.getElementById("done");
  #ahead = []; // articles, in order; they are in the page, hidden, so that their pictures load
  #kept = new Map();
  #filling = null;
  #stale = false;
  #again = 0;
  #modules = new Map();

  /** `unsent()`: items about which the server does not know all yet. `busy()`: those, and others not to be shown. */
  constructor(path, { unsent, busy, shown, trouble }) {
    Object.assign(this, { path, unsent, busy, shown, trouble });
    this.current = null;
  }

  async start() {
    const first = this.#deck.querySelector("article");
    this.#take(document.getElementById("ahead").content);
    if (first && !this.busy().has(first.dataset.item)) {
      this.#prepare(first);
      this.#show(first);
    } else {
      first?.remove();
      this.next();
    }
    await this.fill();
  }

  /** Show the next item at once; the one before is kept as it is. */
  next() {
    this.#putAway();
    const article = this.#ahead.shift();
    if (article) this.#show(article);
    else this.#showNothing(false);
    this.fill();
  }

  /** Go back to an item: as it was left, or fetched again. `front`: the current one comes next. */
  async back(item, { fresh = false } = {}) {
    let article = fresh ? null : this.#kept.get(item);
    this.#ahead = this.#ahead.filter((each) => each.dataset.item !== item || (each.remove(), false));
    if (!article) article = await this.#fetchOne(item);
    if (!article) return null;
    if (this.current?.dataset.item === item) this.current.remove();
    else if (this.current) {
      this.current.hidden = true;
      this.#ahead.unshift(this.current);
    }
    this.current = null;
    this.#show(article);
    return article;
  }

  /** Let an item come next, after the one that is shown. */
  async queue(item, { fresh = false } = {}) {
    if (!this.current) return this.back(item, { fresh });
    const article = (fresh ? null : this.#kept.get(item)) ?? (await this.#fetchOne(item));
    if (article && article !== this.current) {
      article.hidden = true;
      this.#deck.append(article);
      this.#ahead.unshift(article);
    }
    return article;
  }

  /** Fetch more when few are left. Asked for meanwhile, it is done once more: things have changed. */
  fill() {
    if (this.#filling) {
      this.#stale = true;
      return this.#filling;
    }
    this.#filling = this.#fill().finally(() => {
      this.#filling = null;
      if (!this.#stale) return;
      this.#stale = false;
      this.fill();
    });
    return this.#filling;
  }

  async #fill() {
    if (this.#ahead.length >= AHEAD - 1) return;
    clearTimeout(this.#again);
    const here = [this.current, ...this.#ahead].filter(Boolean).map((article) => article.dataset.item);
    const without = [...new Set([...here, ...this.unsent()])].slice(0, MOST_WITHOUT);
    const asked = new URLSearchParams([["limit", AHEAD], ...without.map((item) => ["without", item])]);
    const html = await this.#fetch(`${this.path}/items?${asked}`);
    if (html !== null) this.#take(html);
    if (!this.current && this.#ahead.length) this.#show(this.#ahead.shift());
    if (html === null || !this.#ahead.length) this.#again = setTimeout(() => this.fill(), AGAIN_MS);
    if (!this.current) this.#showNothing(html !== null);
  }

  async #fetch(path) {
    try {
      const response = await fetch(path, { credentials: "same-origin", headers: { Accept: "text/html" } });
      if (response.redirected || !response.ok) {
        this.trouble(response.status);
        return null;
      }
      const made = document.createElement("template");
      made.innerHTML = await response.text(); // rendered by our own server, which escapes; scripts in it never run
      return made.content;
    } catch {
      this.trouble(0);
      return null;
    }
  }

  async #fetchOne(item) {
    const content = await this.#fetch(`${this.path}/items/${item}`);
    const article = content?.querySelector("article") ?? null;
    if (article) this.#prepare(article);
    if (article) article.dataset.fresh = "yes";
    return article;
  }

  #take(content) {
    const here = [this.current, ...this.#ahead].map((each) => each?.dataset.item);
    const known = new Set([...here, ...this.busy()]);
    const first = this.#deck.querySelector("article:not([hidden])");
    for (const article of [...content.querySelectorAll("article")]) {
      if (known.has(article.dataset.item) || article.dataset.item === first?.dataset.item) continue;
      article.hidden = true;
      this.#prepare(article);
      this.#deck.append(article);
      this.#ahead.push(article);
    }
  }

  #prepare(article) {
    for (const picture of article.querySelectorAll("img")) picture.decode?.().catch(() => {});
    for (const each of article.querySelectorAll("[data-enhance]")) {
      const name = each.dataset.enhance;
      if (!/^review_[a-z_]+\.js$/.test(name)) continue;
      if (!this.#modules.has(name)) this.#modules.set(name, import(new URL(name, import.meta.url)));
      this.#modules.get(name).then((module) => module.enhance(article)).catch(() => {});
    }
  }

  #putAway() {
    const article = this.current;
    this.current = null;
    if (!article) return;
    article.remove();
    this.#kept.delete(article.dataset.item);
    this.#kept.set(article.dataset.item, article);
    if (this.#kept.size > REMEMBERED) this.#kept.delete(this.#kept.keys().next().value);
  }

  #show(article) {
    this.#done.hidden = true;
    article.hidden = false;
    if (article.parentNode !== this.#deck) this.#deck.prepend(article);
    this.current = article;
    this.shown(article);
  }

  // `known`: that nothing waits; else it is not known yet.
  #showNothing(known) {
    this.#done.hidden = !known;
    this.shown(null);
  }
}
