// The answers of a batch, a prompt a row and a pane a column: searched, narrowed down, a page at a time.

import { get } from "./api.js";
import { h, select, setChildren, setText } from "./dom.js";
import { whole } from "./format.js";
import { tellRefusal } from "./refusal.js";

const PAGE = 10;
const SHOWS = [["all", "All prompts"], ["different", "Answers that differ"], ["errors", "Failed answers"]];
const QUIET_MS = 250;

export class BatchTable {
  constructor(id) {
    Object.assign(this, { id, skip: 0, show: "all", names: [], metrics: [] });
    this.search = h("input", { type: "search", placeholder: "Search", "aria-label": "Search prompts and answers" });
    this.search.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.narrow({}), QUIET_MS);
    });
    this.count = h("p", { class: "lw-note", role: "status" });
    this.earlier = h("button", { class: "lw-button", onclick: () => this.turn(-PAGE) }, "Earlier");
    this.later = h("button", { class: "lw-button", onclick: () => this.turn(PAGE) }, "Later");
    this.body = h("div", { class: "lw-scroll", tabindex: "0", role: "region", "aria-label": "Answers" }, h("p", { class: "lw-note" }, "Looking for the answers…"));
    this.element = h("section", { class: "lw-panel lw-batches" }, h("div", { class: "lw-list-head" }, h("h2", {}, "Answers"),
      h("div", { class: "lw-controls" }, select("Show", SHOWS, "all", (show) => this.narrow({ show })), this.search)),
      this.body, h("div", { class: "lw-controls" }, this.earlier, this.later, this.count));
  }

  draw(names, metrics) {
    Object.assign(this, { names, metrics });
    return this.refresh();
  }

  narrow(changes) {
    Object.assign(this, changes, { skip: 0 });
    return this.refresh();
  }

  turn(step) {
    this.skip = Math.max(0, this.skip + step);
    return this.refresh();
  }

  async refresh() {
    const query = new URLSearchParams({ skip: this.skip, limit: PAGE, search: this.search.value.trim(), show: this.show });
    try {
      const { rows, found } = await get(`batches/${this.id}/rows?${query}`);
      setChildren(this.body, rows.length ? this.table(rows) : h("p", { class: "lw-note" }, "No prompt fits."));
      setText(this.count, found ? `${whole(this.skip + 1)} to ${whole(this.skip + rows.length)} of ${whole(found)}` : "");
      this.earlier.disabled = this.skip === 0;
      this.later.disabled = this.skip + rows.length >= found;
    } catch (error) {
      tellRefusal(this.body, "The answers cannot be shown", error);
    }
  }

  table(rows) {
    return h("table", { class: "lw-table lw-batch-answers" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Prompt"), ...this.names.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...rows.map((row) => this.row(row))));
  }

  row({ line, messages, reference, cells }) {
    const said = messages.filter((message) => message.role !== "system");
    const prompt = said.length === 1 ? said[0].content : said.map((message) => `${message.role}: ${message.content}`).join("\n");
    return h("tr", {}, h("th", { scope: "row" }, h("span", { class: "lw-times" }, `${whole(line)} `), text(prompt),
      reference === null ? null : h("span", { class: "lw-reference" }, h("span", { class: "lw-marks" }, "Reference"), text(reference))),
    ...cells.map((cell, pane) => h("td", { "data-name": this.names[pane] }, this.cell(cell))));
  }

  cell(cell) {
    if (!cell) return h("span", { class: "lw-note" }, "not answered yet");
    const { answer, scores } = cell;
    if (answer.problem) return h("span", { class: "lw-wrong-words" }, `${answer.problem} ${answer.remedy}`);
    const told = this.metrics.filter(({ kind }) => kind in scores).map(({ kind, title }) => `${title} ${scores[kind].toFixed(scores[kind] >= 99.95 ? 0 : 1)}`);
    if (answer.finish_reason === "length") told.unshift("cut at the limit");
    if (answer.cut_turns) told.unshift(`the oldest ${answer.cut_turns} turns left out`);
    return [text(answer.text || "(an empty answer)"), told.length ? h("span", { class: "lw-scores" }, told.join(" · ")) : null];
  }
}

const text = (words) => h("span", { class: "lw-said" }, words);
