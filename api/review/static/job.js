// One job, live: its events come as a stream, and what they change on the page is fetched again.
import { everyWhileSeen, fetchPage, swapParts } from "./live.js";

const TYPES = ["queued", "running", "waiting", "succeeded", "failed", "cancelled", "progress", "retry", "rescued", "cancel-requested", "alert"];
const ENDS = ["succeeded", "failed", "cancelled"];
const SHOWN = 500; // lines of the log; older ones go
const TICK_MS = 2000;
const AGAIN_MS = 1500;

const root = document.querySelector("[data-job]");
const log = document.querySelector("[data-log]");
const view = log.parentElement;
const announce = document.querySelector("[data-announce]");
const connection = document.querySelector("[data-connection]");
const life = () => document.querySelector('[data-part="life"]');

let seen = Number(life().dataset.cursor);
let source = null;
let refreshing = null;
let again = false;
let retryTimer = 0;

const isOver = () => life().dataset.over === "yes";

/** Bring the page up to date; calls that come meanwhile become one more. */
async function refresh() {
  if (refreshing) {
    again = true;
    return refreshing;
  }
  refreshing = (async () => {
    try {
      const page = await fetchPage();
      if (page === "signed-out") location.reload();
      else if (page) swapParts(page);
    } finally {
      refreshing = null;
    }
  })();
  await refreshing;
  if (again) {
    again = false;
    return refresh();
  }
}

function tell(text) {
  connection.textContent = text;
  connection.hidden = text === "";
}

function connect() {
  clearTimeout(retryTimer);
  if (source || document.hidden || isOver()) return;
  source = new EventSource(`/v1/jobs/${root.dataset.job}/events?cursor=${seen}`);
  source.onopen = () => tell("");
  for (const type of TYPES) source.addEventListener(type, onEvent);
  source.onerror = () => {
    if (source.readyState === EventSource.CONNECTING) {
      tell("The connection was lost; trying again.");
      return;
    }
    disconnect(); // the job has ended, or we are signed out: the page itself says which
    refresh()
      .then(() => tell(""))
      .catch(() => tell("The server cannot be reached; trying again."))
      .finally(() => {
        retryTimer = setTimeout(connect, AGAIN_MS);
      });
  };
}

function disconnect() {
  source?.close();
  source = null;
}

function onEvent(message) {
  const event = JSON.parse(message.data);
  if (event.seq <= seen) return;
  seen = event.seq;
  write(event);
  if (event.type === "progress") {
    progress(event);
    return;
  }
  announce.textContent = `${root.dataset.kind}: ${event.type} ${event.message}`;
  if (ENDS.includes(event.type)) disconnect();
  refresh().catch(() => tell("The server cannot be reached; trying again."));
}

function progress({ data, message }) {
  const { fraction, ...counters } = data;
  if (typeof fraction === "number") {
    const percent = `${Math.round(fraction * 100)} %`;
    document.getElementById("bar").value = fraction;
    document.getElementById("bar-percent").textContent = percent;
  }
  document.getElementById("bar-message").textContent = message;
  document.getElementById("counters").replaceChildren(
    ...Object.entries(counters).map(([name, value]) => {
      const group = document.createElement("div");
      const words = name.replaceAll(/[_-]/g, " ");
      group.append(element("dt", words.charAt(0).toUpperCase() + words.slice(1)), element("dd", number(value)));
      return group;
    }),
  );
}

const number = (value) => (typeof value === "number" ? value.toLocaleString("en-US", { maximumSignificantDigits: Number.isInteger(value) ? 21 : 4 }) : String(value));

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function write({ seq, type, message, data, attempt, at }) {
  const atEnd = view.scrollHeight - view.scrollTop - view.clientHeight < 40;
  const line = document.createElement("li");
  line.className = type;
  line.dataset.seq = seq;
  const time = element("time", new Date(at).toISOString().slice(11, 19));
  time.dateTime = time.title = at;
  const text = message || (type === "running" && data.worker ? `attempt ${attempt} on ${data.worker}` : "");
  line.append(time, " ", element("b", type), " ", element("span", text));
  log.append(line);
  while (log.children.length > SHOWN) log.firstElementChild.remove();
  if (atEnd) view.scrollTop = view.scrollHeight;
}

view.scrollTop = view.scrollHeight;
connect();
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : refresh().then(connect, connect)));
// a browser holds few connections to one server: a page that nobody sees gives its own back
window.addEventListener("pagehide", disconnect);
window.addEventListener("pageshow", connect);
let ticks = 0;
everyWhileSeen(TICK_MS, async () => {
  ticks += 1;
  // steps of a flow have events of their own; a lone job's page only shows how much time has gone by
  if (!isOver() && (life().dataset.flow === "yes" || ticks % 5 === 0)) await refresh();
});
