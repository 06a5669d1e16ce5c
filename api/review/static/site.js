// What every page's script may use: requests to our own API with the page's token, and words for what went wrong.

const token = document.querySelector('meta[name="csrf-token"]').content;

/** An answer of the API that is no success: `status`, and the problem document's `detail`, `code`, `advice`. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail || `the server answered ${status}`);
    this.status = status;
    this.code = document.code || "";
    this.advice = document.advice || "";
    this.details = document.details || {};
  }
}

/** Ask our API; `body` is sent as JSON. Rejects with a Problem, or with a TypeError when the server cannot be reached. */
export async function ask(path, { method = "GET", body, headers = {}, signal } = {}) {
  const response = await fetch(path, {
    method,
    signal,
    credentials: "same-origin",
    headers: {
      "X-CSRF-Token": token,
      Accept: "application/json",
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.status === 401) {
    throw new Problem(401, { detail: "you are signed out", code: "unauthenticated", advice: "sign in again" });
  }
  const isJson = (response.headers.get("Content-Type") || "").includes("json");
  const answer = isJson ? await response.json() : await response.text();
  if (!response.ok) throw new Problem(response.status, isJson ? answer : {});
  return answer;
}

// On a phone the navigation is wider than the screen: show where one is.
const here = document.querySelector(".top nav [aria-current]");
if (here) here.closest("ul").scrollLeft = here.offsetLeft - (window.innerWidth - here.offsetWidth) / 2;

// A form that asks before it acts: <form data-confirm="Promote this model?">, or one of its buttons.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset?.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});
