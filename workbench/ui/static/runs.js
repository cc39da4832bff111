// <lw-runs>: the list of runs, or with ?run=ID in the address one of them.

import { get, Refusal } from "./api.js";
import { h, problemBox, setChildren } from "./dom.js";
import * as format from "./format.js";
import { Poll } from "./poll.js";
import { RunView } from "./run_view.js";
import { isActive, statusMark } from "./status.js";

const BUSY_MS = 2000;
const IDLE_MS = 6000;

class RunList {
  constructor() {
    this.runs = [];
    this.query = "";
    this.shown = "";
    this.search = h("input", { type: "search", placeholder: "Name, model, method", "aria-label": "Search runs" });
    this.search.addEventListener("input", () => {
      this.query = this.search.value;
      this.poll.now();
    });
    this.body = h("div", { "aria-live": "off" });
    this.element = h("section", {},
      h("div", { class: "lw-list-head" }, h("h1", {}, "Runs"), this.search, h("a", { class: "lw-button lw-primary", href: "./" }, "New run")),
      this.body);
    setChildren(this.body, h("p", { class: "lw-note" }, "Loading the runs…"));
    this.poll = new Poll(() => this.refresh(), () => (this.runs.some((run) => isActive(run.status)) ? BUSY_MS : IDLE_MS));
  }

  start() {
    return this.poll.start();
  }

  close() {
    this.poll.stop();
  }

  async refresh() {
    try {
      this.runs = await get(`runs?query=${encodeURIComponent(this.query)}`);
      const now = JSON.stringify(this.runs.map((run) => ({ ...run, updated: null })));
      if (now !== this.shown) setChildren(this.body, this.table());
      this.shown = now;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.shown = "";
      setChildren(this.body, problemBox("The runs cannot be shown", error.problems));
    }
  }

  table() {
    if (!this.runs.length) return this.query ? emptyState("No run matches.", "") : emptyState("No runs yet.", "Make the first one: choose a base model and a dataset, and start.");
    const heads = [["Run", ""], ["Status", ""], ["Step", "lw-figure"], ["Loss", "lw-figure"], ["Eval loss", "lw-figure"], ["Method", ""], ["Trainable", "lw-figure"], ["Tokens/s", "lw-figure"], ["Started", ""]];
    return h("div", { class: "lw-scroll" }, h("table", { class: "lw-table lw-runs-table" },
      h("thead", {}, h("tr", {}, ...heads.map(([name, kind]) => h("th", { scope: "col", class: kind }, name)))),
      h("tbody", {}, ...this.runs.map(row))));
  }
}

function row(run) {
  const figure = (text) => h("td", { class: "lw-figure" }, text);
  return h("tr", {},
    h("th", { scope: "row" }, h("a", { href: `./runs?run=${encodeURIComponent(run.id)}` }, run.name)),
    h("td", {}, statusMark(run.status)),
    figure(run.total_steps ? `${format.whole(run.step)} / ${format.whole(run.total_steps)}` : "–"),
    figure(format.loss(run.loss)),
    figure(format.loss(run.best_eval_loss)),
    h("td", {}, run.rank ? `${run.method}, rank ${run.rank}` : run.method),
    figure(format.whole(run.trainable)),
    figure(format.whole(run.tokens_per_second)),
    h("td", {}, format.moment(run.started ?? run.created)));
}

function emptyState(heading, text) {
  return h("div", { class: "lw-empty" }, h("p", {}, h("strong", {}, heading)), h("p", {}, text));
}

class RunsPage extends HTMLElement {
  connectedCallback() {
    this.back = () => this.open();
    window.addEventListener("popstate", this.back);
    this.addEventListener("click", (event) => this.follow(event));
    this.open();
  }

  disconnectedCallback() {
    window.removeEventListener("popstate", this.back);
    this.view?.close();
  }

  /** Links within this page change what it shows, not the page. */
  follow(event) {
    const link = event.target.closest("a");
    if (!link || event.metaKey || event.ctrlKey || event.button !== 0) return;
    const target = new URL(link.href);
    if (target.pathname !== window.location.pathname) return;
    event.preventDefault();
    this.go(target);
  }

  go(target) {
    window.history.pushState(null, "", target);
    this.open();
    window.scrollTo(0, 0);
  }

  open() {
    this.view?.close();
    const id = new URLSearchParams(window.location.search).get("run");
    document.title = "Runs · LoRA Workbench";
    this.view = id ? new RunView(id, () => this.go(new URL("runs", document.baseURI))) : new RunList();
    this.replaceChildren(this.view.element);
    this.view.start();
  }
}

customElements.define("lw-runs", RunsPage);
