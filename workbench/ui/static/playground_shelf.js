// Dialogs over what is kept: choosing a saved conversation, and the prompt sets.

import { get, remove } from "./api.js";
import { h, setChildren } from "./dom.js";
import * as format from "./format.js";
import { tellRefusal } from "./refusal.js";

/**
 * A dialog called `title` that `build(body, close, buttons)` fills; `close(result)` ends it, and `buttons` may get more.
 * Resolves to the result, or to null when it is left.
 */
export function dialog(title, build) {
  return new Promise((resolve) => {
    const close = (result) => {
      element.close();
      element.remove();
      resolve(result);
    };
    const body = h("div", { class: "lw-form" });
    const buttons = h("div", { class: "lw-buttons" }, h("button", { class: "lw-button", onclick: () => close(null) }, "Close"));
    const element = h("dialog", { class: "lw-dialog lw-playground-dialog", "aria-label": title },
      h("div", { class: "lw-form" }, h("h2", {}, title), body, buttons));
    element.addEventListener("cancel", () => close(null));
    (document.querySelector(".lw-page") ?? document.body).append(element);
    element.showModal();
    build(body, close, buttons);
  });
}

/** Let the user choose one of the saved conversations; resolves to its id or null. */
export function openConversation() {
  return dialog("Saved conversations", async (body, close) => {
    setChildren(body, h("p", { class: "lw-note", role: "status" }, "Looking…"));
    try {
      const all = await get("conversations");
      setChildren(body, all.length ? h("ul", { class: "lw-shelf" }, ...all.map((saved) => item(saved, close))) : h("p", { class: "lw-note" }, "Nothing is saved yet. Ask something, then press Save."));
    } catch (error) {
      tellRefusal(body, "They cannot be listed", error);
    }
  });
}

function item(saved, close) {
  const about = `${saved.prompts} ${saved.prompts === 1 ? "prompt" : "prompts"}, ${saved.seats.join(" · ")}, ${format.ago(saved.changed)}`;
  const row = h("li", {},
    h("button", { class: "lw-quiet-action", onclick: () => close(saved.id) }, saved.name), h("span", { class: "lw-note" }, about),
    h("button", { class: "lw-quiet-action lw-shelf-drop", "aria-label": `Delete ${saved.name}`, onclick: () => drop(saved, row) }, "Delete"));
  return row;
}

/** The second press deletes: a dialog over a dialog would be one too many. */
async function drop(saved, row) {
  const button = row.querySelector(".lw-shelf-drop");
  if (button.textContent === "Delete") {
    button.textContent = "Really delete";
    return;
  }
  await remove(`conversations/${saved.id}`);
  row.remove();
}
