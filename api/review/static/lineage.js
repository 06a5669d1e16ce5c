// A drawing that is wider than the screen begins where the thing itself is.

const drawing = document.querySelector(".drawing");
const here = drawing?.querySelector(".here");
if (here) {
  const box = here.getBoundingClientRect();
  const frame = drawing.getBoundingClientRect();
  drawing.scrollLeft += box.left + box.width / 2 - frame.left - frame.width / 2;
}
