// Where the ranks of a run are that moves them: modules by layers, as they are now, and how the budget fell.

import { h, setChildren, setText } from "./dom.js";
import * as format from "./format.js";
import { Plot, styled, themed } from "./plot.js";

export class RankMap {
  constructor() {
    this.states = [];
    this.canvas = h("div", { class: "lw-plot lw-ranks-plot", role: "img" });
    this.plot = new Plot(this.canvas, () => (this.states.length > 1 ? budgetOf(this.states) : null));
    this.words = h("p", { class: "lw-note", "aria-live": "polite" });
    this.table = h("div", { class: "lw-scroll", tabindex: "0", "aria-label": "Ranks by module and layer" });
    this.element = h("section", { class: "lw-panel", hidden: true }, h("h2", {}, "Ranks by layer"), this.words, this.canvas, this.table);
  }

  close() {
    this.plot.close();
  }

  /** Show the newest of `states`, and the budget of them all. */
  show(states) {
    this.element.hidden = states.length === 0;
    const newest = states.at(-1);
    if (!newest || newest.seq === this.told) return;
    this.told = newest.seq;
    const began = states[0];
    setText(this.words, `Step ${format.whole(newest.step)}: ${format.whole(newest.total)} ranks are left, `
      + `${format.whole(began.total)} were at step ${format.whole(began.step)}. A fuller cell has more of them.`);
    setChildren(this.table, grid(JSON.parse(newest.ranks)));
    this.states = states;
    this.canvas.hidden = states.length < 2;
    this.canvas.setAttribute("aria-label", `All ranks together at ${states.length} steps`);
    this.plot.draw();
  }
}

/** All ranks together over the steps: they stay as they are told until they are told anew. */
function budgetOf(states) {
  return {
    traces: [{
      type: "scatter",
      mode: "lines",
      x: states.map((state) => state.step),
      y: states.map((state) => state.total),
      hovertemplate: "step %{x}: %{y} ranks<extra></extra>",
      line: { color: styled("--lw-curve"), width: 2, shape: "hv" },
    }],
    layout: themed({
      showlegend: false,
      hovermode: "x",
      uirevision: "ranks",
      margin: { l: 56, r: 16, t: 12, b: 44 },
      x: { title: { text: "Step" } },
      y: { title: { text: "Ranks" }, rangemode: "tozero" },
    }),
  };
}

function grid(ranks) {
  const cells = Object.entries(ranks).map(([name, rank]) => ({ ...place(name), rank }));
  const layers = [...new Set(cells.map((cell) => cell.layer))].sort((one, other) => one - other);
  const modules = [...new Set(cells.map((cell) => cell.module))];
  const most = Math.max(...cells.map((cell) => cell.rank), 1);
  const found = new Map(cells.map((cell) => [`${cell.module} ${cell.layer}`, cell.rank]));
  return h("table", { class: "lw-ranks" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Module"), ...layers.map((layer) => h("th", { scope: "col" }, String(layer))))),
    h("tbody", {}, ...modules.map((module) => h("tr", {}, h("th", { scope: "row" }, module),
      ...layers.map((layer) => cell(found.get(`${module} ${layer}`), most))))));
}

function cell(rank, most) {
  if (rank === undefined) return h("td", {});
  return h("td", { style: `--lw-share: ${Math.round((100 * rank) / most)}%` }, String(rank));
}

/** `layers.3.self_attn.q_proj` as layer 3 and module `q_proj`. */
function place(name) {
  const parts = name.split(".");
  const number = parts.findIndex((part) => /^\d+$/.test(part));
  return { layer: number < 0 ? -1 : Number(parts[number]), module: parts.at(-1) };
}
