// A dialog that asks for a few values. What the server refuses is told beside the field it means, and nothing is lost.

import { Refusal } from "./api.js";
import { h, problemBox, setChildren } from "./dom.js";

/**
 * Ask for values and hand them to `submit`; resolves to what that returns, or to null when it was given up.
 *
 * `fields` are `{ name, label, value, kind?, help?, path? }`; kind is "text", "lines", "number" or "tick", and `path`
 * is the dotted setting whose problems belong there.
 */
export function ask(title, { intro = "", fields, verb, submit }) {
  return new Promise((resolve) => {
    const inputs = fields.map((field) => new Field(field));
    const notice = h("div", {});
    const button = h("button", { class: "lw-button lw-primary", type: "submit" }, verb);
    const close = (result) => {
      dialog.close();
      dialog.remove();
      resolve(result);
    };
    const form = h("form", { class: "lw-form", method: "dialog" },
      h("h2", {}, title), intro ? h("p", { class: "lw-note" }, intro) : null, notice, ...inputs.map((input) => input.element),
      h("div", { class: "lw-buttons" }, button, h("button", { class: "lw-button", type: "button", onclick: () => close(null) }, "Give up")));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      try {
        close(await submit(Object.fromEntries(inputs.map((input) => [input.name, input.value]))));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        tell(error.problems, inputs, notice);
      } finally {
        button.disabled = false;
      }
    });
    const dialog = h("dialog", { class: "lw-dialog lw-runs-dialog", "aria-label": title }, form);
    dialog.addEventListener("cancel", () => close(null));
    (document.querySelector(".lw-page") ?? document.body).append(dialog);
    dialog.showModal();
  });
}

function tell(problems, inputs, notice) {
  for (const input of inputs) input.tell(problems.filter((problem) => problem.field && problem.field === input.path));
  const known = new Set(inputs.map((input) => input.path));
  const others = problems.filter((problem) => !known.has(problem.field));
  setChildren(notice, others.length ? problemBox("This was refused", others) : null);
}

class Field {
  constructor({ name, label, value, kind = "text", help = "", path = name }) {
    this.name = name;
    this.kind = kind;
    this.path = path;
    const id = `lw-field-${name}`;
    this.input = inputOf(kind, value);
    this.input.id = id;
    this.help = help;
    this.note = h("span", { class: "lw-help", id: `${id}-help` }, help);
    this.input.setAttribute("aria-describedby", this.note.id);
    this.element = kind === "tick"
      ? h("label", { class: "lw-check" }, this.input, label)
      : h("div", { class: "lw-ask-field" }, h("label", { for: id }, label), this.input, this.note);
  }

  get value() {
    if (this.kind === "tick") return this.input.checked;
    if (this.kind === "number") return this.input.value.trim() === "" ? null : Number(this.input.value);
    return this.input.value;
  }

  tell(problems) {
    this.element.classList.toggle("lw-wrong-field", problems.length > 0);
    this.note.textContent = problems.length ? problems.map(({ message, remedy }) => `${message} ${remedy}`).join(" ") : this.help;
  }
}

function inputOf(kind, value) {
  if (kind === "tick") return h("input", { type: "checkbox", checked: Boolean(value) });
  if (kind === "lines") {
    const area = h("textarea", { rows: "4" });
    area.value = value ?? "";
    return area;
  }
  return h("input", { type: kind, step: kind === "number" ? "any" : null, value: value ?? "" });
}
