// The two plots of a comparison that are not curves: settings and results as parallel axes, and loss against size.

import { colourOf } from "./colours.js";
import { escaped, styled, themed } from "./plot.js";
import { valueText } from "./settings.js";

const MOST_AXES = 8;

/** An axis for each setting in which the runs differ, then trainable parameters and best eval loss; a line a run. */
export function parallelCoordinates(runs, differing) {
  const measured = runs.filter((run) => run.trainable !== null);
  if (!measured.length || !differing.length) return { traces: [], layout: emptyLayout("Nothing to draw yet.") };
  const settings = differing.slice(0, MOST_AXES).map(({ title, values }) => axisOf(title, values));
  const results = [numbers("Trainable", runs.map((run) => run.trainable)), numbers("Best eval loss", runs.map((run) => run.best_eval_loss))];
  const last = Math.max(1, runs.length - 1);
  return {
    traces: [{
      type: "parcoords",
      dimensions: [...settings, ...results.filter((axis) => axis !== null)],
      line: { color: runs.map((_, place) => place), cmin: 0, cmax: last, colorscale: steps(runs) },
      labelfont: { color: styled("--body-text-color"), size: 13 },
      tickfont: { color: styled("--body-text-color-subdued"), size: 12 },
      rangefont: { color: "rgba(0,0,0,0)", size: 1 },
    }],
    layout: themed({ margin: { l: 70, r: 70, t: 48, b: 20 } }),
  };
}

/** Numbers on a scale of their own; anything else as the words that there are, in the order met. */
function axisOf(title, values) {
  if (values.every((value) => typeof value === "number")) return numbers(title, values);
  const words = values.map(valueText);
  const kinds = [...new Set(words)];
  return { label: escaped(title), values: words.map((word) => kinds.indexOf(word)), tickvals: kinds.map((_, place) => place), ticktext: kinds.map((word) => escaped(shortened(word))) };
}

function numbers(title, values) {
  const known = values.filter((value) => value !== null);
  if (!known.length) return null;
  const ticks = [...new Set(known)].sort((one, other) => one - other);
  const shown = wellApart(ticks);
  const most = Math.max(...known.map(Math.abs));
  const text = (value) => (most >= 10_000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(4))));
  return { label: escaped(title), values: values.map((value) => value ?? NaN), tickvals: shown, ticktext: shown.map(text) };
}

/** The rising `ticks` without those that would be written over one another. */
function wellApart(ticks) {
  const least = (ticks.at(-1) - ticks[0]) / 12;
  const shown = [];
  for (const tick of ticks) if (!shown.length || tick - shown.at(-1) >= least) shown.push(tick);
  return shown;
}

const shortened = (word) => (word.length > 18 ? `${word.slice(0, 17)}…` : word);

/** A colour scale that gives each run exactly its own colour. */
function steps(runs) {
  if (runs.length === 1) return [[0, colourOf(runs[0].id)], [1, colourOf(runs[0].id)]];
  return runs.map((run, place) => [place / (runs.length - 1), colourOf(run.id)]);
}

/** Best eval loss against trainable parameters, a point a run. */
export function scatter(runs) {
  const shown = runs.filter((run) => run.trainable && run.best_eval_loss !== null);
  if (!shown.length) return { traces: [], layout: emptyLayout("No run was evaluated yet.") };
  return {
    traces: [{
      type: "scatter",
      mode: shown.length <= 12 ? "markers+text" : "markers",
      x: shown.map((run) => run.trainable),
      y: shown.map((run) => run.best_eval_loss),
      text: shown.map((run) => escaped(shortened(run.name))),
      textposition: "top center",
      textfont: { color: styled("--body-text-color-subdued"), size: 12 },
      cliponaxis: false,
      hovertemplate: "%{text}<br>%{x:,} trainable<br>best eval loss %{y:.4f}<extra></extra>",
      marker: { size: 11, color: shown.map((run) => colourOf(run.id)) },
    }],
    layout: themed({ showlegend: false, hovermode: "closest", x: { type: "log", title: { text: "Trainable parameters" } }, y: { title: { text: "Best eval loss" } } }),
  };
}

function emptyLayout(text) {
  const note = { text, showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5 };
  return themed({ annotations: [note], x: { visible: false }, y: { visible: false } });
}
