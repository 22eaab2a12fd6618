// The chart of the last 24 hours. Its figures come with the page; the table below shows the same.
(() => {
  const canvas = document.getElementById("chart");
  const data = JSON.parse(document.getElementById("chart-data").textContent);
  const last = data.hours.length - 1;
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let chart = null;

  // The running hour is hatched: its figures still grow.
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

  const dataset = (service) => {
    const colour = token(`--series-${service.series}`);
    return {
      label: service.name,
      data: service.amounts.map(Number),
      exact: service.amounts,
      backgroundColor: service.amounts.map((_, place) => (place === last ? hatch(colour) : colour)),
      borderColor: colour,
      borderWidth: service.amounts.map((_, place) => (place === last ? 1 : 0)),
      maxBarThickness: 36,
    };
  };

  const draw = () => {
    const ink = token("--muted");
    const line = token("--line");
    chart?.destroy();
    chart = new Chart(canvas, {
      type: "bar",
      data: { labels: data.hours, datasets: data.services.map(dataset) },
      options: {
        animation: false,
        maintainAspectRatio: false,
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
              callback: (place) => data.hours[place].slice(11, 16),
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

  document.getElementById("last-day").classList.remove("no-script");
  draw();
  document.addEventListener("billing:theme", draw);
})();
