// Draws what data-chart holds, saves with Ctrl+S, keeps what was typed from being lost, names pictures that are gone. All else is the pages'.
"use strict";

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function draw(holder) {
  const { kind, data, series } = JSON.parse(holder.dataset.chart);
  const axis = { stroke: style("--quiet"), grid: { stroke: style("--line"), width: 1 }, ticks: { stroke: style("--line"), width: 1 } };
  const colors = kind === "throughput" ? ["--accent", "--fail"] : ["--accent", "--steel"];
  const plot = new uPlot(
    {
      width: holder.clientWidth || 600,
      height: 220,
      cursor: { drag: { x: true, y: false } },
      scales: { x: { time: false }, y: { range: (_, low, high) => [0, kind === "share" ? 100 : Math.max(high, 1)] } },
      axes: [{ ...axis, values: (_, ticks) => ticks.map((tick) => `${tick} s`) }, axis],
      series: [
        { label: "seconds" },
        ...series.map((label, index) => ({ label, stroke: style(colors[index]), width: 2, points: { show: data[0].length < 60 } })),
      ],
    },
    data,
    holder,
  );
  new ResizeObserver(() => plot.setSize({ width: holder.clientWidth, height: 220 })).observe(holder);
}

function drawAll() {
  if (typeof uPlot === "undefined") return;
  for (const holder of document.querySelectorAll("[data-chart]")) {
    holder.replaceChildren();
    draw(holder);
  }
}

const form = document.querySelector("form[data-save]");
let typed = false;
if (form) {
  form.addEventListener("input", (event) => { typed ||= event.target.name === "text"; });
  form.addEventListener("submit", () => { typed = false; });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
      event.preventDefault();
      const save = form.querySelector("button.primary");
      if (save) save.click();
    }
  });
  window.addEventListener("beforeunload", (event) => { if (typed) event.preventDefault(); });
}

// A photo that is gone, or cannot be opened any longer, leaves a word behind and no broken picture.
function missing(picture) {
  const words = document.createElement("span");
  words.className = "missing";
  words.textContent = "No picture";
  picture.replaceWith(words);
}
document.addEventListener("error", (event) => { if (event.target instanceof HTMLImageElement) missing(event.target); }, true);
for (const picture of document.images) if (picture.complete && picture.naturalWidth === 0 && picture.loading !== "lazy") missing(picture);

document.body.addEventListener("htmx:sendError", () => {
  const notices = document.getElementById("notices");
  const words = document.createElement("p");
  words.className = "notice bad";
  words.textContent = "The gateway does not answer. What is shown may be old; try again in a moment.";
  notices.replaceChildren(words);
});

drawAll();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
