// Parts of a page that the server renders by themselves: fetched once, or again every `data-every` seconds while the
// page is seen. A part that holds the focus waits, so that its reader does not lose the place.
for (const part of document.querySelectorAll("[data-fragment]")) {
  const pause = 1000 * Number(part.dataset.every || 0);
  let timer = null;
  let fetchedAt = Date.now();

  const fetchPart = async () => {
    if (document.hidden || part.contains(document.activeElement)) return;
    fetchedAt = Date.now();
    try {
      const answer = await fetch(part.dataset.fragment, { headers: { Accept: "text/html" } });
      if (answer.redirected || answer.status === 403 || answer.status === 404) clearInterval(timer);
      else if (answer.ok) part.innerHTML = (await answer.text()).trim();
    } catch {
      // The next round tries again.
    }
  };

  if (!part.children.length) fetchPart();
  if (pause) {
    timer = setInterval(fetchPart, pause);
    document.addEventListener("visibilitychange", () => {
      if (Date.now() - fetchedAt >= pause) fetchPart();
    });
  }
}
