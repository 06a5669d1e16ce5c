// How far and how fast one is: counted here at once, and asked for now and then.

import { ask } from "./site.js";

const PAUSE_MS = 2000;

/** Show the progress of a queue. */
export function showPace(queue) {
  const list = document.querySelector(".pace");
  const known = { today: 0, total: 0, hour: null, waiting: 0, capped: false };
  let timer = 0;
  const figure = (value) => (value === null ? "–" : Math.round(value).toLocaleString("en"));
  const show = () => {
    for (const each of list.querySelectorAll("[data-pace]")) {
      const name = each.dataset.pace;
      each.textContent = figure(known[name]) + (name === "waiting" && known.capped ? "+" : "");
    }
  };
  const load = async () => {
    try {
      const found = await ask(`/v1/review/${queue}/progress`);
      Object.assign(known, { today: found.mine_today, total: found.mine_total, hour: found.per_hour });
      Object.assign(known, { waiting: found.waiting, capped: found.waiting_is_capped });
      show();
      delete list.dataset.empty;
    } catch {
      // figures can wait
    }
  };
  return {
    /** So many more are decided. */
    count(more) {
      known.today = Math.max(0, known.today + more);
      known.total = Math.max(0, known.total + more);
      if (!known.capped) known.waiting = Math.max(0, known.waiting - more);
      show();
    },
    /** Ask again, once things are quiet. */
    refresh() {
      clearTimeout(timer);
      timer = setTimeout(load, "empty" in list.dataset ? 0 : PAUSE_MS);
    },
  };
}
