// The list of jobs: keeps itself up to date, and lets a filter act as soon as it is chosen.
import { everyWhileSeen, fetchPage, swapParts } from "./live.js";

const REFRESH_MS = 3000;
const KEPT = "tuneyard.jobs.paused";

const form = document.querySelector("[data-filters]");
form.addEventListener("submit", () => {
  // filters that are left open need not be in the address
  for (const each of form.elements) each.disabled = each.name !== "" && each.value === "";
});
form.addEventListener("change", (event) => {
  if (event.target instanceof HTMLSelectElement) form.requestSubmit();
});
window.addEventListener("pageshow", () => {
  for (const each of form.elements) each.disabled = false;
});

if (document.querySelector("[data-refresh]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "live-switch";
  const show = () => {
    const paused = sessionStorage.getItem(KEPT) === "yes";
    button.setAttribute("aria-pressed", String(!paused));
    button.textContent = paused ? "Paused" : "Live";
    button.title = paused ? "The list stands still" : "The list keeps itself up to date";
  };
  button.addEventListener("click", () => {
    sessionStorage.setItem(KEPT, sessionStorage.getItem(KEPT) === "yes" ? "no" : "yes");
    show();
  });
  show();
  document.querySelector("[data-live-switch]").replaceWith(button);

  everyWhileSeen(REFRESH_MS, async () => {
    if (sessionStorage.getItem(KEPT) === "yes") return;
    const page = await fetchPage();
    if (page === "signed-out") location.reload();
    else if (page) swapParts(page);
  });
}
