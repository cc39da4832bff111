// Which figures are wanted: metrics to tick, and an expression of the user's own.

import { h, setChildren, setText } from "./dom.js";

export class ScoringForm {
  constructor() {
    this.ticks = h("div", { class: "lw-metrics" });
    this.expression = h("input", { type: "text", maxlength: "500", spellcheck: "false", autocomplete: "off", placeholder: "(?i)\\byes\\b" });
    this.help = h("span", { class: "lw-help" });
    this.wrong = h("p", { class: "lw-wrong-words", role: "alert" });
    this.field = h("label", { class: "lw-labelled" }, h("span", {}, "Own expression"), this.expression, this.help);
    this.element = h("fieldset", { class: "lw-scoring" }, h("legend", {}, "Figures"), this.ticks, this.wrong, this.field);
  }

  /** Offer every metric; `chosen` are ticked, the usual ones where nothing was chosen yet. */
  offer({ metrics, usual, expression }, chosen = null) {
    this.metrics = metrics.filter((metric) => metric.kind !== "expression").map((metric) => {
      const tick = h("input", { type: "checkbox", checked: (chosen?.metrics ?? usual).includes(metric.kind) });
      const note = h("span", { class: "lw-help" }, metric.source);
      return { ...metric, tick, note, element: h("label", { class: "lw-metric" }, tick, h("span", {}, metric.title), note) };
    });
    setChildren(this.ticks, ...this.metrics.map((metric) => metric.element));
    this.expression.value = chosen?.expression ?? "";
    this.usualHelp = expression.description;
    setText(this.help, this.usualHelp);
  }

  /** Without references only the expression has something to look at. */
  fit(found) {
    for (const metric of this.metrics ?? []) {
      const possible = !found || (found.references > 0 && (metric.kind !== "label_accuracy" || found.labels.length > 0));
      metric.tick.disabled = !possible;
      setText(metric.note, possible ? metric.source : metric.kind === "label_accuracy" && found.references ? "needs few distinct references" : "needs references");
    }
  }

  get value() {
    const metrics = (this.metrics ?? []).filter(({ tick }) => tick.checked && !tick.disabled).map(({ kind }) => kind);
    return { metrics, expression: this.expression.value };
  }

  refuse(problems) {
    const words = (found) => found.map(({ message, remedy }) => `${message} ${remedy}`).join(" ");
    const own = problems.filter((problem) => problem.field === "scoring.expression");
    setText(this.wrong, words(problems.filter((problem) => !own.includes(problem))));
    this.field.classList.toggle("lw-wrong-field", own.length > 0);
    setText(this.help, own.length ? words(own) : this.usualHelp ?? "");
  }
}
