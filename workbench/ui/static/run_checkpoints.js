// The checkpoints of a run: what each holds, and what can be done with it.

import { h, setChildren } from "./dom.js";
import * as format from "./format.js";
import { isOver } from "./status.js";

const HEADS = [["Name", ""], ["Step", "lw-figure"], ["Eval loss", "lw-figure"], ["Size", "lw-figure"], ["", ""]];

export class CheckpointTable {
  constructor(actions) {
    this.actions = actions;
    this.element = h("div", {});
    this.told = "";
  }

  show(run) {
    const told = JSON.stringify([run.checkpoints, isOver(run.status), run.name]);
    if (told === this.told) return;
    this.told = told;
    setChildren(this.element, ...(run.checkpoints.length ? this.table(run) : [h("p", { class: "lw-note" }, "None on disk yet.")]));
  }

  table(run) {
    const measured = run.checkpoints.map((checkpoint) => checkpoint.eval_loss).filter((loss) => loss !== null);
    const best = Math.min(...measured);
    const rows = run.checkpoints.map((checkpoint) =>
      h("tr", {},
        h("th", { scope: "row" }, checkpoint.name, checkpoint.eval_loss === best ? h("span", { class: "lw-tag" }, "best") : null),
        h("td", { class: "lw-figure" }, format.whole(checkpoint.step)),
        h("td", { class: "lw-figure" }, format.loss(checkpoint.eval_loss)),
        h("td", { class: "lw-figure" }, format.size(checkpoint.bytes)),
        h("td", { class: "lw-row-actions" }, ...this.actionsOf(run, checkpoint))));
    const heads = HEADS.map(([name, kind]) => h(name ? "th" : "td", name ? { scope: "col", class: kind } : {}, name));
    const table = h("div", { class: "lw-scroll" }, h("table", { class: "lw-table" }, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...rows)));
    return isOver(run.status) && run.checkpoints.length > 2 ? [table, this.thin(run)] : [table];
  }

  actionsOf(run, checkpoint) {
    const path = `api/runs/${encodeURIComponent(run.id)}/checkpoints/${checkpoint.name}.zip`;
    const model = encodeURIComponent(`${run.id}/${checkpoint.name}`);
    const named = (what) => ({ class: "lw-quiet-action", "aria-label": `${what} ${checkpoint.name}` });
    const actions = [
      h("button", { ...named("Continue from"), onclick: () => this.actions.goOn(checkpoint.name) }, "Continue from"),
      h("a", { ...named("Talk to"), href: `./playground?adapters=${model}` }, "Talk to"),
      h("a", { ...named("Download"), href: path, download: "" }, "Download"),
    ];
    if (isOver(run.status)) actions.push(h("button", { ...named("Delete"), onclick: () => this.actions.deleteCheckpoint(checkpoint) }, "Delete"));
    return actions;
  }

  thin(run) {
    return h("div", { class: "lw-buttons" },
      h("button", { class: "lw-button", onclick: () => this.actions.thin(run) }, "Keep only the newest and the best"));
  }
}
