// Keeps parts of a page up to date: the page is fetched again, and each part marked data-part that changed is replaced.
// Scroll and focus stay where they are; what the person has typed is outside of such parts.

/** Fetch this page as it is now; null when it cannot be had, "signed-out" when the session has ended. */
export async function fetchPage(signal) {
  const response = await fetch(location.href, { credentials: "same-origin", headers: { Accept: "text/html" }, signal });
  if (new URL(response.url).pathname === "/sign-in") return "signed-out";
  if (!response.ok) return null;
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** Put the parts of a fetched page in the place of ours; returns whether anything changed. */
export function swapParts(fetched) {
  let changed = false;
  document.title = fetched.title;
  for (const old of document.querySelectorAll("[data-part]")) {
    const fresh = fetched.querySelector(`[data-part="${old.dataset.part}"]`);
    if (!fresh || old.isEqualNode(fresh)) continue;
    const held = old.contains(document.activeElement) ? addressOf(document.activeElement) : null;
    const open = [...old.querySelectorAll("details[open]")].map(summaryOf);
    for (const details of fresh.querySelectorAll("details")) {
      if (open.includes(summaryOf(details))) details.open = true;
    }
    old.replaceWith(document.adoptNode(fresh));
    if (held) (find(fresh, held) || document.getElementById("title") || document.getElementById("main")).focus({ preventScroll: true });
    changed = true;
  }
  return changed;
}

const summaryOf = (details) => details.querySelector("summary")?.textContent ?? "";

/** What tells the same control again on the page as it is now. */
function addressOf(element) {
  return { id: element.id, tag: element.tagName, href: element.getAttribute("href"), text: element.textContent.trim() };
}

function find(part, { id, tag, href, text }) {
  if (id) return part.querySelector(`#${CSS.escape(id)}`);
  return [...part.querySelectorAll(tag)].find(
    (each) => each.getAttribute("href") === href && (href !== null || each.textContent.trim() === text),
  );
}

/** Call `work` now and then while the page is seen; one call at a time, and rarer while the server cannot be reached. */
export function everyWhileSeen(milliseconds, work) {
  let failures = 0;
  let timer = 0;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(run, milliseconds * Math.min(2 ** failures, 16));
  };
  async function run() {
    if (document.hidden) return;
    try {
      await work();
      failures = 0;
    } catch {
      failures += 1;
    }
    later();
  }
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : run()));
  later();
}
