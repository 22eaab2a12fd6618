// The colour scheme: what the person chose before, else what their system says.
(() => {
  const root = document.documentElement;
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const current = () => root.dataset.theme || (prefersDark.matches ? "dark" : "light");
  const remembered = localStorage.getItem("billing-theme");
  if (remembered === "light" || remembered === "dark") root.dataset.theme = remembered;

  const label = () => {
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      button.hidden = false;
      button.textContent = current() === "dark" ? button.dataset.light : button.dataset.dark;
    }
  };
  const changed = () => {
    label();
    document.dispatchEvent(new Event("billing:theme"));
  };
  document.addEventListener("DOMContentLoaded", label);
  // Paper is white.
  let beforePrint = "";
  addEventListener("beforeprint", () => {
    beforePrint = root.dataset.theme ?? "";
    root.dataset.theme = "light";
    changed();
  });
  addEventListener("afterprint", () => {
    if (beforePrint) root.dataset.theme = beforePrint;
    else delete root.dataset.theme;
    changed();
  });
  prefersDark.addEventListener("change", changed);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    root.dataset.theme = current() === "dark" ? "light" : "dark";
    localStorage.setItem("billing-theme", root.dataset.theme);
    changed();
  });
})();
