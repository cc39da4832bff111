// One run, live: what it is doing, its curves, what it has saved and said, and what can be done with it.

import { get } from "./api.js";
import { Curve } from "./curve.js";
import { curveControls } from "./curve_controls.js";
import { h, setChildren, setText } from "./dom.js";
import * as format from "./format.js";
import { History } from "./history.js";
import { Poll } from "./poll.js";
import { tellRefusal } from "./refusal.js";
import { RunActions } from "./run_actions.js";
import { AnswerTimeline } from "./run_answers.js";
import { RankMap } from "./run_ranks.js";
import { CheckpointTable } from "./run_checkpoints.js";
import { factsOf, lineage, shareDone, warningsOf } from "./run_facts.js";
import { FailurePanel } from "./run_failure.js";
import { isActive, isOver, statusMark } from "./status.js";

const LIVE_MS = 1000;
const WAITING_MS = 2000;

export class RunView {
  /** @param {string} id  @param {(query: string) => void} go  shows another view of the page */
  constructor(id, go) {
    this.id = id;
    this.run = null;
    this.history = new History();
    this.element = h("article", { class: "lw-run", "aria-busy": "true" });
    this.notice = h("div", {});
    const host = { go, notice: this.notice, show: (run) => this.changed(run) };
    this.actions = new RunActions(host);
    this.failure = new FailurePanel(host);
    this.checkpoints = new CheckpointTable(this.actions);
    this.answers = new AnswerTimeline((step) => this.curve.mark(step));
    this.ranks = new RankMap();
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
    this.ranks.close();
  }

  pause() {
    if (this.run === null) return WAITING_MS;
    return isOver(this.run.status) ? null : isActive(this.run.status) ? LIVE_MS : WAITING_MS;
  }

  build() {
    this.title = h("h1", {});
    this.status = h("p", { class: "lw-line", role: "status" });
    this.about = h("div", { class: "lw-about" });
    this.warnings = h("div", {});
    this.bar = h("progress", { max: "1", "aria-label": "Progress" });
    this.facts = h("dl", { class: "lw-facts" });
    this.plot = h("div", { class: "lw-plot", role: "figure", "aria-label": "Curves of the run", hidden: true });
    this.waiting = h("p", { class: "lw-empty" }, "The curve begins with the first step.");
    this.log = h("pre", { class: "lw-log", tabindex: "0", "aria-label": "The end of the log" });
    this.logPanel = h("section", { class: "lw-panel" }, h("h2", {}, "Log"), this.log);
    this.curve = new Curve(this.plot);
    this.element.append(
      h("a", { href: "./runs", class: "lw-back" }, "All runs"),
      h("header", { class: "lw-run-head" }, h("div", {}, this.title, this.status), this.actions.element),
      this.about, this.notice, this.failure.element, this.warnings,
      h("section", { class: "lw-panel" }, this.bar, this.facts),
      h("div", { class: "lw-beside" },
        h("section", { class: "lw-panel" }, curveControls(this.curve), this.waiting, this.plot), this.answers.element),
      this.ranks.element,
      h("section", { class: "lw-panel" }, h("h2", {}, "Checkpoints"), this.checkpoints.element),
      this.logPanel,
    );
  }

  async refresh() {
    if (this.history.tooLong) this.history.clear();
    try {
      const { run, metrics, log } = await get(`runs/${this.id}/live?after=${this.history.cursor}`);
      this.show(run);
      const grown = this.history.add(metrics);
      this.waiting.hidden = this.history.length > 0;
      this.plot.hidden = this.history.length === 0;
      if (grown) {
        this.answers.show(this.history);
        this.ranks.show(this.history.ranks);
        await this.curve.show([{ name: run.name, history: this.history }]);
      }
      this.showLog(log);
    } catch (error) {
      tellRefusal(this.notice, "This run cannot be shown", error);
    }
  }

  /** An action has changed it: show that, and look again soon. */
  changed(run) {
    setChildren(this.notice);
    this.show(run);
    this.poll.now();
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
    setChildren(this.about, ...lineage(run));
    setChildren(this.facts, factsOf(run));
    setChildren(this.warnings, ...warningsOf(run));
    this.checkpoints.show(run);
    this.actions.show(run);
    this.failure.show(run);
    this.logPanel.hidden = Boolean(run.problem && run.log_tail); // it stands with the failure
  }

  showProgress(run) {
    const share = shareDone(run);
    this.bar.hidden = run.status === "queued" || isOver(run.status);
    if (share === null) this.bar.removeAttribute("value");
    else this.bar.value = share;
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
}
