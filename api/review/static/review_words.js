// What a page tells: in a line that screen readers hear, in a notice that stays, and scores as a list of facts.

const announced = document.getElementById("announce");
const notice = document.getElementById("trouble");

/** Tell those who listen; others see it happen. */
export function announce(text) {
  announced.textContent = "";
  requestAnimationFrame(() => {
    announced.textContent = text;
  });
}

/** Show a notice until it is dismissed, or another takes its place. `link`: {href, text}. Empty: none. */
export function tell(text, { link, bad = false } = {}) {
  notice.hidden = !text;
  notice.classList.toggle("bad", bad);
  if (!text) return notice.replaceChildren();
  const close = Object.assign(document.createElement("button"), { type: "button", className: "quiet" });
  close.textContent = "Dismiss";
  close.addEventListener("click", () => tell(""));
  const words = Object.assign(document.createElement("span"), { textContent: text });
  const there = link ? [Object.assign(document.createElement("a"), { href: link.href, textContent: link.text })] : [];
  notice.replaceChildren(words, ...there, close);
}

const label = (name) => {
  const words = name.replaceAll(/[_-]/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
};

/** Write one value for people. */
export function plain(value) {
  if (value === null || value === undefined) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return String(typeof value === "number" ? Number(value.toPrecision(4)) : value);
}

/** What an item's parts are called, by id: `<li data-id="ins_…" data-called="statement 1">`. */
export const namesIn = (article) =>
  new Map([...article.querySelectorAll("[data-id]")].map((each) => [each.dataset.id, each.dataset.called]));

/** Any JSON as a list of facts. `names`: what to call a text instead. */
export function facts(value, names = new Map()) {
  if (Array.isArray(value)) {
    const list = Object.assign(document.createElement("ol"), { className: "plain" });
    list.append(...value.map((each) => wrap("li", facts(each, names))));
    return value.length ? list : document.createTextNode("none");
  }
  if (value !== null && typeof value === "object") {
    const list = Object.assign(document.createElement("dl"), { className: "facts" });
    for (const [name, each] of Object.entries(value)) {
      list.append(wrap("dt", document.createTextNode(label(name))), wrap("dd", facts(each, names)));
    }
    return list;
  }
  return wrap("bdi", document.createTextNode(names.get(value) ?? plain(value)));
}

function wrap(name, child) {
  const made = document.createElement(name);
  made.append(child);
  return made;
}
