// What can be done with a run: its buttons, and the dialogs behind them.

import { get, post, remove, request } from "./api.js";
import { ask } from "./dialog.js";
import { confirmed, h, setChildren } from "./dom.js";
import * as format from "./format.js";
import { attempt } from "./refusal.js";
import { isActive, isOver } from "./status.js";

export class RunActions {
  /** @param host `{ go(query), show(run), notice }`, the last the place where refusals are told */
  constructor(host) {
    this.host = host;
    this.element = h("div", { class: "lw-buttons" });
    this.told = "";
  }

  show(run) {
    this.run = run;
    const told = JSON.stringify([run.status, run.checkpoints.length > 0]);
    if (told === this.told) return;
    this.told = told;
    const menuOpen = this.element.querySelector("details")?.open ?? false;
    setChildren(this.element, this.lifeButtons(run), this.menu(run, menuOpen));
  }

  lifeButtons(run) {
    const { status } = run;
    const buttons = [];
    if (status === "queued" || isActive(status)) {
      buttons.push(h("button", { class: "lw-button", disabled: status === "stopping", onclick: () => this.act("stop") },
        status === "stopping" ? "Stopping" : status === "queued" ? "Take out of the queue" : "Stop and save"));
    }
    if (["stopped", "failed", "interrupted"].includes(status)) buttons.push(this.button("Resume", () => this.act("resume"), "lw-primary"));
    if (status === "finished" || status === "stopped") {
      buttons.push(h("a", { class: "lw-button lw-primary", href: `./playground?adapters=${encodeURIComponent(run.id)}` }, "Talk to it"));
    }
    if (saved(run)) buttons.push(this.button("Continue…", () => this.goOn()));
    buttons.push(h("a", { class: "lw-button", href: `./?from=${encodeURIComponent(run.id)}` }, "Use these settings"));
    return buttons;
  }

  menu(run, open) {
    const file = (title, name) => h("a", { href: `api/runs/${encodeURIComponent(run.id)}/${name}`, download: "" }, title);
    const items = [
      h("button", { onclick: () => this.label() }, "Name, note and tags…"),
      saved(run) ? file("Download the adapter", "adapter.zip") : null,
      file("Download the config", "config.yaml"),
      file("Download the metrics", "metrics.csv"),
      file("Download the log", "log.txt"),
    ];
    if (isActive(run.status)) items.push(h("button", { class: "lw-danger", onclick: () => this.cancel() }, "Cancel without saving…"));
    const menu = h("details", { class: "lw-menu", open }, h("summary", { class: "lw-button" }, "More"), h("div", { class: "lw-menu-box lw-menu-right" }, ...items.filter(Boolean)));
    return isOver(run.status) ? [menu, this.button("Delete", () => this.delete(), "lw-quiet-danger")] : menu;
  }

  button(text, act, kind = "") {
    return h("button", { class: `lw-button ${kind}`, onclick: act }, text);
  }

  attempt(heading, act) {
    return attempt(this.host.notice, heading, act);
  }

  act(action) {
    return this.attempt(`The run could not ${action}`, async () => this.host.show(await post(`runs/${this.run.id}/${action}`)));
  }

  async cancel() {
    const consequence = "Its worker ends this instant. What it has learnt since its last checkpoint is lost; the checkpoints stay.";
    if (await confirmed(`Cancel “${this.run.name}”?`, consequence, "Cancel it")) this.act("cancel");
  }

  delete() {
    return this.attempt("The run was not deleted", async () => {
      const { bytes } = await get(`runs/${this.run.id}/size`);
      const consequence = `Its adapter, its checkpoints and its log are deleted, which frees ${format.size(bytes)}. This cannot be undone.`;
      if (!(await confirmed(`Delete “${this.run.name}”?`, consequence, "Delete"))) return;
      await remove(`runs/${this.run.id}`);
      this.host.go("");
    });
  }

  async deleteCheckpoint({ name, bytes }) {
    const consequence = `It frees ${format.size(bytes)}. The run and its other checkpoints stay. This cannot be undone.`;
    if (!(await confirmed(`Delete ${name}?`, consequence, "Delete"))) return;
    await this.drop(`runs/${this.run.id}/checkpoints/${name}`);
  }

  async thin({ id, checkpoints }) {
    const consequence = `Of ${checkpoints.length} checkpoints the newest stays, and the one with the best eval loss. This cannot be undone.`;
    if (await confirmed("Keep only the newest and the best?", consequence, "Delete the others")) await this.drop(`runs/${id}/checkpoints`);
  }

  drop(path) {
    return this.attempt("The checkpoint was not deleted", async () => this.host.show(await (await request(path, { method: "DELETE" })).json()));
  }

  async label() {
    const { id, name, note, tags, pin, archived } = this.run;
    const changed = await ask("Name, note and tags", {
      verb: "Keep",
      fields: [
        { name: "name", label: "Name", value: name },
        { name: "tags", label: "Tags", value: tags.join(", "), help: "Words with commas between; found as tag:word." },
        { name: "note", label: "Note", value: note, kind: "lines" },
        { name: "pin", label: "Pinned: first in the list", value: pin, kind: "tick" },
        { name: "archived", label: "Archived: listed only when asked for", value: archived, kind: "tick" },
      ],
      submit: async (values) => {
        const words = values.tags.split(",").map((tag) => tag.trim()).filter(Boolean);
        return (await request(`runs/${id}`, { method: "PATCH", body: { ...values, tags: words } })).json();
      },
    });
    if (changed) this.host.show(changed);
  }

  /** A new run that starts from what this one, or one checkpoint of it, has learnt. */
  goOn(checkpoint = "") {
    return this.attempt("The run was not continued", async () => {
      const { training } = await get(`runs/${this.run.id}/config`);
      const next = await ask(checkpoint ? `Continue from ${checkpoint}` : "Continue in a new run", {
        intro: "The new run starts from the adapter as it is there, with a fresh schedule. This run stays as it is.",
        verb: "Start",
        fields: [
          { name: "name", label: "Name", value: `${this.run.name}, continued` },
          { name: "learning_rate", label: "Learning rate", value: training.learning_rate, kind: "number", path: "training.learning_rate" },
          { name: "epochs", label: "Epochs", value: training.epochs, kind: "number", path: "training.epochs" },
          { name: "max_steps", label: "Max steps", value: training.max_steps, kind: "number", path: "training.max_steps", help: "Empty: as many as the epochs have." },
        ],
        submit: ({ name, ...settings }) => {
          const changes = Object.fromEntries(Object.entries(settings).map(([field, value]) => [`training.${field}`, value]));
          return post(`runs/${this.run.id}/continue`, { changes: { ...changes, name }, checkpoint });
        },
      });
      if (next) this.host.go(`?run=${encodeURIComponent(next.id)}`);
    });
  }
}

const saved = (run) => run.checkpoints.length > 0 || run.status === "finished";
