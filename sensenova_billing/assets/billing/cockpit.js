// The charts of the admin's first page: bars of revenue, and the span before as a line. The tables show the same.
(() => {
  const cockpit = document.querySelector(".cockpit");
  const token = (name) => getComputedStyle(cockpit).getPropertyValue(name).trim();
  let charts = [];

  const datasets = (data) => [
    {
      type: "bar",
      label: data.titles[0],
      data: data.amounts.map(Number),
      exact: data.amounts,
      // What is not over yet is drawn as an outline: its figure still grows.
      backgroundColor: data.open.map((open) => (open ? "transparent" : token("--bar"))),
      borderColor: token("--bar"),
      borderWidth: data.open.map((open) => (open ? 1.5 : 0)),
    },
    {
      type: "line",
      label: data.titles[1],
      data: data.before.map(Number),
      exact: data.before,
      borderColor: token("--before"),
      backgroundColor: token("--before"),
      borderWidth: 1.5,
      borderDash: [4, 3],
      pointRadius: 0,
    },
  ];

  const options = (data) => ({
    animation: false,
    maintainAspectRatio: false,
    interaction: { mode: "index", intersect: false },
    scales: {
      x: {
        grid: { display: false },
        ticks: {
          color: token("--muted"),
          maxRotation: 0,
          autoSkipPadding: 12,
          // Of a day the month and day, of an hour its beginning.
          callback: (place) => data.labels[place].slice(...(data.labels[place].length > 10 ? [11, 16] : [5])),
        },
      },
      y: {
        beginAtZero: true,
        suggestedMax: 0.01,
        grid: { color: token("--line") },
        border: { display: false },
        ticks: { color: token("--muted"), maxTicksLimit: 6 },
        title: { display: true, text: data.unit, color: token("--muted") },
      },
    },
    plugins: {
      legend: { position: "bottom", labels: { color: token("--muted"), boxWidth: 12 } },
      tooltip: {
        backgroundColor: token("--tooltip"),
        titleColor: "#ffffff",
        bodyColor: "#ffffff",
        callbacks: {
          title: ([item]) => (item ? data.labels[item.dataIndex] + (data.open[item.dataIndex] ? ", so far" : "") : ""),
          label: (item) => ` ${item.dataset.label}: RMB ${item.dataset.exact[item.dataIndex]}`,
        },
      },
    },
  });

  const draw = () => {
    charts.forEach((chart) => chart.destroy());
    charts = [...document.querySelectorAll("[data-chart]")].map((canvas) => {
      const data = JSON.parse(document.getElementById(canvas.dataset.chart).textContent);
      return new Chart(canvas, { data: { labels: data.labels, datasets: datasets(data) }, options: options(data) });
    });
  };

  draw();
  // The theme switches its dark scheme by a class of the document.
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["class"] });
})();
