// The charts of the page of sums, each drawn of its table: without them the tables have the same figures.
(() => {
  "use strict";

  const SHOWN = 14; // characters of a label
  const WIDE = 90; // pixels of a label
  const style = getComputedStyle(document.documentElement);
  const colorOf = (name) => style.getPropertyValue(`--color-${name}`).trim() || "#888";
  const { lang } = document.documentElement;
  const axis = {
    stroke: colorOf("base-content"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: colorOf("base-300"), width: 1 },
    ticks: { show: false },
  };
  const cut = (label) => (label.length > SHOWN ? `${label.slice(0, SHOWN - 2)}..` : label);
  const write = (value) => value.toLocaleString(lang, { notation: "compact", maximumFractionDigits: 1 });

  function draw(box) {
    const rows = [...box.closest("[data-panel]").querySelectorAll("[data-figure]")];
    const labels = rows.map((row) => row.dataset.label);
    const figures = rows.map((row) => Number(row.dataset.figure));
    const sizeOf = () => ({ width: Math.max(100, box.clientWidth - 16), height: 240 });
    const options = {
      ...sizeOf(),
      scales: {
        x: { time: false, range: [-0.6, labels.length - 0.4] },
        y: { range: (_chart, low, high) => [Math.min(0, low ?? 0) * 1.05, Math.max(0, high ?? 0) * 1.05 || 1] },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          space: WIDE,
          incrs: [1, 2, 5, 10, 20, 50],
          values: (_chart, splits) => splits.map((at) => cut(labels[at] ?? "")),
        },
        { ...axis, size: 60, values: (_chart, splits) => splits.map(write) },
      ],
      series: [
        { label: box.dataset.by, value: (_chart, at) => labels[at] ?? "" },
        {
          label: box.dataset.sums,
          stroke: colorOf("primary"),
          fill: colorOf("primary"),
          paths: uPlot.paths.bars({ size: [0.7, 80] }),
          points: { show: false },
          value: (_chart, value) => (value === null ? "-" : value.toLocaleString(lang)),
        },
      ],
      cursor: { drag: { x: false, y: false } },
    };
    const chart = new uPlot(options, [labels.map((_label, at) => at), figures], box);
    new ResizeObserver(() => chart.setSize(sizeOf())).observe(box);
    box.dataset.drawn = String(figures.length);
  }

  for (const box of document.querySelectorAll("[data-sums]")) draw(box);
})();
