// Small tools of a pane: a text that can be changed in its place, and copying.

import { h } from "./dom.js";

const COPIED_MS = 1500;

/** A field over `text`; Enter or the button hands the new one to `done`, Escape or Cancel hands it null. */
export function editor(label, text, verb, done) {
  const area = h("textarea", { rows: String(Math.min(8, text.split("\n").length + 1)), "aria-label": label });
  area.value = text;
  const finish = () => area.value.trim() && done(area.value.trim());
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      done(null);
    }
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      finish();
    }
  });
  return h("div", { class: "lw-editor" }, area, h("div", { class: "lw-buttons" },
    h("button", { class: "lw-button lw-primary", onclick: finish }, verb),
    h("button", { class: "lw-button", onclick: () => done(null) }, "Cancel")));
}

/** A quiet button that copies what `text()` gives. */
export function copyButton(text, label) {
  const button = h("button", { class: "lw-quiet-action", "aria-label": label }, "Copy");
  button.addEventListener("click", async () => {
    await copy(text());
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, COPIED_MS);
  });
  return button;
}

/** Put `text` on the clipboard, also where the page has no secure address. */
export async function copy(text) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = h("textarea", { class: "lw-unseen" });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
