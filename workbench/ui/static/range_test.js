// <lw-range-test test="ID">: a search for a learning rate: how far it is, its curve, what it suggests.

import { get, post } from "./api.js";
import { h, problemBox, setChildren, setText } from "./dom.js";
import { Plot, styled, themed } from "./plot.js";
import { Poll } from "./poll.js";
import { attempt, tellRefusal } from "./refusal.js";

const PAUSE = 700;

/** A rate as people write it: `3.2e-4`. */
const rateText = (rate) => Number(rate).toExponential(1).replace(".0e", "e");

class RangeTest extends HTMLElement {
  connectedCallback() {
    this.test = null;
    this.words = h("p", { class: "lw-note lw-range-words", role: "status" }, "Starting…");
    this.bar = h("progress", { max: "1", "aria-label": "Share of the search that is done" });
    this.stopButton = h("button", { type: "button", class: "lw-button", onclick: () => this.stop() }, "Stop");
    this.going = h("div", { class: "lw-download" }, this.bar, this.stopButton);
    this.canvas = h("div", { class: "lw-plot lw-range-plot", role: "img", hidden: true });
    this.result = h("div", { class: "lw-range-result" });
    setChildren(this, h("section", { class: "lw-range", "aria-label": "Search for a learning rate" },
      this.words, this.going, this.canvas, this.result));
    this.plot = new Plot(this.canvas, () => (this.test?.smoothed.length > 1 ? drawing(this.test) : null));
    this.poll = new Poll(() => this.look(), () => (this.over() ? null : PAUSE));
    this.poll.start();
  }

  disconnectedCallback() {
    this.poll.stop();
    this.plot.close();
  }

  over() {
    return this.test !== null && this.test.status !== "running";
  }

  async look() {
    try {
      this.show(await get(`range-tests/${this.getAttribute("test")}`));
    } catch (error) {
      tellRefusal(this.result, "The search cannot be followed", error);
    }
  }

  show(test) {
    const news = test.steps !== this.test?.steps || test.status !== this.test?.status;
    this.test = test;
    setText(this.words, wordsOf(test));
    this.going.hidden = this.over();
    const done = test.total_steps ? test.steps / test.total_steps : test.done;
    if (done !== null) this.bar.value = done;
    if (!news) return;
    this.canvas.hidden = test.smoothed.length < 2;
    this.canvas.setAttribute("aria-label", `Loss under ${test.steps} learning rates`);
    this.plot.draw();
    setChildren(this.result, ...resultOf(test));
  }

  async stop() {
    this.stopButton.disabled = true;
    await attempt(this.result, "The search was not stopped", async () => {
      this.show(await post(`range-tests/${this.test?.id ?? this.getAttribute("test")}/stop`));
    });
    this.stopButton.disabled = false;
    this.poll.now();
  }
}

function wordsOf(test) {
  if (test.status === "failed") return "The search failed.";
  if (test.status !== "running") {
    const last = test.steps ? `, up to ${rateText(test.learning_rates.at(-1))}` : "";
    return `${test.status === "stopped" ? "Stopped" : "Done"}: ${test.steps} learning rates were tried${last}.`;
  }
  if (test.steps) return `Trying ${rateText(test.learning_rates.at(-1))}, ${test.steps} of ${test.total_steps}.`;
  const detail = test.detail ? `: ${test.detail}` : "";
  return `${test.phase ? test.phase[0].toUpperCase() + test.phase.slice(1) : "Starting"}${detail}…`;
}

function resultOf(test) {
  const warnings = test.warnings.map((warning) => h("p", { class: "lw-note" }, warning));
  if (test.status === "running") return warnings;
  if (test.status === "failed") {
    return [problemBox("No learning rate was found", [{ message: test.problem, remedy: test.remedy }])];
  }
  const found = test.suggestion;
  if (!found) return [...warnings, h("p", { class: "lw-note" }, `${test.reason} It suggests nothing.`)];
  const change = JSON.stringify({ "training.learning_rate": found.learning_rate });
  const use = h("button", { type: "button", class: "lw-button", "data-change": change,
    onclick: () => setText(used, "It stands in the form.") }, "Use it");
  const used = h("span", { class: "lw-note", role: "status" });
  return [
    ...warnings,
    h("div", { class: "lw-range-found" }, h("strong", {}, rateText(found.learning_rate)), use, used),
    h("p", { class: "lw-note" }, `This is ${test.rule} (${rateText(found.lowest_at)}). ${test.rule_reason} ${found.note}`.trim()),
  ];
}

function drawing(test) {
  const finite = test.learning_rates.filter((_, place) => test.losses[place] !== null);
  const losses = test.losses.filter((loss) => loss !== null);
  const shared = { type: "scatter", mode: "lines", x: finite };
  const traces = [
    { ...shared, y: losses, name: "loss", hoverinfo: "skip", opacity: 0.35, line: { color: styled("--lw-curve"), width: 1 } },
    { ...shared, y: test.smoothed, name: "smoothed", hovertemplate: "%{x:.2g}: %{y:.4g}<extra></extra>",
      line: { color: styled("--lw-curve"), width: 2 } },
  ];
  const found = test.suggestion;
  const mark = found && {
    type: "line", xref: "x", yref: "paper", x0: found.learning_rate, x1: found.learning_rate, y0: 0, y1: 1,
    line: { color: styled("--lw-curve-2"), width: 2, dash: "dot" },
  };
  const named = found && {
    x: Math.log10(found.learning_rate), xref: "x", y: 1, yref: "paper", text: rateText(found.learning_rate),
    showarrow: false, yanchor: "bottom", font: { color: styled("--lw-curve-2") },
  };
  const layout = themed({
    showlegend: false,
    hovermode: "x",
    margin: { l: 56, r: 16, t: 24, b: 44 },
    shapes: mark ? [mark] : [],
    annotations: named ? [named] : [],
    x: { type: "log", title: { text: "Learning rate" }, tickformat: ".0e", dtick: 1 },
    y: { title: { text: "Loss" } },
  });
  return { traces, layout };
}

customElements.define("lw-range-test", RangeTest);
