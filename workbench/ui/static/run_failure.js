// Why a run did not finish: the cause, what to do, the end of the log, the trace, and a new attempt with other settings.

import { get, post } from "./api.js";
import { h, setChildren } from "./dom.js";
import { attempt, tellRefusal } from "./refusal.js";
import { valueText, wordsOf } from "./settings.js";

const LOG_LINES = 40;

export class FailurePanel {
  constructor(host) {
    this.host = host;
    this.element = h("div", {});
    this.told = "";
  }

  show(run) {
    const told = run.problem ? `${run.status} ${run.problem} ${run.attempts}` : "";
    if (told === this.told) return;
    this.told = told;
    setChildren(this.element, told ? this.panel(run, null, null) : null);
    if (told) this.explain(run, told);
  }

  async explain(run, told) {
    try {
      const [explanation, config] = await Promise.all([get(`runs/${run.id}/explanation`), get(`runs/${run.id}/config`)]);
      if (explanation && told === this.told) setChildren(this.element, this.panel(run, explanation, config));
    } catch (error) {
      tellRefusal(this.host.notice, "Why it failed cannot be told", error);
    }
  }

  panel(run, explanation, config) {
    const heading = run.status === "failed" ? "This run failed" : "This run was interrupted";
    const remedy = explanation?.remedy ?? run.remedy;
    const log = (explanation?.log_tail ?? run.log_tail).split("\n").slice(-LOG_LINES).join("\n").trim();
    return h("section", { class: "lw-problems lw-failure", role: "alert" },
      h("strong", {}, heading),
      explanation && explanation.cause !== "unexpected" ? h("p", {}, explanation.title) : null,
      explanation?.title === run.problem ? null : h("p", { class: "lw-told" }, run.problem),
      h("p", { class: "lw-remedy" }, remedy),
      run.field_problems.length ? correction(run) : null,
      explanation && Object.keys(explanation.changes).length ? this.retry(run, explanation.changes, config) : null,
      log ? folded("The last lines of the log", log, !run.field_problems.length) : null,
      explanation?.traceback ? folded("Stack trace", explanation.traceback, false) : null);
  }

  retry(run, changes, config) {
    const again = () => attempt(this.host.notice, "The run was not started again", async () => {
      const next = await post(`runs/${run.id}/retry`, { changes });
      this.host.go(`?run=${encodeURIComponent(next.id)}`);
    });
    const items = Object.entries(changes).map(([path, value]) => h("li", {}, `${wordsOf(path)}: ${valueText(at(config, path))} → ${valueText(value)}`));
    return h("div", { class: "lw-retry" }, h("ul", {}, ...items),
      h("button", { class: "lw-button lw-primary", onclick: again }, "Retry with these changes"));
  }
}

function correction(run) {
  const fields = [...new Set(run.field_problems.map((problem) => wordsOf(problem.field).toLowerCase()))];
  return h("p", {}, h("a", { class: "lw-button lw-primary", href: `./?from=${encodeURIComponent(run.id)}` }, `Change ${fields.join(", ")}`));
}

function folded(title, text, open) {
  return h("details", { open }, h("summary", {}, title), h("pre", { class: "lw-log", tabindex: "0", "aria-label": title }, text));
}

const at = (config, path) => path.split(".").reduce((part, name) => part?.[name], config);
