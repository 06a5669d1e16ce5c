// A query after a reveal: "Correct" is offered only where the router had named a label.

const NOTHING = "UNCERTAIN";

/** Watch for what was answered, and say whether it can be called correct. */
export function enhance(article) {
  const said = article.querySelector('[data-score="predicted"]');
  const correct = article.querySelector("[data-correct]");
  if (!said || !correct) return;
  const look = () => {
    correct.hidden = said.textContent === NOTHING;
  };
  new MutationObserver(look).observe(said, { childList: true, characterData: true, subtree: true });
  look();
}
