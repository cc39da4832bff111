// One run, live: where it stands, its curve, its log, and what can be done with it.

import { get, post, remove, Refusal } from "./api.js";
import { AXES, Curve, History, MEASURES } from "./curve.js";
import { confirmed, h, problemBox, select, setChildren, setText } from "./dom.js";
import * as format from "./format.js";
import { Poll } from "./poll.js";
import { isActive, isOver, statusMark } from "./status.js";

const LIVE_MS = 1000;
const WAITING_MS = 2000;

export class RunView {
  /** @param {string} id  @param {() => void} leave called when the run is gone */
  constructor(id, leave) {
    this.id = id;
    this.leave = leave;
    this.run = null;
    this.history = new History();
    this.element = h("article", { class: "lw-run", "aria-busy": "true" });
    this.build();
    this.poll = new Poll(() => this.refresh(), () => this.pause());
    this.clock = setInterval(() => this.tellAge(), 1000);
  }

  start() {
    return this.poll.start();
  }

  close() {
    this.poll.stop();
    clearInterval(this.clock);
    this.curve.close();
  }

  pause() {
    if (this.run === null) return WAITING_MS;
    return isOver(this.run.status) ? null : isActive(this.run.status) ? LIVE_MS : WAITING_MS;
  }

  build() {
    this.title = h("h1", {});
    this.status = h("p", { class: "lw-line", role: "status" });
    this.buttons = h("div", { class: "lw-buttons" });
    this.notice = h("div", {});
    this.bar = h("progress", { max: "1", "aria-label": "Progress" });
    this.facts = h("dl", { class: "lw-facts" });
    this.plot = h("div", { class: "lw-plot", role: "figure", "aria-label": "Loss by step", hidden: true });
    this.waiting = h("p", { class: "lw-empty" }, "The curve begins with the first step.");
    this.log = h("pre", { class: "lw-log", tabindex: "0", "aria-label": "The end of the log" });
    this.checkpoints = h("div", {});
    this.curve = new Curve(this.plot);
    this.element.append(
      h("a", { href: "./runs", class: "lw-back" }, "All runs"),
      h("header", { class: "lw-run-head" }, h("div", {}, this.title, this.status), this.buttons),
      this.notice,
      h("section", { class: "lw-panel" }, this.bar, this.facts),
      h("section", { class: "lw-panel" }, this.plotControls(), this.waiting, this.plot),
      h("section", { class: "lw-panel" }, h("h2", {}, "Checkpoints"), this.checkpoints),
      h("section", { class: "lw-panel" }, h("h2", {}, "Log"), this.log),
    );
  }

  plotControls() {
    const smoothing = h("input", { type: "range", min: "0", max: "0.98", step: "0.02", value: "0.6" });
    smoothing.addEventListener("input", () => this.curve.set({ smoothing: Number(smoothing.value) }));
    const log = h("input", { type: "checkbox", onchange: (event) => this.curve.set({ log: event.target.checked }) });
    return h("div", { class: "lw-controls" },
      select("Show", MEASURES, "loss", (measure) => this.curve.set({ measure })),
      select("By", AXES, "step", (axis) => this.curve.set({ axis })),
      h("label", { class: "lw-field" }, h("span", {}, "Smoothing"), smoothing),
      h("label", { class: "lw-check" }, log, "Log axis"));
  }

  async refresh() {
    try {
      const { run, metrics, log } = await get(`runs/${this.id}/live?after=${this.history.cursor}`);
      this.show(run);
      const grown = this.history.add(metrics);
      this.waiting.hidden = this.history.cursor > 0 && this.history.steps.step?.length > 0;
      this.plot.hidden = !this.waiting.hidden;
      if (grown) await this.curve.show([{ name: run.name, history: this.history }]);
      this.showLog(log);
    } catch (error) {
      this.refuse(error, "This run cannot be shown");
    }
  }

  show(run) {
    const before = this.run;
    this.run = run;
    this.element.setAttribute("aria-busy", "false");
    if (before && JSON.stringify(before) === JSON.stringify(run)) return;
    document.title = `${run.name} · LoRA Workbench`;
    setText(this.title, run.name);
    this.tellAge();
    this.showProgress(run);
    setChildren(this.facts, factsOf(run));
    this.showCheckpoints(run);
    if (before?.status !== run.status) setChildren(this.buttons, this.buttonsFor(run));
    if (before?.problem !== run.problem || before?.warnings?.length !== run.warnings.length) setChildren(this.notice, noticesOf(run));
  }

  showProgress(run) {
    const known = run.phase && run.phase !== "training" ? run.phase_done : run.total_steps ? run.step / run.total_steps : null;
    this.bar.hidden = run.status === "queued" || isOver(run.status);
    if (known === null || known === undefined) this.bar.removeAttribute("value");
    else this.bar.value = known;
  }

  tellAge() {
    if (!this.run) return;
    const { status, phase, phase_detail: detail, updated, stalled } = this.run;
    const words = [isActive(status) && phase ? [phase, detail].filter(Boolean).join(": ") : null];
    if (isActive(status)) words.push(stalled ? `no sign of life for ${format.duration(Date.now() / 1000 - updated)}` : `updated ${format.ago(updated)}`);
    const text = words.filter(Boolean).join(" · ");
    if (this.status.dataset.shown === status + text) return;
    this.status.dataset.shown = status + text;
    setChildren(this.status, statusMark(status), text ? ` ${text}` : "");
  }

  /** The end of the log; it stays at its end unless somebody scrolled up. */
  showLog(text) {
    const following = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 20;
    setText(this.log, text || "Nothing was written yet.");
    if (following) this.log.scrollTop = this.log.scrollHeight;
  }

  showCheckpoints(run) {
    if (!run.checkpoints.length) {
      setChildren(this.checkpoints, h("p", { class: "lw-note" }, "None on disk yet."));
      return;
    }
    const best = Math.min(...run.checkpoints.map((checkpoint) => checkpoint.eval_loss ?? Infinity));
    const rows = run.checkpoints.map((checkpoint) =>
      h("tr", {},
        h("th", { scope: "row" }, checkpoint.name),
        h("td", { class: "lw-figure" }, format.whole(checkpoint.step)),
        h("td", { class: "lw-figure" }, format.loss(checkpoint.eval_loss) + (checkpoint.eval_loss === best ? " best" : "")),
        h("td", { class: "lw-figure" }, format.size(checkpoint.bytes))));
    const heads = [["Name", ""], ["Step", "lw-figure"], ["Eval loss", "lw-figure"], ["Size", "lw-figure"]];
    setChildren(this.checkpoints, h("table", { class: "lw-table" },
      h("thead", {}, h("tr", {}, ...heads.map(([name, kind]) => h("th", { scope: "col", class: kind }, name)))),
      h("tbody", {}, ...rows)));
  }

  buttonsFor(run) {
    const button = (text, act, kind = "") => h("button", { class: `lw-button ${kind}`, onclick: act }, text);
    const buttons = [];
    if (run.status === "queued" || isActive(run.status)) {
      buttons.push(h("button", { class: "lw-button", disabled: run.status === "stopping", onclick: () => this.act("stop") },
        run.status === "stopping" ? "Stopping" : "Stop and save"));
    }
    if (["stopped", "failed", "interrupted"].includes(run.status)) buttons.push(button("Resume", () => this.act("resume"), "lw-primary"));
    if (run.status === "finished" || run.status === "stopped") {
      buttons.push(h("a", { class: "lw-button lw-primary", href: `./playground?adapters=${encodeURIComponent(run.id)}` }, "Talk to it"));
    }
    buttons.push(h("a", { class: "lw-button", href: `./?from=${encodeURIComponent(run.id)}` }, "Use these settings"));
    if (isOver(run.status)) buttons.push(button("Delete", () => this.delete(), "lw-quiet-danger"));
    return buttons;
  }

  async act(action) {
    try {
      this.show(await post(`runs/${this.id}/${action}`));
      this.poll.now();
    } catch (error) {
      this.refuse(error, `The run could not ${action}`);
    }
  }

  async delete() {
    const consequence = "Its adapter, its checkpoints and its log are deleted from the disk. This cannot be undone.";
    if (!(await confirmed(`Delete “${this.run.name}”?`, consequence, "Delete"))) return;
    try {
      await remove(`runs/${this.id}`);
      this.leave();
    } catch (error) {
      this.refuse(error, "The run was not deleted");
    }
  }

  refuse(error, heading) {
    if (!(error instanceof Refusal)) throw error;
    setChildren(this.notice, problemBox(heading, error.problems));
  }
}

function factsOf(run) {
  const facts = [
    ["Step", run.total_steps ? `${format.whole(run.step)} of ${format.whole(run.total_steps)}` : format.whole(run.step)],
    ["Time left", run.seconds_left === null ? "–" : format.duration(run.seconds_left)],
    ["Training time", format.duration(run.elapsed)],
    ["Loss", format.loss(run.loss)],
    ["Eval loss", format.loss(run.eval_loss)],
    ["Best eval loss", format.loss(run.best_eval_loss)],
    ["Tokens/s", format.whole(run.tokens_per_second)],
    ["Memory", run.memory_bytes ? format.size(run.memory_bytes) : "–"],
    ["Base model", run.base_model],
    ["Method", [run.method, run.rank && `rank ${run.rank}`, run.alpha && `alpha ${run.alpha}`].filter(Boolean).join(", ")],
    ["Target modules", run.target_modules || "–"],
    ["Trainable", format.whole(run.trainable)],
  ];
  return facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
}

function noticesOf(run) {
  const notices = [];
  if (run.problem) notices.push(problemBox(run.status === "failed" ? "This run failed" : "This run was interrupted", [{ message: run.problem, remedy: run.remedy }]));
  if (run.warnings.length) {
    notices.push(h("div", { class: "lw-warnings" }, h("strong", {}, "Warnings"), h("ul", {}, ...run.warnings.map((text) => h("li", {}, text)))));
  }
  return notices;
}
