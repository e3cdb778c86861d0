"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const plot = document.getElementById("plot");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
const tidy = (value) => Math.abs(value) >= 100 ? value.toFixed(0) : Number(value.toPrecision(4)).toString();

function hover(point) {
  const told = [`<b>${escaped(point.name)}</b>  trial ${point.trial}` + (point.rank ? `, front ${point.rank}` : "") + (point.baseline ? ", baseline" : "")];
  for (const axis of data.axes.slice(0, 5)) {
    if (axis.name in point.values) told.push(`${axis.heading.replace(/ \(.*/, "")}: ${tidy(point.values[axis.name])} ${axis.unit}`);
  }
  const changes = point.changes.slice(0, 9).map(escaped);
  if (point.changes.length > 9) changes.push(`and ${point.changes.length - 9} more`);
  return told.concat(changes.length ? ["", ...changes] : []).join("<br>");
}

function trace(points, x, y, name, look) {
  const shown = points.filter((p) => x in p.values && y in p.values).sort((a, b) => a.values[x] - b.values[x]);
  const found = { name, x: shown.map((p) => p.values[x]), y: shown.map((p) => p.values[y]), text: shown.map(hover), customdata: shown.map((p) => p.trial),
    hovertemplate: "%{text}<extra></extra>", type: "scatter", mode: "markers", ...look };
  for (const [side, axis] of [["error_x", x], ["error_y", y]]) {
    const bar = { type: "data", thickness: 1.2, width: 3, color: look.marker.color };
    if (axis !== "latency_ms" && look.bars && shown.some((p) => p.deviation[axis])) {
      found[side] = { ...bar, array: shown.map((p) => p.deviation[axis] ?? 0) };
    }
    if (axis === "latency_ms" && look.bars) {
      found[side] = { ...bar, symmetric: false,
        array: shown.map((p) => (p.values.latency_high_ms ?? p.values.latency_ms) - p.values.latency_ms),
        arrayminus: shown.map((p) => p.values.latency_ms - (p.values.latency_low_ms ?? p.values.latency_ms)) };
    }
  }
  delete found.bars;
  return found;
}

function draw() {
  const x = document.getElementById("across").value, y = document.getElementById("up").value;
  const last = data.points.filter((p) => p.rung === data.rung);
  const planar = data.goals.length === 2 && data.goals.includes(x) && data.goals.includes(y);
  const traces = [
    trace(data.points.filter((p) => p.rung < data.rung), x, y, "trained less far", { marker: { color: colour("dot"), size: 7, symbol: "circle-open" } }),
    trace(last.filter((p) => !p.rank && !p.baseline), x, y, "other networks", { marker: { color: colour("dot"), size: 8 } }),
    trace(last.filter((p) => p.rank), x, y, "front", { mode: planar ? "lines+markers" : "markers", bars: true,
      line: { color: colour("front"), width: 2 }, marker: { color: colour("front"), size: 10 } }),
    trace(data.points.filter((p) => p.baseline), x, y, "baseline", { marker: { color: colour("baseline"), size: 17, symbol: "star", line: { color: colour("paper"), width: 1 } } }),
  ].filter((t) => t.x.length);
  const heading = (name) => { const axis = data.axes.find((a) => a.name === name); return `${axis.heading}, ${axis.better === "max" ? "more" : "less"} is better`; };
  const axis = (name) => ({ title: { text: heading(name), standoff: 12 }, gridcolor: colour("line"), linecolor: colour("line"), zeroline: false, automargin: true });
  Plotly.react(plot, traces, {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colour("soft") },
    margin: { l: 70, r: 24, t: 40, b: 60 }, xaxis: axis(x), yaxis: axis(y), hovermode: "closest", legend: { orientation: "h", x: 0, y: 1.09 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("faint"), activecolor: colour("front") },
    hoverlabel: { bgcolor: colour("paper"), bordercolor: colour("line"), align: "left", font: { color: colour("ink"), size: 12.5 } },
  }, { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] });
  document.getElementById("plot-note").textContent = data.goals.length > 2 ? `The front is that of ${data.goals.length} objectives; two are drawn.` : "";
}

if (plot) {
  for (const side of ["across", "up"]) {
    const select = document.getElementById(side);
    select.append(...data.axes.map((axis) => new Option(axis.heading, axis.name)));
    select.value = data.axes.some((axis) => axis.name === data[side]) ? data[side] : data.axes[0].name;
    select.addEventListener("change", draw);
  }
  draw();
  plot.on("plotly_click", (event) => find(event.points[0].customdata));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

for (const place of document.querySelectorAll(".still")) {
  const { data: traces, layout } = JSON.parse(place.nextElementSibling.textContent);
  Plotly.newPlot(place, traces, layout, { responsive: true, displaylogo: false, displayModeBar: false });
}

const PAPER = 690;  // pixels between the margins of an A4 page
const drawn = () => document.querySelectorAll(".js-plotly-plot");
addEventListener("beforeprint", () => drawn().forEach((place) => Plotly.relayout(place, { autosize: false, width: PAPER })));
addEventListener("afterprint", () => drawn().forEach((place) => Plotly.relayout(place, { autosize: true, width: null })));

const table = document.getElementById("trials"), body = table.tBodies[0], rows = [...body.rows];
const search = document.getElementById("search"), kind = document.getElementById("kind");

function find(trial) {
  search.value = ""; kind.value = ""; filter();
  rows.forEach((row) => row.classList.toggle("lit", row.id === `trial-${trial}`));
  document.getElementById(`trial-${trial}`).scrollIntoView({ block: "center" });
}

function filter() {
  const words = search.value.toLowerCase().split(/\s+/);
  let shown = 0;
  for (const row of rows) {
    row.hidden = (kind.value && row.dataset.kind !== kind.value) || !words.every((word) => row.textContent.toLowerCase().includes(word));
    shown += !row.hidden;
  }
  document.getElementById("count").textContent = shown === rows.length ? `${rows.length} trials` : `${shown} of ${rows.length} trials`;
}

function sort(heading) {
  const column = heading.cellIndex, up = heading.getAttribute("aria-sort") !== "ascending";
  const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  const order = (a, b) => {
    const [left, right] = [key(a), key(b)];
    if (left === "" || right === "") return (left === "") - (right === "");  // what was not measured stays last
    const difference = left - right;
    return (Number.isNaN(difference) ? left.localeCompare(right) : difference) * (up ? 1 : -1);
  };
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", up ? "ascending" : "descending");
  body.append(...rows.sort(order));
}

table.tHead.addEventListener("click", (event) => { const heading = event.target.closest("th"); if (heading) sort(heading); });
body.addEventListener("click", (event) => event.target.closest(".what")?.querySelector(".cut").classList.toggle("whole"));
search.addEventListener("input", filter);
kind.addEventListener("change", filter);
filter();
