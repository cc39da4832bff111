// Which column is which, for rows of no known format, with the first rows read like that beside the choice.

import { post } from "./api.js";
import { h, problemBox, setChildren } from "./dom.js";
import { turnList } from "./data_turns.js";
import { tellRefusal } from "./refusal.js";

const PARTS = [["", "not used"], ["question", "question"], ["answer", "answer"], ["system", "system prompt"]];

export class ColumnForm {
  /** @param {(layout: object) => void} use reads the whole file like that */
  constructor(arrival, layout, use) {
    this.arrival = arrival;
    this.use = use;
    this.parts = new Map();
    for (const name of layout?.question ?? []) this.parts.set(name, "question");
    if (layout?.answer) this.parts.set(layout.answer, "answer");
    if (layout?.system) this.parts.set(layout.system, "system");
    this.example = h("div", { class: "lw-example", "aria-live": "polite" });
    this.button = h("button", { class: "lw-button lw-primary", disabled: true, onclick: () => this.use(this.layout()) }, "Read the file like this");
    this.table = h("div", {});
    this.element = h("div", { class: "lw-columns" },
      h("p", { class: "lw-note" }, "Choose what each column is. Several question columns are put under one another; without a question the answer column is running text."),
      h("div", { class: "lw-two" }, h("div", {}, this.table, this.button), h("div", {}, h("h3", {}, "The first row would be"), this.example)));
  }

  async start() {
    const rows = await post(`arrivals/${this.arrival}/examples`, { layout: null });
    const first = rows[0]?.columns ?? {};
    setChildren(this.table, h("table", { class: "lw-table" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Column"), h("th", { scope: "col" }, "In the first row"), h("th", { scope: "col" }, "Is the"))),
      h("tbody", {}, ...Object.entries(first).map(([name, value]) => this.row(name, value)))));
    await this.show();
  }

  row(name, value) {
    const menu = h("select", { "aria-label": `What ${name} is`, onchange: () => this.choose(name, menu.value) },
      ...PARTS.map(([part, title]) => h("option", { value: part, selected: part === (this.parts.get(name) ?? "") }, title)));
    return h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "lw-value" }, value), h("td", {}, menu));
  }

  choose(name, part) {
    this.parts.delete(name);
    if (part) this.parts.set(name, part);
    return this.show();
  }

  layout() {
    const named = (part) => [...this.parts].filter(([, chosen]) => chosen === part).map(([name]) => name);
    return { kind: "columns", question: named("question"), answer: named("answer")[0] ?? "", system: named("system")[0] ?? "" };
  }

  async show() {
    const layout = this.layout();
    this.button.disabled = !layout.answer;
    if (!layout.answer) {
      setChildren(this.example, h("p", { class: "lw-note" }, "Choose the column of the answer."));
      return;
    }
    try {
      const [first] = await post(`arrivals/${this.arrival}/examples`, { layout });
      setChildren(this.example, first.conversation ? turnList(first.conversation) : problemBox("The first row cannot be used like this", first.problems));
    } catch (error) {
      tellRefusal(this.example, "These columns cannot be read", error);
    }
  }
}
