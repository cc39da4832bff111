// The curves of runs, drawn by plotly, which is fetched from this server when the first curve is drawn. Zoom and hover
// survive new points: the plot is one node for its whole life, and plotly keeps what the user did under `uirevision`.

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

let plotly = null;

function loadPlotly() {
  plotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "ui/plotly.min.js";
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error("plotly could not be loaded"));
    document.head.append(script);
  });
  return plotly;
}

/** Everything that was measured in one run so far, by columns. */
export class History {
  constructor() {
    this.clear();
  }

  clear() {
    this.cursor = 0;
    this.steps = {};
    this.evaluations = {};
  }

  /** Take in what is new; returns whether anything was. */
  add(delta) {
    if (delta.reset) this.clear();
    const changed = delta.reset || delta.steps.step.length > 0 || delta.evaluations.step.length > 0;
    extend(this.steps, delta.steps);
    extend(this.evaluations, delta.evaluations);
    this.cursor = delta.cursor;
    return changed;
  }
}

function extend(columns, more) {
  for (const [name, values] of Object.entries(more)) {
    columns[name] ??= [];
    for (const value of values) columns[name].push(value);
  }
}

/** One plot over one or several runs. */
export class Curve {
  constructor(element) {
    this.element = element;
    this.settings = { measure: "loss", axis: "step", smoothing: 0.6, log: false };
    this.runs = [];
    this.scheme = new MutationObserver(() => this.draw());
    this.scheme.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.scheme.observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
  }

  /** Show `runs`: `{ name, history, colour? }`. */
  async show(runs) {
    this.runs = runs;
    await this.draw();
  }

  set(settings) {
    Object.assign(this.settings, settings);
    return this.draw();
  }

  async draw() {
    const Plotly = await loadPlotly();
    if (this.closed || !this.element.isConnected) return;
    const traces = this.runs.flatMap((run) => tracesOf(run, this.settings, this.runs.length > 1));
    await Plotly.react(this.element, traces, layoutOf(this.settings), CONFIG);
  }

  close() {
    this.closed = true;
    this.scheme.disconnect();
    if (window.Plotly) window.Plotly.purge(this.element);
  }
}

const CONFIG = {
  responsive: true,
  displaylogo: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
};

function tracesOf({ name, history, colour }, settings, several) {
  const { steps, evaluations } = history;
  if (!steps.step?.length) return [];
  const x = steps[settings.axis];
  const train = colour ?? styled("--lw-curve");
  const held = colour ?? styled("--lw-curve-2");
  const hover = `%{y:.4g}<extra>${several ? escaped(name) : "%{fullData.name}"}</extra>`;
  const line = (title, values, style, more = {}) => ({
    x, y: values, name: title, type: x.length > 3000 ? "scattergl" : "scatter", mode: "lines", hovertemplate: hover, line: style, ...more,
  });
  const label = (what) => (several ? `${name} · ${what}` : what);
  if (settings.measure !== "loss" && settings.measure !== "perplexity") {
    return [line(several ? name : titleOf(settings.measure), steps[settings.measure], { color: train, width: 1.6 })];
  }
  const value = settings.measure === "perplexity" ? (number) => (number === null ? null : Math.exp(number)) : (number) => number;
  const losses = steps.loss.map(value);
  const smooth = smoothed(losses, settings.smoothing);
  const traces = [line(label("train, smoothed"), smooth, { color: train, width: 2 })];
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
    });
  }
  return traces;
}

function layoutOf(settings) {
  const text = styled("--body-text-color-subdued");
  const hair = styled("--border-color-primary");
  const axis = { gridcolor: hair, linecolor: hair, zeroline: false, tickfont: { color: text }, automargin: true };
  return {
    uirevision: `${settings.measure} ${settings.axis} ${settings.log}`,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: styled("--font") || "sans-serif", size: 13, color: text },
    margin: { l: 56, r: 12, t: 28, b: 44 },
    hovermode: "x",
    showlegend: true,
    legend: { orientation: "h", x: 0, y: 1.12, font: { color: text } },
    hoverlabel: { bgcolor: styled("--background-fill-primary"), bordercolor: hair, font: { color: styled("--body-text-color") } },
    modebar: { color: text, activecolor: styled("--lw-curve"), bgcolor: "rgba(0,0,0,0)" },
    xaxis: { ...axis, title: { text: titleOf(settings.axis) } },
    yaxis: { ...axis, type: settings.log ? "log" : "linear", title: { text: titleOf(settings.measure) } },
  };
}

/** An exponential mean without the bias of its start; 0 leaves the values as they are. */
export function smoothed(values, weight) {
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
const styled = (name) => getComputedStyle(document.querySelector(".gradio-container") ?? document.body).getPropertyValue(name).trim();
const escaped = (text) => text.replace(/[<>&]/g, (mark) => ({ "<": "&lt;", ">": "&gt;", "&": "&amp;" })[mark]);
