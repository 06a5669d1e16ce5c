// Stars, or only good and bad: the person's choice, kept in this browser. The template has the buttons of both.

const PLACE = "tuneyard.images.mode";
let mode = "stars";
try {
  mode = localStorage.getItem(PLACE) === "binary" ? "binary" : "stars";
} catch {
  // a browser that keeps nothing
}

const apply = () => {
  for (const each of document.querySelectorAll("#deck [data-mode]")) each.hidden = each.dataset.mode !== mode;
};

/** Make an item's switch work. */
export function enhance(article) {
  for (const each of article.querySelectorAll("[data-mode]")) each.hidden = each.dataset.mode !== mode;
  article.querySelector("[data-switch]")?.addEventListener("click", () => {
    mode = mode === "stars" ? "binary" : "stars";
    try {
      localStorage.setItem(PLACE, mode);
    } catch {
      // as above
    }
    apply();
    article.dispatchEvent(new CustomEvent("keys-changed", { bubbles: true }));
  });
}
