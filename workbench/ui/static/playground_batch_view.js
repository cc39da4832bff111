// One batch: how far it is, its figures, its table, and what can be done with it.

import { get, post, request, Refusal } from "./api.js";
import { h, problemBox, setChildren, setText } from "./dom.js";
import { moment, whole } from "./format.js";
import { figuresPanel } from "./playground_batch_figures.js";
import { ScoringForm } from "./playground_batch_scoring.js";
import { BatchTable } from "./playground_batch_table.js";
import { nameOf, statusOf, timeWords } from "./playground_batch_words.js";
import { Poll } from "./poll.js";
import { attempt, tellRefusal } from "./refusal.js";

const WORKING_MS = 1000;
const FILES = [["md", "Report"], ["csv", "CSV"], ["jsonl", "JSONL"]];

export class BatchView {
  constructor(id, back) {
    this.id = id;
    this.title = h("h2", {}, "Batch");
    this.line = h("p", { class: "lw-line" });
    this.state = h("p", { class: "lw-line", role: "status" });
    this.bar = h("progress", { max: "1", "aria-label": "Progress" });
    this.buttons = h("div", { class: "lw-buttons" });
    this.notice = h("div", {});
    this.figures = h("section", { class: "lw-panel lw-batches" }, h("h2", {}, "Figures"), h("p", { class: "lw-note" }, "Computing the figures…"));
    this.table = new BatchTable(id);
    const leave = h("button", { class: "lw-quiet-action lw-back", onclick: back }, "All batches");
    this.element = h("article", { class: "lw-batches lw-batch-view" }, h("div", {}, leave),
      h("section", { class: "lw-panel lw-batches" }, h("div", { class: "lw-run-head" }, h("div", {}, this.title, this.line), this.buttons), this.state, this.bar, this.notice),
      this.figures, this.table.element);
    this.poll = new Poll(() => this.refresh(), () => (this.working ? WORKING_MS : null));
  }

  start() {
    return this.poll.start();
  }

  close() {
    this.poll.stop();
  }

  async refresh() {
    try {
      const state = await get(`batches/${this.id}`);
      this.working = state.status === "running";
      this.engine = this.working && !state.done ? await engineWords() : "";
      this.draw(state);
      const drawn = `${state.status} ${state.done} ${state.errors} ${state.missing} ${JSON.stringify(state.scoring)}`;
      if (drawn !== this.drawn) await this.drawAnswers(state);
      this.drawn = drawn;
    } catch (error) {
      this.working = false;
      tellRefusal(this.notice, "This batch cannot be shown", error);
    }
  }

  draw(state) {
    const { batch, done, total } = state;
    const known = batch.references ? `, ${whole(batch.references)} with a reference answer` : ", without reference answers";
    setText(this.title, nameOf(batch));
    setText(this.line, `${whole(batch.prompts)} prompts of ${batch.source}${known} · begun ${moment(batch.created)}`);
    setChildren(this.state, statusOf(state), ` · ${whole(done)} of ${whole(total)} answers · ${timeWords(state)}`, this.engine ? ` · the engine is ${this.engine}` : null);
    this.bar.value = total ? done / total : 0;
    this.bar.hidden = state.status === "finished";
    if (state.problem) setChildren(this.notice, problemBox("The batch stopped by itself", [{ message: state.problem, remedy: "" }]));
    const shown = `${state.status} ${state.errors > 0} ${state.missing > 0}`;
    if (shown !== this.buttonsFor) setChildren(this.buttons, ...this.actions(state));
    this.buttonsFor = shown;
  }

  actions({ status, errors, missing }) {
    const button = (words, act, kind = "") => h("button", { class: `lw-button ${kind}`, onclick: act }, words);
    if (status === "running") return [button("Stop", () => this.act("stop"))];
    const found = [];
    if (missing) found.push(button("Go on", () => this.act("resume", {}), "lw-primary"));
    if (errors) found.push(button("Try failed ones again", () => this.act("resume", { failed: true })));
    for (const [ending, words] of FILES) found.push(h("a", { class: "lw-button", href: `api/batches/${this.id}/report.${ending}`, download: `batch-${this.id}.${ending}` }, words));
    return found;
  }

  async act(what, body = {}) {
    await attempt(this.notice, "This was not done", async () => {
      this.working = (await post(`batches/${this.id}/${what}`, body)).status === "running";
      setChildren(this.notice);
    });
    await this.poll.now();
  }

  async drawAnswers(state) {
    const names = state.batch.request.panes.map((pane) => pane.label || pane.model);
    const figures = await get(`batches/${this.id}/figures`);
    if (!this.changing) this.drawFigures(figuresPanel(figures, names, state, this.working ? null : () => this.change(state)));
    await this.table.draw(names, figures.metrics);
  }

  drawFigures(element) {
    this.figures.replaceWith(element);
    this.figures = element;
  }

  /** Have other figures. */
  async change(state) {
    this.changing = true;
    const form = new ScoringForm();
    const over = () => {
      this.changing = false;
      this.drawn = "";
      return this.poll.now();
    };
    form.offer(await get("batches/choices"), state.scoring);
    form.fit({ references: state.batch.references, labels: ["?"] });
    const keep = async (event) => {
      event.preventDefault();
      try {
        await request(`batches/${this.id}/scoring`, { method: "PUT", body: form.value });
        await over();
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        form.refuse(error.problems);
      }
    };
    this.drawFigures(h("form", { class: "lw-panel lw-batches", novalidate: "", onsubmit: keep }, form.element, h("div", { class: "lw-buttons" },
      h("button", { class: "lw-button lw-primary", type: "submit" }, "Compute these"), h("button", { class: "lw-button", type: "button", onclick: over }, "Give up"))));
    form.element.querySelector("input").focus();
  }
}

/** What the engine is busy with before the first answer; nothing once it writes. */
async function engineWords() {
  const { phase, detail } = await get("engine");
  return !phase || phase === "ready" || phase === "idle" ? "" : [phase, detail].filter(Boolean).join(": ");
}
