// On the pages that choose billing items: a group or service ticks what is beneath it, and is no longer ticked
// itself once something beneath it is not.
(() => {
  const boxes = (place) => [...place.querySelectorAll("input[type=checkbox]")];
  for (const section of document.querySelectorAll("[data-ticks]")) {
    section.addEventListener("change", ({ target }) => {
      if (target.type !== "checkbox") return;
      const place = target.closest("[data-ticks]");
      const [head] = boxes(place);
      if (target === head) for (const box of boxes(place)) box.checked = head.checked;
      if (target.checked) return;
      for (let above = place; above; above = above.parentElement.closest("[data-ticks]")) {
        boxes(above)[0].checked = false;
      }
    });
  }
})();
