// Rewriting takes the place of reading; Enter in the note sends what the note is for.

/** Make an item's form follow what the person does. */
export function enhance(article) {
  const rewrite = article.querySelector("details.rewrite");
  const [approve, reject] = ["y", "n"].map((key) => article.querySelector(`.choices [data-key="${key}"]`));
  const save = article.querySelector('.choices [data-key="Enter"]');
  const note = article.querySelector('[name="note:text?"]');
  const industry = article.querySelector('[name="industry:text?"]');

  // One button approves: at once, or with what is written beside it, which is checked first.
  const withFields = article.querySelector("[data-with]");
  withFields.hidden = true;
  approve.addEventListener("click", (event) => {
    if (!note.value.trim() && industry.value === industry.defaultValue) return;
    event.preventDefault();
    withFields.click();
  });

  const follow = () => {
    approve.hidden = rewrite.open;
    save.hidden = !rewrite.open;
    article.querySelector(".sides").classList.toggle("rewriting", rewrite.open);
    article.querySelector(".reasons").hidden = rewrite.open;
    article.querySelector(".answer").hidden = rewrite.open;
    article.dispatchEvent(new CustomEvent("keys-changed", { bubbles: true }));
  };
  const toggled = () => {
    follow();
    if (rewrite.open && !article.hidden) rewrite.querySelector("select, textarea")?.focus();
  };
  rewrite.addEventListener("toggle", toggled);
  toggled(); // it may have been opened before this module was there

  let evidence = null; // the list of entries that the person was in last
  rewrite.addEventListener("focusin", (event) => {
    evidence = event.target.matches("[name$='evidence:lines?'], [name$='evidence:lines']") ? event.target : evidence;
  });
  article.querySelector(".side-in").addEventListener("click", (event) => {
    const { entry } = event.target.closest("[data-entry]")?.dataset ?? {};
    if (!entry || !rewrite.open || !evidence) return;
    const lines = evidence.value.split("\n").filter((line) => line.trim());
    if (!lines.includes(entry)) evidence.value = [...lines, entry].join("\n");
    evidence.dispatchEvent(new Event("input", { bubbles: true }));
    evidence.focus();
  });

  article.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.altKey || event.shiftKey) return;
    const held = event.ctrlKey || event.metaKey;
    const press = event.target === note || (held && !rewrite.open) ? (rewrite.open ? save : reject) : null;
    if (press) {
      event.preventDefault();
      performance.mark("review:key");
      press.click();
    } else if (!held && event.target.matches(".sentence textarea")) {
      event.preventDefault(); // several lines are no sentence
    }
  });
}
