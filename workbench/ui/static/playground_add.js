// Adding who is no run's adapter: from a folder, a zip or the hub, a merged model, another server; and taking it away again.

import { get, post, remove, Refusal } from "./api.js";
import { h, problemBox, setChildren, setText } from "./dom.js";
import { size } from "./format.js";
import { Seat } from "./playground_lineup.js";
import { dialog } from "./playground_shelf.js";
import { attempt, tellRefusal } from "./refusal.js";

const KINDS = [
  { kind: "folder", title: "An adapter in a folder of the server’s machine", label: "Folder", help: "The folder that holds adapter_config.json.", adapter: true },
  { kind: "zip", title: "An adapter in a zip file", label: "Zip file", help: "With adapter_config.json and adapter_model.safetensors in it.", adapter: true },
  { kind: "hub", title: "An adapter on the Hugging Face hub", label: "Hub id", help: "Such as org/name. The server downloads it.", adapter: true },
  { kind: "merged", title: "A merged model in a folder of the server’s machine", label: "Folder", help: "A whole model that an adapter was merged into. It stays where it is." },
  { kind: "endpoint", title: "Another server’s models", label: "Address", help: "Any server that speaks OpenAI’s protocol, such as http://127.0.0.1:8000/v1. What you ask is sent there. Its key is taken from the environment variable WORKBENCH_ENDPOINT_KEY of this server." },
];
/** Which field of the form a refusal of the server belongs to. */
const BESIDE = { adapter: "place", place: "place", endpoint: "place", file: "place", "body.place": "place", base_model: "base" };

/** Let the user add somebody, who takes a seat in `lineup`; resolves when the dialog is closed. */
export async function addSpeaker(lineup) {
  const added = await dialog("Add a model", (body, close, buttons) => new AddForm(lineup, body, close, buttons).start());
  if (added) seat(lineup, added);
}

/** Seat what was added; an adapter of another base model waits for that one to be chosen. */
function seat(lineup, { kind, id, base_model: base, source, models }) {
  if (kind === "endpoint" && models.length) lineup.add(new Seat({ endpoint: source, model: models[0] }));
  else if (kind === "merged") lineup.add(new Seat({ base }));
  else if (kind === "adapter" && base === lineup.baseModel) lineup.add(new Seat({ model: id }));
}

class AddForm {
  constructor(lineup, body, close, buttons) {
    Object.assign(this, { lineup, body, close });
    this.kinds = h("select", { id: "lw-add-kind", onchange: () => this.choose(KINDS[this.kinds.selectedIndex]) }, ...KINDS.map((each) => h("option", {}, each.title)));
    this.place = h("input", { type: "text", id: "lw-add-place", "aria-describedby": "lw-add-place-help" });
    this.file = h("input", { type: "file", id: "lw-add-file", accept: ".zip", "aria-describedby": "lw-add-place-help" });
    this.label = h("label", { for: "lw-add-place" });
    this.placeHelp = h("span", { class: "lw-help", id: "lw-add-place-help" });
    this.placeField = h("div", { class: "lw-ask-field" }, this.label, this.place, this.file, this.placeHelp);
    this.base = h("select", { id: "lw-add-base" }, ...lineup.bases().map(([reference, name]) => h("option", { value: reference, selected: reference === lineup.baseModel }, name)));
    this.baseHelp = h("span", { class: "lw-help" }, "The one it was trained on; its shapes and names have to fit.");
    this.baseField = h("div", { class: "lw-ask-field" }, h("label", { for: "lw-add-base" }, "Base model"), this.base, this.baseHelp);
    this.notice = h("div", {});
    this.button = h("button", { class: "lw-button lw-primary", onclick: () => this.submit() }, "Add");
    buttons.prepend(this.button);
    this.list = h("div", {});
  }

  start() {
    setChildren(this.body, this.notice,
      h("div", { class: "lw-ask-field" }, h("label", { for: "lw-add-kind" }, "What"), this.kinds),
      this.placeField, this.baseField, this.list);
    this.place.addEventListener("keydown", (event) => event.key === "Enter" && this.submit());
    this.choose(KINDS[0]);
    this.showAdded();
  }

  choose(kind) {
    this.kind = kind;
    const zip = kind.kind === "zip";
    this.place.hidden = zip;
    this.file.hidden = !zip;
    this.label.htmlFor = zip ? this.file.id : this.place.id;
    setText(this.label, kind.label);
    this.baseField.hidden = !kind.adapter;
    this.tell([]);
  }

  async submit() {
    this.button.disabled = true;
    setText(this.button, "Adding…");
    try {
      const added = await this.send();
      this.lineup.setChoices(await get("chat/choices"));
      this.close(added);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.tell(error.problems);
    } finally {
      this.button.disabled = false;
      setText(this.button, "Add");
    }
  }

  send() {
    const base = this.kind.adapter ? this.base.value : "";
    if (this.kind.kind !== "zip") return post("adapters", { kind: this.kind.kind, place: this.place.value.trim(), base_model: base });
    if (!this.file.files.length) throw new Refusal([{ message: "No file was chosen.", remedy: "Choose the zip.", field: "file" }]);
    const form = new FormData();
    form.append("file", this.file.files[0]);
    form.append("base_model", base);
    return post("adapters/zip", form);
  }

  /** Problems beside their fields; what belongs to none stands above. */
  tell(problems) {
    const at = (field) => problems.filter((problem) => BESIDE[problem.field] === field);
    for (const [field, element, help, usual] of [["place", this.placeField, this.placeHelp, this.kind.help], ["base", this.baseField, this.baseHelp, "The one it was trained on; its shapes and names have to fit."]]) {
      const found = at(field);
      element.classList.toggle("lw-wrong-field", found.length > 0);
      setText(help, found.length ? found.map(({ message, remedy }) => `${message} ${remedy}`).join(" ") : usual);
    }
    const others = problems.filter((problem) => !BESIDE[problem.field]);
    setChildren(this.notice, others.length ? problemBox("It was not added", others) : null);
  }

  async showAdded() {
    try {
      const all = await get("adapters");
      setChildren(this.list, all.length ? [h("h3", { class: "lw-added-title" }, "Added before"), h("ul", { class: "lw-shelf" }, ...all.map((added) => this.item(added)))] : null);
    } catch (error) {
      tellRefusal(this.list, "What was added cannot be listed", error);
    }
  }

  item(added) {
    const about = [added.method, added.rank && `rank ${added.rank}`, added.bytes && size(added.bytes), added.source].filter(Boolean).join(" · ");
    const drop = h("button", { class: "lw-quiet-action", "aria-label": `Remove ${added.name}`, onclick: () => this.drop(added) }, "Remove");
    return h("li", {}, h("strong", {}, added.name), h("span", { class: "lw-note" }, about), drop);
  }

  async drop(added) {
    await attempt(this.notice, "It was not removed", async () => {
      await remove(`adapters/${added.id}`);
      this.lineup.setChoices(await get("chat/choices"));
      await this.showAdded();
    });
  }
}
