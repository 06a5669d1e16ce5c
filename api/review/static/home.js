// The home page keeps itself fresh: while somebody looks at it and does nothing there, it is loaded again now and then.

const EVERY_MS = 15_000;

async function refresh() {
  if (document.hidden || document.querySelector("main form:focus-within, main a:focus-visible")) return;
  try {
    const answer = await fetch(location.pathname, { credentials: "same-origin", headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    const told = document.querySelector("main .told");
    if (told) fresh.prepend(told);
    const main = document.querySelector("main");
    if (fresh && fresh.innerHTML !== main.innerHTML) main.replaceChildren(...fresh.childNodes);
  } catch {
    // the server is away: the page stays as it is, and the next round tries again
  }
}

setInterval(refresh, EVERY_MS);
