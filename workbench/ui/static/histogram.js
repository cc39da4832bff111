// A histogram with a line at a limit, drawn as SVG; what lies beyond the limit has another colour.

import { whole } from "./format.js";

const WIDTH = 480;
const HEIGHT = 150;
const FLOOR = 24;
const TOP = 16;

function svg(tag, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** `bins` are `{start, end, rows}` in rising order; `words` tell what the picture shows. */
export function histogram(bins, limit, words) {
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "lw-histogram", role: "img", "aria-label": `Histogram of tokens a row: ${words}` });
  if (!bins.length) return picture;
  const most = Math.max(...bins.map((bin) => bin.rows));
  const slot = WIDTH / bins.length;
  const room = HEIGHT - FLOOR - TOP;
  bins.forEach((bin, place) => {
    const height = bin.rows ? Math.max(1.5, (room * bin.rows) / most) : 0;
    const bar = svg("rect", { x: place * slot + 1, y: HEIGHT - FLOOR - height, width: Math.max(1, slot - 2), height, rx: 1.5, class: bin.start >= limit ? "lw-beyond" : "lw-within" });
    bar.append(svg("title", {}, `${whole(bin.start)} to ${whole(bin.end - 1)} tokens: ${whole(bin.rows)} rows`));
    picture.append(bar);
  });
  picture.append(svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT - FLOOR, y2: HEIGHT - FLOOR, class: "lw-floor" }));
  picture.append(svg("text", { x: 0, y: HEIGHT - 6, class: "lw-tick" }, whole(bins[0].start)));
  picture.append(svg("text", { x: WIDTH, y: HEIGHT - 6, class: "lw-tick", "text-anchor": "end" }, `${whole(bins.at(-1).end - 1)} tokens`));
  const x = placeOf(limit, bins, slot);
  if (x !== null) picture.append(...cutLine(x, limit));
  return picture;
}

/** Where `limit` stands between the bins; null when it lies beyond them. */
function placeOf(limit, bins, slot) {
  const place = bins.findIndex((bin) => limit < bin.end);
  if (place < 0) return null;
  const bin = bins[place];
  return slot * (place + Math.max(0, limit - bin.start) / (bin.end - bin.start));
}

function cutLine(x, limit) {
  const right = x > WIDTH / 2;
  return [
    svg("line", { x1: x, x2: x, y1: 2, y2: HEIGHT - FLOOR, class: "lw-limit" }),
    svg("text", { x: x + (right ? -5 : 5), y: 11, class: "lw-tick lw-limit-word", "text-anchor": right ? "end" : "start" }, `max length ${whole(limit)}`),
  ];
}
