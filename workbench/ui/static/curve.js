// The curves of one run or of several. Zoom and hover survive new points: plotly keeps what the user did as long as
// `uirevision` stays the same, and `Plot` points again at what was under the pointer.

import { escaped, Plot, styled, themed } from "./plot.js";

export const MEASURES = [
  ["loss", "Loss"],
  ["perplexity", "Perplexity"],
  ["learning_rate", "Learning rate"],
  ["grad_norm", "Gradient norm"],
  ["tokens_per_second", "Tokens/s"],
  ["memory_bytes", "Memory"],
];
export const AXES = [
  ["step", "Step"],
  ["tokens", "Tokens"],
  ["elapsed", "Training time"],
];
export const DEFAULTS = { measure: "loss", axis: "step", smoothing: 0.6, log: false };

/** One plot over one or several runs. */
export class Curve {
  constructor(element, settings = {}) {
    this.settings = { ...DEFAULTS, ...settings };
    this.runs = [];
    this.marked = null;
    this.plot = new Plot(element, () => ({
      traces: this.runs.flatMap((run) => tracesOf(run, this.settings, this.runs.length > 1)),
      layout: layoutOf(this.settings, this.markedPlace()),
    }));
  }

  /** Show `runs`: `{ name, history, colour?, dash? }`; the last two may be functions of nothing. */
  show(runs) {
    this.runs = runs;
    return this.plot.draw();
  }

  set(settings) {
    Object.assign(this.settings, settings);
    return this.plot.draw();
  }

  /** Draw a line at a step; null takes it away. */
  mark(step) {
    this.marked = step;
    return this.plot.draw();
  }

  /** Where the marked step lies on the axis that is shown. */
  markedPlace() {
    const steps = this.runs[0]?.history.steps;
    if (this.marked === null || !steps?.step?.length) return null;
    return steps[this.settings.axis][nearest(steps.step, this.marked)];
  }

  close() {
    this.plot.close();
  }
}

function tracesOf({ name, history, colour, dash }, settings, several) {
  const { steps, evaluations } = history;
  if (!steps.step?.length) return [];
  const x = steps[settings.axis];
  const train = colour ?? styled("--lw-curve");
  const held = colour ?? styled("--lw-curve-2");
  const hover = `%{y:.4g}<extra>${several ? escaped(name) : "%{fullData.name}"}</extra>`;
  const line = (title, values, style, more = {}) => ({
    x, y: values, name: escaped(title), type: x.length > 3000 ? "scattergl" : "scatter", mode: "lines",
    hovertemplate: hover, line: { dash: dash ?? "solid", ...style }, ...more,
  });
  const label = (what) => (several ? name : what);
  if (settings.measure !== "loss" && settings.measure !== "perplexity") {
    const values = smoothed(steps[settings.measure], several ? settings.smoothing : 0);
    return [line(several ? name : titleOf(settings.measure), values, { color: train, width: 1.6 })];
  }
  const value = settings.measure === "perplexity" ? (number) => (number === null ? null : Math.exp(number)) : (number) => number;
  const losses = steps.loss.map(value);
  const traces = [line(label("train, smoothed"), smoothed(losses, settings.smoothing), { color: train, width: 2 })];
  if (!several && settings.smoothing > 0) {
    traces.unshift(line(label("train"), losses, { color: train, width: 1 }, { opacity: 0.35, hoverinfo: "skip", hovertemplate: null }));
  }
  if (evaluations.step?.length) {
    traces.push({
      ...line(label("eval"), evaluations.loss.map(value), { color: held, width: 2, dash: several ? "dot" : "solid" }),
      x: evaluations.step.map((step) => x[nearest(steps.step, step)]),
      mode: "lines+markers",
      type: "scatter",
      marker: { size: 6 },
      showlegend: !several,
      hovertemplate: `%{y:.4g}<extra>${several ? escaped(name) : ""} eval</extra>`,
    });
  }
  return traces;
}

function layoutOf(settings, marked) {
  const line = { type: "line", xref: "x", yref: "paper", x0: marked, x1: marked, y0: 0, y1: 1 };
  return themed({
    uirevision: `${settings.measure} ${settings.axis} ${settings.log}`,
    hovermode: "x",
    showlegend: true,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { color: styled("--body-text-color-subdued") } },
    shapes: marked === null ? [] : [{ ...line, line: { color: styled("--lw-quiet") || "#888", width: 1, dash: "dot" } }],
    x: { title: { text: titleOf(settings.axis) } },
    y: { type: settings.log ? "log" : "linear", title: { text: titleOf(settings.measure) } },
  });
}

/** An exponential mean without the bias of its start; 0 leaves the values as they are. */
export function smoothed(values, weight) {
  if (weight === 0) return values;
  let mean = 0;
  let mass = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = weight * mean + (1 - weight) * value;
    mass = weight * mass + (1 - weight);
    return mean / mass;
  });
}

/** The index of the last entry of the rising `values` that is not above `value`. */
function nearest(values, value) {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (values[middle] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

const titleOf = (key) => [...MEASURES, ...AXES].find(([name]) => name === key)[1];
