// The charts of the dashboard: the requests of the last five minutes, and each two seconds as they pass.
(() => {
  "use strict";

  const SHOWN = 150; // points of two seconds
  const root = document.getElementById("charts");
  if (root === null) return;
  const words = root.dataset;
  const style = getComputedStyle(document.documentElement);
  const colorOf = (name) => style.getPropertyValue(`--color-${name}`).trim() || "#888";
  const { lang } = document.documentElement;
  const toTime = (at, options) => new Date(at * 1000).toLocaleTimeString(lang, options);
  const axis = {
    stroke: colorOf("base-content"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: colorOf("base-300"), width: 1 },
    ticks: { show: false },
  };
  const times = {
    ...axis,
    space: 64, // pixels of a label
    incrs: [60, 120, 300],
    values: (_chart, splits) => splits.map((at) => toTime(at, { hour: "2-digit", minute: "2-digit" })),
  };
  const charts = [
    {
      place: "requests",
      series: [
        [words.answered, "primary", (point) => (point.requests - point.failures - point.refusals) / 2],
        [words.refused, "warning", (point) => point.refusals / 2],
        [words.failed, "error", (point) => point.failures / 2],
      ],
    },
    {
      place: "latency",
      series: [
        [words.half, "primary", (point) => point.p50_ms],
        [words.most, "warning", (point) => point.p99_ms],
      ],
    },
  ].map(({ place, series }) => {
    const box = root.querySelector(`[data-chart=${place}]`);
    const sizeOf = () => ({ width: Math.max(100, box.clientWidth - 16), height: 170 });
    const lines = series.map(([label, color]) => ({
      label,
      stroke: colorOf(color),
      width: 2,
      spanGaps: false,
      points: { size: 4 },
      value: (_chart, value) => (value === null ? "-" : String(Number(value.toPrecision(3)))),
    }));
    const options = {
      ...sizeOf(),
      series: [{ label: words.time, value: (_chart, at) => (at === null ? "" : toTime(at)) }, ...lines],
      axes: [times, { ...axis, size: 48 }],
      scales: { y: { range: (_chart, _low, high) => [0, Math.max(high ?? 0, 1) * 1.05] } },
      cursor: { drag: { x: false, y: false } },
    };
    const chart = new uPlot(options, [[], ...series.map(() => [])], box);
    new ResizeObserver(() => chart.setSize(sizeOf())).observe(box);
    const show = (points) =>
      chart.setData([points.map(({ at }) => at / 1000), ...series.map(([, , read]) => points.map(read))]);
    return { show };
  });

  let points = [];
  let events = null;
  const show = () => {
    for (const chart of charts) chart.show(points);
    root.dataset.latest = points.at(-1)?.at ?? "";
  };

  function add(point) {
    if (point.at <= (points.at(-1)?.at ?? 0)) return;
    points = [...points, point].slice(-SHOWN);
    show();
  }

  async function begin() {
    if (events !== null || document.hidden) return;
    events = new EventSource(words.events);
    events.addEventListener("message", ({ data }) => add(JSON.parse(data)));
    const answer = await fetch(words.traffic).catch(() => null);
    if (!answer?.ok) return;
    // The last one isn't over yet.
    points = (await answer.json()).points.slice(0, -1);
    show();
  }

  /** Nobody looks: nothing is asked for. */
  function end() {
    events?.close();
    events = null;
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? end() : begin()));
  addEventListener("pagehide", end);
  addEventListener("pageshow", begin);
  void begin();
})();
