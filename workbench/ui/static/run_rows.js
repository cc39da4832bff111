// The body of the table of runs. A row stays the same element while its run changes, so that focus, selection and
// scrolling are left in peace, and only cells whose text has changed are drawn again.

import { h } from "./dom.js";

export class RunRows {
  /** @param {(id: string, chosen: boolean) => void} onchoose  told of every tick */
  constructor(onchoose) {
    this.onchoose = onchoose;
    this.rows = new Map();
    this.element = h("tbody", {});
    this.columns = [];
  }

  /** Show `runs` in their order with `columns`; `chosen` are the ids of the ticked ones. */
  show(runs, columns, chosen) {
    if (columns !== this.columns) this.rows.clear();
    this.columns = columns;
    const wanted = runs.map((run) => this.rowOf(run, chosen.has(run.id)));
    const known = new Set(runs.map((run) => run.id));
    for (const id of this.rows.keys()) if (!known.has(id)) this.rows.delete(id);
    const now = this.element.children;
    const same = now.length === wanted.length && wanted.every((row, place) => row === now[place]);
    if (!same) this.element.replaceChildren(...wanted);
  }

  rowOf(run, chosen) {
    const row = this.rows.get(run.id) ?? this.made(run);
    this.rows.set(run.id, row);
    row.tick.checked = chosen;
    row.tick.setAttribute("aria-label", `Compare ${run.name}`);
    this.columns.forEach((column, place) => {
      const text = column.text(run);
      if (row.texts[place] === text) return;
      row.texts[place] = text;
      row.cells[place].replaceChildren(...(column.draw ? column.draw(run).filter((part) => part !== null) : [text]));
    });
    return row.element;
  }

  made(run) {
    const tick = h("input", { type: "checkbox", onchange: () => this.onchoose(run.id, tick.checked) });
    const cells = this.columns.map(cellOf);
    const element = h("tr", {}, h("td", { class: "lw-choose" }, tick), ...cells);
    return { element, tick, cells, texts: [] };
  }
}

function cellOf(column) {
  if (column.key === "name") return h("th", { scope: "row" });
  return h("td", { class: column.figure ? "lw-figure" : null });
}
