// Batch: many prompts put to all who were chosen, and what their answers come to. A batch lives on the server; the
// address names the one that is looked at, so that a reload or another page finds it where it is.

import { get, remove } from "./api.js";
import { confirmed, h, setChildren } from "./dom.js";
import { moment, whole } from "./format.js";
import { BatchForm } from "./playground_batch_form.js";
import { BatchView } from "./playground_batch_view.js";
import { nameOf, statusOf } from "./playground_batch_words.js";
import { attempt, tellRefusal } from "./refusal.js";

/** The mode, as `playground_modes.js` says what one is. */
export const mode = (lineup) => new Batches(lineup);

class Batches {
  constructor(lineup) {
    this.lineup = lineup;
    this.form = new BatchForm(lineup, (id) => this.open(id));
    this.past = h("div", {}, h("p", { class: "lw-note", role: "status" }, "Looking for batches…"));
    this.notice = h("div", {});
    this.home = h("div", { class: "lw-batches" }, this.form.element, this.notice,
      h("section", { class: "lw-panel lw-batches" }, h("h2", {}, "Batches so far"), this.past));
    this.place = h("div", { class: "lw-batches" });
    this.element = h("div", { class: "lw-batches" }, this.home, this.place);
  }

  show() {
    this.open(new URLSearchParams(window.location.search).get("batch") ?? "");
  }

  hide() {
    this.view?.close();
    this.view = null;
    this.remember("");
  }

  close() {
    this.view?.close();
  }

  /** Look at batch `id`, or with none at the form and the list. */
  async open(id) {
    this.view?.close();
    this.view = id ? new BatchView(id, () => this.open("")) : null;
    this.remember(id);
    this.home.hidden = Boolean(id);
    setChildren(this.place, this.view?.element);
    if (this.view) await this.view.start();
    else await Promise.all([this.form.start(), this.list()]);
  }

  remember(id) {
    const query = new URLSearchParams(window.location.search);
    if (id) query.set("batch", id);
    else query.delete("batch");
    window.history.replaceState(null, "", `${window.location.pathname}?${query}`);
  }

  async list() {
    try {
      setChildren(this.past, this.table(await get("batches")));
    } catch (error) {
      tellRefusal(this.notice, "The batches cannot be shown", error);
    }
  }

  table(states) {
    if (!states.length) return h("p", { class: "lw-note" }, "None yet. One that is begun goes on when this page is closed, and stands here.");
    const heads = [["Batch", ""], ["Prompts", "lw-figure"], ["Panes", "lw-figure"], ["Status", ""], ["Begun", ""], ["", ""]];
    return h("div", { class: "lw-scroll", tabindex: "0", role: "region", "aria-label": "Batches so far" }, h("table", { class: "lw-table" },
      h("thead", {}, h("tr", {}, ...heads.map(([name, kind]) => h(name ? "th" : "td", { scope: name ? "col" : null, class: kind }, name)))),
      h("tbody", {}, ...states.map((state) => this.row(state)))));
  }

  row(state) {
    const { batch } = state;
    const name = nameOf(batch);
    const link = h("a", { href: `./playground?mode=batch&batch=${batch.id}`, onclick: (event) => {
      event.preventDefault();
      this.open(batch.id);
    } }, name);
    const drop = h("button", { class: "lw-button lw-plain-button lw-quiet-danger", disabled: state.status === "running", "aria-label": `Remove ${name}`, onclick: () => this.drop(batch) }, "Remove");
    return h("tr", {}, h("th", { scope: "row" }, link), h("td", { class: "lw-figure" }, whole(batch.prompts)),
      h("td", { class: "lw-figure" }, whole(batch.request.panes.length)), h("td", {}, statusOf(state)), h("td", {}, moment(batch.created)), h("td", { class: "lw-row-actions" }, drop));
  }

  async drop(batch) {
    if (!(await confirmed(`Remove “${nameOf(batch)}”?`, "Its prompts and answers are deleted from this machine. This cannot be undone.", "Remove"))) return;
    await attempt(this.notice, "The batch was not removed", async () => {
      await remove(`batches/${batch.id}`);
      setChildren(this.notice);
      await this.list();
    });
  }
}
