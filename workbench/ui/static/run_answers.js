// What the model answered to the run's sample prompts as it learnt: one prompt over time, beside the curve.

import { h, select, setChildren } from "./dom.js";
import * as format from "./format.js";

export class AnswerTimeline {
  /** @param {(step: number | null) => void} onstep  told which step is pointed at */
  constructor(onstep) {
    this.onstep = onstep;
    this.prompt = null;
    this.chosen = null;
    this.head = h("div", {});
    this.list = h("ol", { class: "lw-answers", reversed: true, tabindex: "0", "aria-label": "Answers by step, the newest first" });
    this.element = h("section", { class: "lw-panel lw-answers-panel", hidden: true }, h("h2", {}, "Sample answers"), this.head, this.list);
  }

  /** Show the answers of `history`, the newest first. */
  show({ answers, evaluations }) {
    const told = answers.length ? `${answers.length} ${answers.at(-1).seq}` : "";
    if (told === this.told) return;
    this.told = told;
    this.answers = answers;
    this.losses = new Map((evaluations.step ?? []).map((step, place) => [step, evaluations.loss[place]]));
    this.element.hidden = answers.length === 0;
    const prompts = [...new Set(answers.map((answer) => answer.prompt))];
    if (!prompts.includes(this.prompt)) this.prompt = prompts[0] ?? null;
    setChildren(this.head, prompts.length > 1 ? select("Prompt", prompts.map((prompt) => [prompt, prompt]), this.prompt, (prompt) => this.choose(prompt)) : h("p", { class: "lw-prompt" }, this.prompt));
    this.draw();
  }

  choose(prompt) {
    this.prompt = prompt;
    this.draw();
  }

  draw() {
    const shown = this.answers.filter((answer) => answer.prompt === this.prompt).reverse();
    setChildren(this.list, ...shown.map((answer) => this.item(answer)));
  }

  item(answer) {
    const loss = this.losses.get(answer.step);
    const pressed = this.chosen === answer.step;
    const point = h("button", { class: "lw-quiet-action", "aria-pressed": String(pressed), onclick: () => this.point(answer.step) }, `Step ${format.whole(answer.step)}`);
    return h("li", { class: pressed ? "lw-pointed" : null },
      h("p", { class: "lw-note" }, point, loss === undefined ? "" : ` eval loss ${format.loss(loss)}`),
      h("p", { class: "lw-answer" }, answer.text || "(nothing)", answer.cut ? h("span", { class: "lw-note", title: "Ended by its greatest length" }, " …") : null));
  }

  /** Mark the step on the curve; pressing it again takes the mark away. */
  point(step) {
    this.chosen = this.chosen === step ? null : step;
    this.onstep(this.chosen);
    this.draw();
    [...this.list.querySelectorAll("button")].find((button) => button.textContent === `Step ${format.whole(step)}`)?.focus();
  }
}
