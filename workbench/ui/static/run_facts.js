// What stands about a run in words and numbers.

import { h } from "./dom.js";
import * as format from "./format.js";
import { duration } from "./run_columns.js";
import { isActive } from "./status.js";

/** How much of what it is at is done, 0 to 1; null when that is not known. */
export function shareDone(run) {
  if (run.phase && run.phase !== "training" && run.phase !== "evaluating") return run.phase_done ?? null;
  return run.total_steps ? run.step / run.total_steps : null;
}

/** The facts as terms and their values. */
export function factsOf(run) {
  return [...progressOf(run), ...memoryOf(run), ...askedOf(run)].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
}

function progressOf(run) {
  return [
    ["Step", run.total_steps ? `${format.whole(run.step)} of ${format.whole(run.total_steps)}` : format.whole(run.step)],
    ["Time left", timeLeft(run)],
    ["Elapsed", isActive(run.status) && run.started ? format.duration(Date.now() / 1000 - run.started) : format.duration(duration(run))],
    ["Training time", format.duration(run.elapsed)],
    ["Loss", format.loss(run.loss)],
    ["Eval loss", format.loss(run.eval_loss)],
    ["Best eval loss", format.loss(run.best_eval_loss)],
    ["Tokens/s", format.whole(run.tokens_per_second)],
    ["Tokens seen", format.whole(run.tokens)],
  ];
}

function timeLeft(run) {
  if (run.seconds_left === null || !isActive(run.status)) return "–";
  const end = new Date(Date.now() + 1000 * run.seconds_left);
  return `${format.duration(run.seconds_left)}, until ${end.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}`;
}

/** On a graphics card, what is allocated there stands beside what the process takes of the machine. */
function memoryOf(run) {
  const size = (bytes) => (bytes ? format.size(bytes) : "–");
  if (!run.lane.startsWith("gpu")) return [["Memory", size(run.process_bytes ?? run.memory_bytes)]];
  return [["Memory of the process", size(run.process_bytes)], [`Memory of ${run.lane}`, size(run.memory_bytes)]];
}

function askedOf(run) {
  return [
    ["Base model", run.base_model],
    ["Dataset", run.dataset],
    ["Method", [run.method, run.rank && `rank ${run.rank}`, run.alpha && `alpha ${run.alpha}`].filter(Boolean).join(", ")],
    ["Target modules", run.target_modules || "–"],
    ["Trainable", format.whole(run.trainable)],
  ];
}

/** Where it comes from, and what its user says of it. */
export function lineage(run) {
  const parts = [];
  if (run.continues) {
    const [id, checkpoint] = run.continues.split("/");
    parts.push(h("p", { class: "lw-line" }, "Continues ", h("a", { href: `./runs?run=${encodeURIComponent(id)}` }, id), checkpoint ? ` from ${checkpoint}` : ""));
  }
  const tags = [run.pin && "pinned", run.archived && "archived", ...run.tags].filter(Boolean);
  if (tags.length) parts.push(h("p", { class: "lw-tags" }, ...tags.map((tag) => h("span", { class: "lw-tag" }, tag))));
  if (run.note) parts.push(h("p", { class: "lw-run-note" }, run.note));
  return parts;
}

/** What its worker warned of. */
export function warningsOf(run) {
  if (!run.warnings.length) return [];
  return [h("div", { class: "lw-warnings" }, h("strong", {}, "Warnings"), h("ul", {}, ...run.warnings.map((text) => h("li", {}, text))))];
}
