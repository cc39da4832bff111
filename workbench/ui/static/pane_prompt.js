// One prompt in a pane, and changing it.

import { h } from "./dom.js";
import { copyButton, editor } from "./pane_tools.js";

export class PromptView {
  /** @param {(text: string) => void} onedit */
  constructor(prompt, onedit) {
    this.text = h("p", { class: "lw-turn lw-turn-user" }, prompt);
    const edit = h("button", { class: "lw-quiet-action", "aria-label": "Edit this prompt", onclick: () => this.edit(prompt, onedit) }, "Edit");
    this.tools = h("div", { class: "lw-tools" }, edit, copyButton(() => prompt, "Copy this prompt"));
    this.element = h("div", { class: "lw-asked" }, this.text, this.tools);
  }

  edit(prompt, onedit) {
    const box = editor("Prompt", prompt, "Ask this instead", (text) => {
      this.element.replaceChildren(this.text, this.tools);
      if (text !== null && text !== prompt) onedit(text);
    });
    this.element.replaceChildren(box);
    box.querySelector("textarea").focus();
  }
}
