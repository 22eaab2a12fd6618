// What the admin's theme leaves to be done: names for the fields that select2 makes, and figures in columns.
(() => {
  // Select2 puts a box in the place of a select and names it by what is chosen; people hear its label too.
  const nameBoxes = () => {
    for (const container of document.querySelectorAll(".select2-container:not([data-named])")) {
      const select = container.previousElementSibling;
      const label = select?.id && document.querySelector(`label[for="${CSS.escape(select.id)}"]`);
      if (!label) continue;
      container.dataset.named = "";
      const name = label.textContent.trim().replace(/\s*\*$/, "");
      for (const box of container.querySelectorAll("[role=combobox], [role=textbox], [role=searchbox]")) {
        box.removeAttribute("aria-labelledby");
        box.setAttribute("aria-label", name);
      }
    }
  };

  // A column of nothing but figures stands on the right, with its decimal points under each other.
  const FIGURE = /^[-\u2212]?\d[\d,]*(?:\.(\d+))?(?: %)?$/;
  const alignFigures = (table) => {
    const rows = [...table.querySelectorAll("tbody tr")];
    const heads = [...table.querySelectorAll("thead tr:last-child > *")];
    heads.forEach((head, place) => {
      const cells = rows.map((row) => row.children[place]).filter(Boolean);
      const texts = cells.map((cell) => cell.textContent.trim());
      const figures = texts.map((text) => FIGURE.exec(text));
      const isFigures = figures.some(Boolean) && texts.every((text, n) => figures[n] || /^[-\u2013]?$/.test(text));
      if (!isFigures) return;
      const decimals = Math.max(...figures.map((figure) => figure?.[1]?.length ?? 0));
      head.classList.add("billing-figures");
      cells.forEach((cell, n) => {
        cell.classList.add("billing-figures");
        const has = figures[n]?.[1]?.length ?? 0;
        if (!figures[n] || has === decimals) return;
        const rest = document.createElement("span");
        rest.setAttribute("aria-hidden", "true");
        // As wide as the digits, and the point, that this figure does not have.
        rest.textContent = (has ? "" : "\u2008") + "\u2007".repeat(decimals - has);
        (cell.querySelector("a") ?? cell).append(rest);
      });
    });
  };

  addEventListener("DOMContentLoaded", () => {
    nameBoxes();
    // Select2 comes later, and again with every form that is added.
    new MutationObserver(nameBoxes).observe(document.body, { childList: true, subtree: true });
    for (const table of document.querySelectorAll("table")) alignFigures(table);
    for (const { dataset } of document.querySelectorAll("[data-label]")) {
      dataset.label = dataset.label.charAt(0).toUpperCase() + dataset.label.slice(1);
    }
  });
})();
