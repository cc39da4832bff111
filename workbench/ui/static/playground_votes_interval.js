// A value with its interval on a scale that rows of a table share, drawn as SVG; the numbers stand beside it.

const WIDTH = 200;
const HEIGHT = 18;
const EDGE = 6;

function svg(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** `scale` is `{ from, to, mark }`: its ends, and where “no difference” lies. */
export function intervalBar({ value, low, high }, scale, kind = "") {
  const place = (number) => EDGE + ((Math.min(scale.to, Math.max(scale.from, number)) - scale.from) / (scale.to - scale.from || 1)) * (WIDTH - 2 * EDGE);
  const middle = HEIGHT / 2;
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: `lw-interval ${kind}`, "aria-hidden": "true" });
  picture.append(
    svg("line", { x1: place(scale.mark), x2: place(scale.mark), y1: 0, y2: HEIGHT, class: "lw-interval-mark" }),
    svg("line", { x1: place(low), x2: place(high), y1: middle, y2: middle, class: "lw-interval-line" }),
    svg("circle", { cx: place(value), cy: middle, r: 4.5, class: "lw-interval-value" }),
  );
  return picture;
}

/** A scale that holds every interval of `rows` and `mark`, with a little room. */
export function scaleOf(rows, mark) {
  const ends = rows.flatMap((row) => [row.low, row.high]).concat(mark);
  const from = Math.min(...ends);
  const to = Math.max(...ends);
  const room = (to - from || 1) * 0.04;
  return { from: from - room, to: to + room, mark };
}
