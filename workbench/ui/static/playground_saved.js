// The conversation's name and its file: save, open, rename, delete; and what survives a reload of an unsaved one.

import { get, post, remove, request } from "./api.js";
import { ask } from "./dialog.js";
import { confirmed, h, setChildren, setText } from "./dom.js";
import { copy } from "./pane_tools.js";
import { openConversation } from "./playground_shelf.js";
import { attempt, tellRefusal } from "./refusal.js";

const SETTLED_MS = 600;
const DRAFT = "lora-workbench-conversation";

export class SavedBar {
  /** @param chat  whose `snapshot()` is kept, and whose `restore(conversation)` shows one */
  constructor(chat) {
    Object.assign(this, { chat, saved: null });
    this.name = h("strong", { class: "lw-saved-name" });
    this.state = h("span", { class: "lw-note", role: "status" });
    this.notice = h("div", {});
    const button = (words, onclick) => h("button", { class: "lw-button", onclick }, words);
    this.ofSaved = [button("Rename", () => this.rename()), button("Copy link", (event) => this.copyLink(event.target)), h("button", { class: "lw-button lw-quiet-danger", onclick: () => this.drop() }, "Delete")];
    this.save = button("Save", () => this.keep());
    this.element = h("div", { class: "lw-saved" }, h("div", { class: "lw-saved-words" }, this.name, this.state),
      h("div", { class: "lw-buttons" }, this.save, button("Open", () => this.open()), ...this.ofSaved, button("New", () => chat.begin())));
    this.draw();
  }

  draw() {
    setText(this.name, this.saved ? this.saved.name : "Conversation");
    setText(this.state, this.saved ? "saved, with all that comes" : "not saved");
    this.save.hidden = Boolean(this.saved);
    for (const button of this.ofSaved) button.hidden = !this.saved;
  }

  /** Another conversation is on the screen: `saved`, or one without a name. */
  becomes(saved) {
    clearTimeout(this.timer);
    this.saved = saved && { id: saved.id, name: saved.name, revision: saved.revision };
    setChildren(this.notice);
    this.draw();
    this.address();
  }

  address() {
    const query = new URLSearchParams(window.location.search);
    if (this.saved) {
      query.set("c", this.saved.id);
      for (const name of ["base", "panes", "adapters"]) query.delete(name);
    } else query.delete("c");
    window.history.replaceState(null, "", `${window.location.pathname}?${query}`);
  }

  /** Something changed: it is written when nothing more has changed for a moment. */
  changed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.write(), SETTLED_MS);
  }

  async write() {
    if (!this.saved) {
      keepDraft(this.chat.snapshot());
      return;
    }
    try {
      const body = { revision: this.saved.revision, conversation: this.chat.snapshot() };
      const kept = await (await request(`conversations/${this.saved.id}`, { method: "PUT", body })).json();
      this.saved.revision = kept.revision;
      setChildren(this.notice);
    } catch (error) {
      tellRefusal(this.notice, "The conversation was not saved", error);
    }
  }

  async keep() {
    const suggested = this.chat.conversation.prompts[0]?.slice(0, 80) ?? "";
    const saved = await ask("Save this conversation", {
      intro: "Panes, settings, prompts and answers are kept; what comes later is kept as well.",
      fields: [{ name: "name", label: "Name", value: suggested }],
      verb: "Save",
      submit: ({ name }) => post("conversations", { name, conversation: this.chat.snapshot() }),
    });
    if (saved) this.becomes(saved);
  }

  async rename() {
    const renamed = await ask("Rename this conversation", {
      fields: [{ name: "name", label: "Name", value: this.saved.name }],
      verb: "Rename",
      submit: async ({ name }) => (await request(`conversations/${this.saved.id}`, { method: "PATCH", body: { name } })).json(),
    });
    if (!renamed) return;
    this.saved.name = renamed.name;
    this.draw();
  }

  async drop() {
    if (!(await confirmed(`Delete “${this.saved.name}”?`, "What was said stays on the page until you leave it.", "Delete"))) return;
    await attempt(this.notice, "The conversation was not deleted", async () => {
      await remove(`conversations/${this.saved.id}`);
      this.becomes(null);
    });
  }

  async open() {
    const id = await openConversation();
    if (id) await this.show(id);
  }

  /** Bring the saved conversation `id` onto the page. */
  async show(id) {
    await attempt(this.notice, "This conversation cannot be opened", async () => {
      const saved = await get(`conversations/${id}`);
      this.chat.restore(saved);
      this.becomes(saved);
    });
  }

  async copyLink(button) {
    await copy(window.location.href);
    setText(button, "Link copied");
    setTimeout(() => setText(button, "Copy link"), 1500);
  }
}

/** A tab's own memory of what was not saved, for a reload; a full one is no reason to stop. */
function keepDraft(conversation) {
  try {
    sessionStorage.setItem(DRAFT, JSON.stringify(conversation));
  } catch (error) {
    if (error.name !== "QuotaExceededError") throw error;
  }
}

/** What this tab showed before it was loaded anew; null when there was nothing. */
export function draft() {
  try {
    return JSON.parse(sessionStorage.getItem(DRAFT));
  } catch {
    return null;
  }
}
