// Editing lightly: the steps so far, one more, and back. Each kind of step is a form made from its own fields.

import { get } from "./api.js";
import { h, select, setChildren } from "./dom.js";
import { whole } from "./format.js";

export class EditPanel {
  /** @param {object[]} kinds the JSON schema of each kind of step */
  constructor({ entry, versions }, kinds, apply, undo) {
    this.dataset = entry.dataset;
    this.kinds = kinds;
    this.apply = apply;
    this.form = h("form", { class: "lw-edit" });
    this.form.addEventListener("submit", (event) => this.submit(event));
    const named = kinds.map((kind) => [kind.properties.kind.const, kind.description.replace(/\.$/, "")]);
    this.element = h("section", { class: "lw-panel" }, h("h2", {}, "Edits"), this.steps(undo),
      select("One more", [["", "Choose an edit"], ...named], "", (kind) => this.choose(kind)), this.form);
  }

  steps(undo) {
    const { steps } = this.dataset;
    if (!steps.length) return h("p", { class: "lw-note" }, "None: this is the file as it was added. An edit makes a dataset of its own, and the file stays as it is.");
    return h("div", {}, h("ol", { class: "lw-steps" }, ...steps.map((step) => h("li", {}, step))),
      h("button", { class: "lw-button lw-plain-button", onclick: undo }, "Undo the last edit"));
  }

  choose(kind) {
    this.kind = this.kinds.find((each) => each.properties.kind.const === kind);
    this.fields = [];
    if (!this.kind) {
      setChildren(this.form);
      return;
    }
    const { properties, required = [] } = this.kind;
    this.fields = Object.entries(properties).filter(([name]) => name !== "kind").map(([name, schema]) => [name, fieldOf(schema, required.includes(name), this.dataset.id)]);
    this.button = h("button", { class: "lw-button lw-primary", type: "submit" }, "Apply");
    setChildren(this.form, h("div", { class: "lw-fields" }, ...this.fields.map(([, field]) => field.element)), this.button);
  }

  async submit(event) {
    event.preventDefault();
    const step = { kind: this.kind.properties.kind.const };
    for (const [name, field] of this.fields) {
      const value = field.read();
      if (value !== undefined) step[name] = value;
    }
    this.button.disabled = true;
    this.button.textContent = "Working…";
    await this.apply(step);
    this.button.disabled = false;
    this.button.textContent = "Apply";
  }
}

/** A field of a step: its element, and how its value is read; an emptied one takes its default. */
function fieldOf(schema, required, own) {
  const kind = schema.type ?? schema.anyOf?.[0].type;
  const bounds = schema.anyOf?.[0] ?? schema;
  const title = schema.title ?? "";
  const labelled = (input) => h("label", { class: "lw-labelled", title: schema.description }, h("span", {}, title), input);
  if (schema.enum) {
    const menu = h("select", {}, ...schema.enum.map((choice) => h("option", { value: choice, selected: choice === schema.default }, choice)));
    return { element: labelled(menu), read: () => menu.value };
  }
  if (kind === "boolean") {
    const box = h("input", { type: "checkbox", checked: Boolean(schema.default) });
    return { element: h("label", { class: "lw-check", title: schema.description }, box, title), read: () => box.checked };
  }
  if (kind === "array") {
    const input = h("input", { type: "text", required, placeholder: "3, 17, 41", pattern: "[0-9 ,]+" });
    return { element: labelled(input), read: () => input.value.split(/[ ,]+/).filter(Boolean).map(Number) };
  }
  if (kind === "integer" || kind === "number") {
    const input = h("input", { type: "number", required, min: bounds.minimum, max: bounds.maximum, step: kind === "integer" ? "1" : "any", value: schema.default ?? null, placeholder: schema.default === null ? "any" : null });
    return { element: labelled(input), read: () => (input.value === "" ? undefined : Number(input.value)) };
  }
  if (schema.datasets) return datasetField(labelled, own);
  const input = h("input", { type: "text", required });
  return { element: labelled(input), read: () => (input.value === "" && !required ? undefined : input.value) };
}

function datasetField(labelled, own) {
  const menu = h("select", { required: true }, h("option", { value: "" }, "Choose one"));
  get("library").then(({ entries }) => menu.append(...entries.filter(({ dataset }) => dataset.id !== own).map(({ dataset, title }) =>
    h("option", { value: dataset.id }, `${title || dataset.name}, version ${dataset.version}, ${whole(dataset.rows)} rows`))));
  return { element: labelled(menu), read: () => menu.value };
}
