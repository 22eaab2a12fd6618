// The charts of a page. Their figures come with it; the table below each shows the same. A bar leads to what it
// stands for, as the table's row does; with the keyboard, arrows choose a bar and Enter opens it.
for (const canvas of document.querySelectorAll("canvas[data-chart]")) {
  const data = JSON.parse(document.getElementById(canvas.dataset.chart).textContent);
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let chart = null;
  let chosen = null;
  const status = document.createElement("span");
  status.className = "unseen";
  status.setAttribute("role", "status");
  canvas.after(status);

  // What is not over yet is hatched: its figures still grow.
  const hatch = (colour) => {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const pen = tile.getContext("2d");
    pen.fillStyle = token("--surface");
    pen.fillRect(0, 0, 8, 8);
    pen.strokeStyle = colour;
    pen.lineWidth = 2.5;
    pen.beginPath();
    for (const shift of [-8, 0, 8]) {
      pen.moveTo(shift - 2, 10);
      pen.lineTo(shift + 10, -2);
    }
    pen.stroke();
    return canvas.getContext("2d").createPattern(tile, "repeat");
  };

  const dataset = (one) => {
    const colour = token(`--series-${one.series}`);
    return {
      label: one.name,
      data: one.amounts.map(Number),
      exact: one.amounts,
      backgroundColor: one.amounts.map((_, place) => (data.open.includes(place) ? hatch(colour) : colour)),
      borderColor: colour,
      borderWidth: one.amounts.map((_, place) => (data.open.includes(place) ? 1 : 0)),
      maxBarThickness: 36,
    };
  };

  const draw = () => {
    const ink = token("--muted");
    const line = token("--line");
    chart?.destroy();
    chart = new Chart(canvas, {
      type: "bar",
      data: { labels: data.titles, datasets: data.series.map(dataset) },
      options: {
        animation: false,
        maintainAspectRatio: false,
        onClick: (event, [bar]) => {
          const link = bar && data.links[bar.index];
          if (link) location.assign(link);
        },
        onHover: (event, [bar]) => {
          canvas.style.cursor = bar && data.links[bar.index] ? "pointer" : "default";
        },
        interaction: { mode: "index", intersect: false },
        scales: {
          x: {
            stacked: true,
            grid: { display: false },
            border: { color: line },
            ticks: {
              color: ink,
              maxRotation: 0,
              autoSkipPadding: 12,
              callback: (place) => data.labels[place],
            },
          },
          y: {
            stacked: true,
            beginAtZero: true,
            suggestedMax: 0.01,
            grid: { color: line },
            border: { display: false },
            ticks: { color: ink, maxTicksLimit: 6 },
            title: { display: true, text: data.words.currency, color: ink },
          },
        },
        plugins: {
          legend: { display: false },
          tooltip: {
            backgroundColor: token("--tooltip"),
            titleColor: "#ffffff",
            bodyColor: "#ffffff",
            footerColor: "#ffffff",
            filter: (item) => item.dataset.exact[item.dataIndex] !== "0",
            callbacks: {
              title: ([item]) => (item ? data.titles[item.dataIndex] : ""),
              label: (item) => ` ${item.dataset.label}: ${item.dataset.exact[item.dataIndex]}`,
              footer: ([item]) => (item ? `${data.words.total}: ${data.totals[item.dataIndex]}` : ""),
            },
          },
        },
      },
    });
  };

  const choose = (place) => {
    chosen = place;
    const bars = place === null ? [] : data.series.map((_, datasetIndex) => ({ datasetIndex, index: place }));
    chart.setActiveElements(bars);
    chart.tooltip.setActiveElements(bars, { x: 0, y: 0 });
    chart.update();
    status.textContent = place === null ? "" : `${data.titles[place]}: ${data.words.currency} ${data.totals[place]}`;
  };
  const last = data.titles.length - 1;
  const KEYS = {
    ArrowLeft: () => choose(Math.max((chosen ?? last + 1) - 1, 0)),
    ArrowRight: () => choose(Math.min((chosen ?? last) + 1, last)),
    Home: () => choose(0),
    End: () => choose(last),
    Enter: () => data.links[chosen] && location.assign(data.links[chosen]),
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !(event.key in KEYS)) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  canvas.addEventListener("blur", () => choose(null));

  canvas.closest(".no-script").classList.remove("no-script");
  draw();
  document.addEventListener("billing:theme", draw);
}
