// Beginning a batch: its prompts, how many of them, and which figures are wanted.

import { get, post, Refusal } from "./api.js";
import { h, problemBox, setChildren, setText } from "./dom.js";
import { whole } from "./format.js";
import { ScoringForm } from "./playground_batch_scoring.js";
import { SourceForm } from "./playground_batch_source.js";

export class BatchForm {
  /** @param {(id: string) => void} begun */
  constructor(lineup, begun) {
    Object.assign(this, { lineup, begun });
    this.source = new SourceForm(lineup, () => this.changed());
    this.scoring = new ScoringForm();
    this.name = h("input", { type: "text", maxlength: "200", placeholder: "As the prompts are called" });
    this.limit = h("input", { type: "number", min: "1", step: "1", placeholder: "all" });
    this.limit.addEventListener("input", () => this.changed());
    this.limitNote = h("span", { class: "lw-help" });
    this.button = h("button", { class: "lw-button lw-primary", type: "submit" }, "Begin");
    this.line = h("p", { class: "lw-note", role: "status" });
    this.notice = h("div", {});
    this.element = h("form", { class: "lw-panel lw-batches", novalidate: "" }, h("h2", {}, "New batch"), this.source.element,
      h("div", { class: "lw-fields lw-batch-fields" }, labelled("Name", this.name), labelled("Limit", this.limit, this.limitNote)),
      this.scoring.element, this.notice, h("div", { class: "lw-buttons" }, this.button, this.line));
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.begin();
    });
    for (const kind of ["seats", "seat", "base", "replaced"]) lineup.addEventListener(kind, () => this.changed());
  }

  async start() {
    if (this.started) return;
    this.started = true;
    try {
      this.scoring.offer(await get("batches/choices"));
      await this.source.choose("file");
    } catch (error) {
      this.started = false;
      this.refuse(error);
    }
  }

  /** Panes in the order of the seats; the base comes first whether it sits there or not. */
  panes() {
    const { lineup } = this;
    const panes = lineup.seats.map((seat) => ({
      model: seat.id, base_model: seat.base, endpoint: seat.endpoint, label: lineup.nameOf(seat), system: lineup.systemOf(seat), sampling: seat.sampling,
    }));
    const base = (pane) => pane.model === "base" && !pane.endpoint && !pane.base_model;
    return panes.some(base) ? panes : [{ model: "base", label: "Base model", system: lineup.system.trim() }, ...panes];
  }

  changed() {
    const found = this.source.found;
    this.scoring.fit(found);
    const panes = this.panes().length;
    const wanted = Number(this.limit.value) || Infinity;
    const prompts = Math.min(found?.prompts ?? 0, wanted);
    this.button.disabled = !prompts;
    setText(this.line, prompts ? `${whole(prompts)} prompts to ${panes} ${panes === 1 ? "model" : "models, the base among them"}: ${whole(prompts * panes)} answers.` : "Choose prompts first.");
  }

  async begin() {
    if (!this.limit.checkValidity()) {
      this.limit.closest("label").classList.add("lw-wrong-field");
      setText(this.limitNote, "A whole number from 1, or nothing for all.");
      return;
    }
    this.tell([]);
    this.button.disabled = true;
    const { lineup } = this;
    const limit = this.limit.value === "" ? null : Number(this.limit.value);
    const body = { name: this.name.value, base_model: lineup.baseModel, panes: this.panes(), source: this.source.value, limit, sampling: lineup.sampling, scoring: this.scoring.value };
    try {
      const state = await post("batches", body);
      this.begun(state.batch.id);
    } catch (error) {
      this.refuse(error);
    } finally {
      this.changed();
    }
  }

  refuse(error) {
    if (!(error instanceof Refusal)) throw error;
    this.tell(error.problems);
  }

  /** Each problem beside the field it means. */
  tell(problems) {
    const under = (start) => problems.filter((problem) => problem.field?.startsWith(start) || problem.field === start);
    const source = [...under("source"), ...under("file")];
    const scoring = under("scoring");
    const rest = problems.filter((problem) => !source.includes(problem) && !scoring.includes(problem));
    this.source.refuse(source);
    this.scoring.refuse(scoring);
    this.limit.closest("label").classList.remove("lw-wrong-field");
    setText(this.limitNote, "");
    setChildren(this.notice, rest.length ? problemBox("The batch was not begun", rest) : null);
  }
}

const labelled = (title, input, note = null) => h("label", { class: "lw-labelled" }, h("span", {}, title), input, note);
