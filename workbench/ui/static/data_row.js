// One row as the model will see it: its tokens, which of them are trained, and where it is cut.

import { get } from "./api.js";
import { turnList } from "./data_turns.js";
import { h, problemBox, setChildren, setText } from "./dom.js";
import { whole } from "./format.js";
import { tellRefusal } from "./refusal.js";

const SLOW_MS = 1500;

export class RowPanel {
  /** @param {{onmove: () => void, ondrop: (line: number) => void}} handlers */
  constructor(dataset, unit, { onmove, ondrop }) {
    this.dataset = dataset;
    this.unit = unit;
    this.onmove = onmove;
    this.index = 0;
    this.number = h("input", { type: "number", min: "1", max: String(dataset.rows), step: "1", class: "lw-number-field", "aria-label": "Row", onchange: () => this.move(Number(this.number.value) - 1) });
    this.previous = h("button", { class: "lw-button lw-plain-button", onclick: () => this.move(this.index - 1) }, "Previous");
    this.next = h("button", { class: "lw-button lw-plain-button", onclick: () => this.move(this.index + 1) }, "Next");
    this.drop = h("button", { class: "lw-button lw-plain-button", onclick: () => ondrop(this.line) }, "Drop this row");
    this.facts = h("p", { class: "lw-line", role: "status" });
    this.tokens = h("div", { class: "lw-tokens", tabindex: "0", role: "region", "aria-label": "The row in tokens" });
    this.turns = h("details", { class: "lw-more" }, h("summary", {}, "As it stands in the file"));
    this.element = h("section", { class: "lw-panel lw-row-panel" },
      h("h2", {}, "Row"),
      h("div", { class: "lw-controls" }, this.previous, h("span", { class: "lw-field" }, this.number, `of ${whole(dataset.rows)}`), this.next, this.drop),
      this.facts, LEGEND(), this.tokens, this.turns);
    this.element.addEventListener("keydown", (event) => this.key(event));
  }

  close() {
    this.asking?.abort();
    clearTimeout(this.slow);
  }

  key(event) {
    if (event.target === this.number || event.altKey || event.ctrlKey || event.metaKey) return;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) {
      event.preventDefault();
      this.move(this.index + by);
    }
  }

  move(index) {
    if (Number.isNaN(index)) return;
    this.look(index, this.view);
    this.onmove();
  }

  /** Show row `index` as `view` would have it. */
  async look(index, view) {
    this.close();
    this.view = view;
    this.index = Math.min(Math.max(0, Math.trunc(index)), this.dataset.rows - 1);
    this.number.value = this.index + 1;
    this.previous.disabled = this.index === 0;
    this.next.disabled = this.index === this.dataset.rows - 1;
    this.asking = new AbortController();
    this.element.setAttribute("aria-busy", "true");
    this.slow = setTimeout(() => setText(this.facts, "The base model's tokenizer is being read; the first time this takes a while."), SLOW_MS);
    try {
      const { signal } = this.asking;
      this.show(await get(`datasets/${this.dataset.id}/rows/${this.index}?${new URLSearchParams(view)}`, { signal }));
    } catch (error) {
      if (error.name !== "AbortError") this.refuse(error);
    }
  }

  show(row) {
    clearTimeout(this.slow);
    this.element.setAttribute("aria-busy", "false");
    this.line = row.conversation.line;
    const over = row.cut ? `, the last ${whole(row.cut)} cut off` : "";
    setText(this.facts, row.problem ? "" : `${this.unit === "row" ? "Row" : "Line"} ${whole(this.line)} of the file: ${whole(row.length)} tokens, ${whole(row.learned)} trained${over}.`);
    setChildren(this.tokens, row.problem ? problemBox("The chat template refuses this row", [{ message: row.problem }]) : tokensOf(row));
    setChildren(this.turns, this.turns.firstChild, turnList(row.conversation));
  }

  refuse(error) {
    clearTimeout(this.slow);
    tellRefusal(this.tokens, "This row cannot be shown", error);
    setText(this.facts, "");
  }
}

const LEGEND = () =>
  h("p", { class: "lw-token-legend" }, ...[["trained", "trained"], ["", "read only"], ["special", "special"], ["cut", "cut off"]].map(([kind, word]) =>
    h("span", { class: `lw-token ${kind ? `lw-${kind}` : ""}` }, word)));

function tokensOf({ pieces, tokens, trained, special, length, cut }) {
  const end = length - cut;
  const shown = pieces.map((piece, place) => {
    const kinds = [trained[place] && "lw-trained", special[place] && "lw-special", place >= end && "lw-cut"].filter(Boolean);
    return h("span", { class: ["lw-token", ...kinds].join(" "), title: `token ${tokens[place]}` }, visible(piece));
  });
  if (cut && end <= shown.length) shown.splice(end, 0, h("span", { class: "lw-cut-line", role: "separator" }, `cut at ${whole(end)} tokens`));
  if (length > pieces.length) shown.push(h("p", { class: "lw-note" }, `${whole(length - pieces.length)} more tokens are not shown.`));
  return shown;
}

/** Line ends get a mark of their own; a token that is only a part of a character is a dot. */
function visible(piece) {
  return piece === "" ? "·" : piece.replaceAll("\n", "↵\n");
}
