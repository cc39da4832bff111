// The figures of a batch: metrics for each pane, how far each stands from the base, and who is taken for whom.

import { h } from "./dom.js";
import { whole } from "./format.js";
import { intervalBar, scaleOf } from "./playground_votes_interval.js";

/** `change` is called when other figures are wanted; null while the batch is at work. */
export function figuresPanel(figures, names, { status, missing }, change) {
  const { metrics, confusion } = figures;
  const button = change ? h("button", { class: "lw-button", onclick: change }, "Change the figures") : null;
  const owed = status !== "running" && missing && metrics.some(({ kind, counted }) => kind === "perplexity" && counted.some((count) => !count));
  return h("section", { class: "lw-panel lw-batches" }, h("div", { class: "lw-list-head" }, h("h2", {}, "Figures"), button),
    metrics.length ? table(figures, names) : h("p", { class: "lw-note" }, "No figure was chosen. Without reference answers an expression of your own can be counted."),
    figures.differences.length ? h("p", { class: "lw-note" }, "Differences to the base: paired bootstrap over the prompts that both answered, 10,000 resamples, 95 % interval (Koehn 2004). Coloured where the interval does not hold 0.") : null,
    owed ? h("p", { class: "lw-note" }, "The likelihood of the references is not asked yet: “Go on” does.") : null,
    confusion.length ? h("div", { class: "lw-confusions" }, ...confusion.map((matrix, pane) => confusionTable(matrix, names[pane]))) : null,
    metrics.length ? notes(metrics) : null);
}

function table({ metrics, differences, answered, errors, mean_tokens: tokens }, names) {
  const plain = (title, values) => h("tr", { class: "lw-lesser" }, h("th", { scope: "row" }, title), ...values.map((value) => h("td", {}, value)));
  return h("div", { class: "lw-scroll", tabindex: "0", role: "region", "aria-label": "Table of figures" }, h("table", { class: "lw-table lw-metrics-table" },
    h("thead", {}, h("tr", {}, h("td", {}), ...names.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, ...metrics.map((metric) => metricRow(metric, differences)),
      plain("Mean tokens", tokens.map((count) => count.toFixed(1))),
      plain("Answered", answered.map((count, pane) => (errors[pane] ? `${whole(count)}, ${whole(errors[pane])} failed` : whole(count)))))));
}

function metricRow(metric, differences) {
  const own = differences.filter(({ metric: kind }) => kind === metric.kind);
  const scale = own.length ? scaleOf(own, 0) : null;
  return h("tr", {}, h("th", { scope: "row" }, metric.title, metric.higher_is_better ? null : h("span", { class: "lw-marks" }, "lower is better")),
    ...metric.values.map((value, pane) => h("td", {}, h("span", { class: "lw-value" }, value === null ? "–" : value.toFixed(2)), difference(own.find((found) => found.pane === pane), scale))));
}

function difference(found, scale) {
  if (!found) return null;
  const kind = found.better === null ? "lw-unsure" : found.better ? "lw-better" : "lw-worse";
  const p = found.p < 0.001 ? "p < 0.001" : `p ${found.p.toFixed(3)}`;
  return h("div", { class: "lw-difference" }, h("span", { class: kind }, signed(found.value)), h("span", { class: "lw-note" }, ` (${signed(found.low)} to ${signed(found.high)}), ${p}`), intervalBar(found, scale, kind));
}

const signed = (number) => `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(2)}`;

function notes(metrics) {
  return h("details", { class: "lw-more" }, h("summary", {}, "Sources and signatures"), h("ul", { class: "lw-signatures" }, ...metrics.map(({ title, source, signature, note, counted }) =>
    h("li", {}, `${title}: ${source}. ${[...new Set(counted)].map(whole).join(" or ")} answers of each. `, signature ? h("code", {}, signature) : null, note ? h("span", { class: "lw-wrong-words" }, ` ${note}`) : null))));
}

function confusionTable({ labels, rows }, name) {
  const most = Math.max(1, ...rows.flat());
  return h("div", { class: "lw-scroll", tabindex: "0", role: "region", "aria-label": `Labels of ${name}` }, h("table", { class: "lw-table lw-confusion" }, h("caption", {}, `${name}: wanted down, answered across`),
    h("thead", {}, h("tr", {}, h("td", {}), ...[...labels, "no label"].map((label) => h("th", { scope: "col", class: "lw-figure" }, label)))),
    h("tbody", {}, ...rows.map((counts, wanted) => h("tr", {}, h("th", { scope: "row" }, labels[wanted]),
      ...counts.map((count, said) => h("td", { class: `lw-figure ${said === wanted ? "lw-right" : ""}`, style: `--share: ${count / most}` }, whole(count))))))));
}
