// Charts of the table of days: who would rather look than read has them, the table stays.
"use strict";

(() => {
  const charts = document.querySelector(".charts");
  if (!charts || !window.uPlot) return;
  const lang = document.documentElement.lang;
  const units = charts.dataset.units.split(" ");
  const rows = [...document.getElementById(charts.dataset.table).tBodies[0].rows].reverse();
  const days = rows.map((row) => Date.parse(`${row.dataset.day}T00:00:00Z`) / 1000);
  const HEIGHT = 208, DAY = 86400, NUMBER = new Intl.NumberFormat(lang, {maximumFractionDigits: 1});
  const dated = (options) => new Intl.DateTimeFormat(lang, {timeZone: "UTC", ...options});
  const short = dated({day: "numeric", month: "short"}), long = dated({dateStyle: "medium"});

  const words = {
    files: (count) => NUMBER.format(count),
    bytes: (count) => {
      const power = count < 1 ? 0 : Math.min(Math.floor(Math.log2(count) / 10), units.length - 1);
      return `${NUMBER.format(count / 1024 ** power)} ${units[power]}`;
    },
  };

  // Ticks of bytes at round numbers of their own unit.
  const steps = Array.from({length: 60}, (_, power) => 2 ** power);

  const options = (plot, column) => {
    const style = getComputedStyle(document.documentElement), token = (name) => style.getPropertyValue(name).trim();
    const axis = {stroke: token("--ink-2"), grid: {stroke: token("--line"), width: 1}, ticks: {show: false}};
    const day = document.getElementById(charts.dataset.table).tHead.rows[0].cells[0].textContent;
    const title = plot.parentElement.querySelector("figcaption").textContent;
    return {
      width: plot.clientWidth, height: HEIGHT, tzDate: (second) => uPlot.tzDate(new Date(second * 1000), "UTC"),
      cursor: {sync: {key: "days"}, drag: {x: false, y: false}},
      scales: {y: {range: (_chart, _low, high) => [0, Math.max(high * 1.05, 1)]}},
      axes: [
        {...axis, size: 36, gap: 10, incrs: [1, 2, 7, 14, 30].map((count) => count * DAY), values: (_chart, ticks) => ticks.map((tick) => short.format(tick * 1000))},
        {...axis, size: 72, incrs: column === "bytes" ? steps : undefined, values: (_chart, ticks) => ticks.map(words[column])},
      ],
      series: [
        {label: day, value: (_chart, second) => second == null ? "" : long.format(second * 1000)},
        {label: title, stroke: token("--accent"), fill: token("--accent-soft"), width: 2, paths: uPlot.paths.stepped({align: 1}), points: {show: rows.length < 2},
          value: (_chart, count) => count == null ? "" : words[column](count)},
      ],
    };
  };

  const drawn = new Map();
  const draw = () => {
    for (const plot of charts.querySelectorAll(".plot")) {
      const column = plot.dataset.column;
      plot.parentElement.hidden = false;
      drawn.get(plot)?.destroy();
      drawn.set(plot, new uPlot(options(plot, column), [days, rows.map((row) => Number(row.dataset[column]))], plot));
    }
  };
  draw();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(() => {
    for (const [plot, chart] of drawn) if (chart.width !== plot.clientWidth) chart.setSize({width: plot.clientWidth, height: HEIGHT});
  }).observe(charts);
})();
