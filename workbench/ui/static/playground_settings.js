// System prompt and sampling as fields, made from what the server says of them: shared by all seats, or one seat's own.

import { h } from "./dom.js";

let fieldsMade = 0;
const USUAL = ["temperature", "max_tokens", "seed"];

/** The fields over `values` of `{ system, sampling }`; `onchange` gets both whenever one was changed. */
export function settingsForm(fields, values, onchange) {
  const system = h("textarea", { rows: "1", placeholder: "None" });
  system.value = values.system;
  const inputs = Object.entries(fields).map(([name, field]) => new SamplingField(name, field, values.sampling[name]));
  const tell = () => {
    if (inputs.every((input) => input.valid)) onchange({ system: system.value, sampling: Object.fromEntries(inputs.map((input) => [input.name, input.value])) });
  };
  system.addEventListener("input", tell);
  for (const input of inputs) input.input.addEventListener("input", tell);
  const usual = inputs.filter((input) => USUAL.includes(input.name)).sort((one, other) => USUAL.indexOf(one.name) - USUAL.indexOf(other.name));
  const rare = inputs.filter((input) => !USUAL.includes(input.name));
  const more = h("details", { class: "lw-more", open: rare.some((input) => input.changed) },
    h("summary", {}, "More sampling settings"), h("div", { class: "lw-sampling" }, ...rare.map((input) => input.element)));
  return h("div", { class: "lw-settings" },
    h("div", { class: "lw-sampling" }, h("label", { class: "lw-wide" }, "System prompt", system), ...usual.map((input) => input.element)), more);
}

class SamplingField {
  constructor(name, field, value) {
    Object.assign(this, { name, field });
    const numbers = bounds(field);
    this.list = !numbers;
    this.optional = field.default === null || Boolean(field.anyOf);
    this.input = numbers
      ? h("input", { type: "number", min: numbers.minimum, max: numbers.maximum, step: numbers.type === "integer" ? "1" : "any", placeholder: this.optional ? "any" : null })
      : h("input", { type: "text", placeholder: "None", autocomplete: "off" });
    this.input.value = this.list ? (value ?? []).join(", ") : value ?? "";
    this.help = this.list ? `${field.description} Separate them by commas.` : field.description;
    this.note = h("span", { class: "lw-help", id: `lw-sampling-${(fieldsMade += 1)}` }, this.help);
    this.input.setAttribute("aria-describedby", this.note.id);
    this.changed = JSON.stringify(value) !== JSON.stringify(field.default);
    this.element = h("div", { class: "lw-sampling-field" }, h("label", {}, field.title, this.input), this.note);
    this.input.addEventListener("input", () => this.judge());
  }

  judge() {
    this.element.classList.toggle("lw-wrong-field", !this.valid);
    this.note.textContent = this.valid ? this.help : this.input.validationMessage || "A number is needed here.";
  }

  get valid() {
    return this.input.checkValidity() && (this.list || this.optional || this.input.value !== "");
  }

  get value() {
    if (this.list) return this.input.value.split(",").map((word) => unescaped(word.trim())).filter(Boolean);
    return this.input.value === "" ? null : Number(this.input.value);
  }
}

/** Stop words may name a line break. */
const unescaped = (word) => word.replaceAll("\\n", "\n");

/** The schema's numbers; those of a field that may be empty stand in a branch. */
function bounds(field) {
  const found = (field.anyOf ?? [field]).find((branch) => branch.type === "number" || branch.type === "integer");
  if (!found) return null;
  const above = found.exclusiveMinimum === undefined ? undefined : found.exclusiveMinimum + 0.01;
  return { type: found.type, minimum: found.minimum ?? above, maximum: found.maximum };
}
