// Prompt sets beside the prompt: take a prompt out of one, keep the conversation's prompts as one, change one.

import { get, post, remove, request, Refusal } from "./api.js";
import { ask } from "./dialog.js";
import { h, setChildren } from "./dom.js";
import { dialog } from "./playground_shelf.js";
import { attempt } from "./refusal.js";

const SHOWN = 90;

export class PromptPicker {
  /** @param {(prompt: string) => void} onpick  @param {() => string[]} prompts  those of the conversation */
  constructor(onpick, prompts) {
    Object.assign(this, { onpick, prompts, sets: [] });
    this.menu = h("select", { "aria-label": "Take a prompt", onchange: () => this.pick() });
    this.element = h("div", { class: "lw-picker" }, this.menu,
      h("button", { class: "lw-button", onclick: () => this.manage() }, "Prompt sets"));
    this.draw();
    this.load();
  }

  async load() {
    try {
      this.sets = await get("prompt-sets");
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.sets = [];
    }
    this.draw();
  }

  draw() {
    const groups = this.sets.map((set) => h("optgroup", { label: set.name }, ...set.prompts.map((prompt, place) =>
      h("option", { value: `${set.id} ${place}` }, prompt.length > SHOWN ? `${prompt.slice(0, SHOWN)}…` : prompt))));
    setChildren(this.menu, h("option", { value: "" }, "Take a prompt…"), ...groups);
  }

  pick() {
    const [id, place] = this.menu.value.split(" ");
    const set = this.sets.find((each) => each.id === id);
    this.menu.value = "";
    if (set) this.onpick(set.prompts[Number(place)]);
  }

  manage() {
    return dialog("Prompt sets", (body, close, buttons) => {
      const rows = this.sets.map((set) => this.item(set, close));
      const own = this.prompts();
      setChildren(body, h("ul", { class: "lw-shelf" }, ...rows));
      buttons.prepend(h("button", { class: "lw-button lw-primary", onclick: () => close(this.edit(null, own)) }, own.length ? "Keep this conversation’s prompts" : "New prompt set"));
    });
  }

  item(set, close) {
    const notice = h("div", {});
    const forget = () => attempt(notice, "It was not deleted", async () => {
      await remove(`prompt-sets/${set.id}`);
      row.remove();
      await this.load();
    });
    const tools = set.bundled ? [h("span", { class: "lw-note" }, "comes with the workbench")] : [
      h("button", { class: "lw-quiet-action", "aria-label": `Edit ${set.name}`, onclick: () => close(this.edit(set, set.prompts)) }, "Edit"),
      h("button", { class: "lw-quiet-action lw-shelf-drop", "aria-label": `Delete ${set.name}`, onclick: forget }, "Delete")];
    const row = h("li", {}, h("strong", {}, set.name), h("span", { class: "lw-note" }, [`${set.prompts.length} prompts`, set.note].filter(Boolean).join(". ")), ...tools, notice);
    return row;
  }

  /** A dialog for a new set, or for one that is there. */
  async edit(set, prompts) {
    const done = await ask(set ? `Edit “${set.name}”` : "New prompt set", {
      intro: "One prompt a line.",
      fields: [{ name: "name", label: "Name", value: set?.name ?? "" }, { name: "prompts", label: "Prompts", kind: "lines", value: prompts.map((prompt) => prompt.replaceAll("\n", "\\n")).join("\n") }],
      verb: set ? "Save" : "Keep",
      submit: (values) => keep(set, values.name, values.prompts.split("\n").map((line) => line.replaceAll("\\n", "\n"))),
    });
    if (done) await this.load();
  }
}

async function keep(set, name, prompts) {
  if (!set) return post("prompt-sets", { name, prompts });
  const renamed = name === set.name ? set : await (await request(`prompt-sets/${set.id}`, { method: "PATCH", body: { name } })).json();
  return (await request(`prompt-sets/${set.id}`, { method: "PUT", body: { revision: renamed.revision, prompts } })).json();
}
