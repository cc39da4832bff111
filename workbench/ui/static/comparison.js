// Several runs beside each other: their curves, the settings in which they differ, and what those were worth.
// The address says which runs and what of them is shown, so a link reopens the same comparison.

import { get } from "./api.js";
import { assign, colourOf, dashOf } from "./colours.js";
import { parallelCoordinates, scatter } from "./comparison_plots.js";
import { Curve, DEFAULTS } from "./curve.js";
import { curveControls } from "./curve_controls.js";
import { h, setChildren, setText } from "./dom.js";
import * as format from "./format.js";
import { History } from "./history.js";
import { Plot } from "./plot.js";
import { Poll } from "./poll.js";
import { tellRefusal } from "./refusal.js";
import { valueText } from "./settings.js";
import { isOver, statusMark } from "./status.js";

const POINTS = 1500;
const LIVE_MS = 2000;
const SHOWN = ["measure", "axis", "smoothing", "log"];

export class ComparisonView {
  /** @param {string[]} ids  @param {(query: string) => void} go  shows another view of the page */
  constructor(ids, go) {
    this.ids = [...new Set(ids)];
    this.go = go;
    this.histories = new Map(this.ids.map((id) => [id, new History()]));
    assign(this.ids);
    this.build();
    this.poll = new Poll(() => this.refresh(), () => (this.runs?.every((run) => isOver(run.status)) ? null : LIVE_MS));
  }

  start() {
    document.title = "Comparison · LoRA Workbench";
    return this.poll.start();
  }

  close() {
    this.poll.stop();
    for (const plot of [this.curve, this.coordinates, this.scatter]) plot.close();
  }

  build() {
    const figure = (label) => h("div", { class: "lw-plot", role: "figure", "aria-label": label });
    const curves = figure("Curves of the compared runs");
    const lines = figure("Settings and results, a line a run");
    const points = figure("Best eval loss against trainable parameters");
    this.curve = new Curve(curves, settingsInAddress());
    this.coordinates = new Plot(lines, () => this.runs && parallelCoordinates(this.runs, this.differing), { patient: true });
    this.scatter = new Plot(points, () => this.runs && scatter(this.runs), { patient: true });
    this.notice = h("div", {});
    this.table = h("div", { class: "lw-scroll" }, h("p", { class: "lw-note" }, "Loading the runs…"));
    this.caption = h("p", { class: "lw-note" });
    this.linesPanel = h("section", { class: "lw-panel" }, h("h2", {}, "Settings and results"), this.caption, lines);
    this.copied = h("span", { class: "lw-note", role: "status" });
    this.element = h("article", { class: "lw-run lw-comparison" },
      h("a", { href: `./runs?select=${this.ids.map(encodeURIComponent).join(",")}`, class: "lw-back" }, "Choose other runs"),
      h("header", { class: "lw-run-head" }, h("h1", {}, `Comparison of ${this.ids.length} runs`),
        h("div", { class: "lw-buttons" }, this.copied, h("button", { class: "lw-button", onclick: () => this.copyLink() }, "Copy the link"))),
      this.notice,
      h("section", { class: "lw-panel" }, curveControls(this.curve, rememberInAddress), curves,
        h("p", { class: "lw-note" }, "Of losses, solid lines are training and dotted ones evaluation.")),
      h("section", { class: "lw-panel" }, h("h2", {}, "What sets them apart"), this.table),
      this.linesPanel,
      h("section", { class: "lw-panel" }, h("h2", {}, "What the parameters were worth"),
        h("p", { class: "lw-note" }, "Best eval loss against trainable parameters; lower and further left is better."), points));
  }

  async refresh() {
    try {
      const { runs, differing } = await get(`comparison?runs=${this.ids.map(encodeURIComponent).join(",")}`);
      const changed = JSON.stringify([runs, differing]) !== JSON.stringify([this.runs, this.differing]);
      this.runs = runs;
      this.differing = differing;
      const grown = await Promise.all(runs.map((run) => this.measure(run)));
      if (grown.some(Boolean)) await this.curve.show(runs.map((run) => this.curveOf(run)));
      if (changed) await this.tell();
    } catch (error) {
      tellRefusal(this.notice, "These runs cannot be compared", error);
    }
  }

  async measure(run) {
    const history = this.histories.get(run.id);
    if (history.tooLong) history.clear();
    return history.add(await get(`runs/${run.id}/metrics?after=${history.cursor}&points=${POINTS}`));
  }

  /** Colour and dash are asked for when they are drawn: the colour scheme may have changed. */
  curveOf(run) {
    return { name: run.name, history: this.histories.get(run.id), get colour() { return colourOf(run.id); }, dash: dashOf(run.id) };
  }

  async tell() {
    setChildren(this.notice);
    setChildren(this.table, this.rows());
    const enough = this.differing.length > 0;
    setText(this.caption, enough ? "A line a run; drag along an axis to see only the runs that pass there." : "These runs have the same settings.");
    await Promise.all([this.coordinates.draw(), this.scatter.draw()]);
  }

  rows() {
    const heads = [["Run", ""], ["Status", ""], ...this.differing.map(({ title }) => [title, ""]), ["Trainable", "lw-figure"], ["Best eval loss", "lw-figure"], ["Last loss", "lw-figure"]];
    const best = Math.min(...this.runs.map((run) => run.best_eval_loss ?? Infinity));
    const rows = this.runs.map((run, place) =>
      h("tr", {},
        h("th", { scope: "row" }, swatch(run.id), h("a", { href: `./runs?run=${encodeURIComponent(run.id)}` }, run.name), this.dropButton(run)),
        h("td", {}, statusMark(run.status)),
        ...this.differing.map(({ values }) => h("td", {}, valueText(values[place]))),
        h("td", { class: "lw-figure" }, format.whole(run.trainable)),
        h("td", { class: "lw-figure" }, format.loss(run.best_eval_loss), run.best_eval_loss === best ? h("span", { class: "lw-tag" }, "best") : null),
        h("td", { class: "lw-figure" }, format.loss(run.loss))));
    return h("table", { class: "lw-table" },
      h("thead", {}, h("tr", {}, ...heads.map(([name, kind]) => h("th", { scope: "col", class: kind }, name)))), h("tbody", {}, ...rows));
  }

  dropButton(run) {
    const others = this.ids.filter((id) => id !== run.id);
    if (!others.length) return null;
    return h("button", { class: "lw-quiet-action", "aria-label": `Leave out ${run.name}`, onclick: () => this.leaveOut(others) }, "×");
  }

  leaveOut(others) {
    const address = new URLSearchParams(window.location.search);
    address.set("compare", others.join(","));
    this.go(`?${address}`);
  }

  async copyLink() {
    try {
      await navigator.clipboard.writeText(window.location.href);
      setText(this.copied, "Copied.");
    } catch {
      setText(this.copied, "The browser does not allow copying; the address bar holds the link.");
    }
  }
}

function swatch(id) {
  return h("span", { class: "lw-key", style: `background: ${colourOf(id)}`, "aria-hidden": "true" });
}

function settingsInAddress() {
  const address = new URLSearchParams(window.location.search);
  const told = {};
  for (const name of SHOWN) {
    const value = address.get(name);
    if (value !== null) told[name] = name === "log" ? value === "true" : name === "smoothing" ? Number(value) : value;
  }
  return told;
}

function rememberInAddress(settings) {
  const address = new URL(window.location);
  for (const name of SHOWN) {
    if (settings[name] === DEFAULTS[name]) address.searchParams.delete(name);
    else address.searchParams.set(name, settings[name]);
  }
  window.history.replaceState(null, "", address);
}
