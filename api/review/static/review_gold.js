// A conclusion is four sentences: Enter goes from one to the next, and from the last one concludes.

/** Make an item's fields a line each, count what is written, and say how much evidence is chosen. */
export function enhance(article) {
  const fields = [...article.querySelectorAll(".sentence textarea")];
  if (matchMedia("(pointer: coarse)").matches) fields[0].removeAttribute("data-focus"); // first the snapshot, then a keyboard
  for (const [place, field] of fields.entries()) {
    const length = field.closest(".field").querySelector("[data-length]");
    const count = () => {
      const most = Number(length.dataset.length);
      length.textContent = field.value.length > most / 2 ? `${field.value.length} of ${most}` : "";
      length.classList.toggle("over", field.value.length > most);
    };
    field.addEventListener("input", count);
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      event.preventDefault(); // several lines are no sentence
      const next = event.shiftKey ? fields[place - 1] : fields[place + 1];
      if (next) return next.focus();
      if (event.shiftKey) return;
      performance.mark("review:key");
      article.querySelector('button[data-key="Enter"]').click();
    });
    count();
  }
  const chosen = article.querySelector("[data-chosen]");
  const count = () => {
    const many = article.querySelectorAll('input[name="evidence:list"]:checked').length;
    chosen.textContent = `${many} chosen.`;
    chosen.classList.toggle("over", many > Number(chosen.dataset.most));
  };
  article.addEventListener("change", count);
  count();
}
