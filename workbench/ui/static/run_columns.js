// The columns of the table of runs: each with what it shows, and what the server orders by.

import { h } from "./dom.js";
import * as format from "./format.js";
import { statusMark } from "./status.js";

/** Seconds from a run's first worker to its end, or to its last sign of life. */
export function duration(run) {
  const end = run.ended ?? run.updated;
  return run.started && end ? Math.max(0, end - run.started) : null;
}

const figure = { figure: true };
const text = (value) => value || "–";

/** `key` names a column in links and in the browser's memory; `sort` is the server's word; `draw` makes an element. */
export const COLUMNS = [
  { key: "name", title: "Run", sort: "name", text: (run) => `${run.pin} ${run.archived} ${run.name} ${run.tags}`, draw: nameCell, fixed: true },
  { key: "status", title: "Status", sort: "status", text: (run) => `${run.status} ${run.stalled}`, draw: statusCell },
  { key: "step", title: "Step", sort: "step", ...figure, text: (run) => (run.total_steps ? `${format.whole(run.step)} / ${format.whole(run.total_steps)}` : "–") },
  { key: "loss", title: "Loss", sort: "loss", ...figure, text: (run) => format.loss(run.loss) },
  { key: "eval_loss", title: "Eval loss", sort: "eval_loss", ...figure, text: (run) => format.loss(run.eval_loss) },
  { key: "best", title: "Best eval", sort: "best_eval_loss", ...figure, text: (run) => format.loss(run.best_eval_loss) },
  { key: "method", title: "Method", sort: "method", text: (run) => run.method },
  { key: "rank", title: "Rank", sort: "rank", ...figure, text: (run) => format.whole(run.rank) },
  { key: "alpha", title: "Alpha", sort: "alpha", ...figure, text: (run) => text(run.alpha && String(run.alpha)) },
  { key: "targets", title: "Target modules", sort: "targets", text: (run) => text(run.target_modules) },
  { key: "trainable", title: "Trainable", sort: "trainable", ...figure, text: (run) => format.whole(run.trainable) },
  { key: "model", title: "Base model", sort: "model", text: (run) => run.base_model },
  { key: "dataset", title: "Dataset", sort: "dataset", text: (run) => run.dataset },
  { key: "duration", title: "Duration", sort: "duration", ...figure, text: (run) => format.duration(duration(run)) },
  { key: "speed", title: "Tokens/s", sort: "tokens_per_second", ...figure, text: (run) => format.whole(run.tokens_per_second) },
  { key: "created", title: "Created", sort: "created", text: (run) => format.moment(run.created) },
];
const USUAL = ["name", "status", "step", "loss", "best", "method", "rank", "trainable", "duration", "speed", "created"];
const MEMORY = "workbench.run-columns";

function nameCell(run) {
  return [
    run.pin ? h("span", { class: "lw-pin", title: "Pinned", "aria-label": "pinned" }, "★ ") : null,
    h("a", { href: `./runs?run=${encodeURIComponent(run.id)}` }, run.name),
    ...run.tags.map((tag) => h("span", { class: "lw-tag" }, tag)),
    run.archived ? h("span", { class: "lw-tag" }, "archived") : null,
  ];
}

function statusCell(run) {
  return [statusMark(run.status), run.stalled ? h("span", { class: "lw-tag" }, "stalled") : null];
}

/** The keys of the columns that this browser shows. */
export function shownColumns() {
  try {
    const kept = JSON.parse(localStorage.getItem(MEMORY));
    if (Array.isArray(kept)) return new Set(["name", ...kept]);
  } catch {
    // What lies there is not ours: the usual ones.
  }
  return new Set(USUAL);
}

export function keepColumns(keys) {
  localStorage.setItem(MEMORY, JSON.stringify([...keys]));
}
