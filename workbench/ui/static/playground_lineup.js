// Who sits in the panes and how they are asked: the one state that every mode of the playground shares.

export const MOST_SEATS = 6;
export const MOST_STRENGTH = 2;

/** One who answers: the base, an adapter at some strength, or a model of another server. */
export class Seat {
  /**
   * `model` is a model id without a strength; `endpoint` the address of another server, empty for the own engine;
   * `base` the reference of a whole model that is not the chosen base, such as a merged one; `reference` the model of
   * the same server that this one is measured against, empty for the first other one. `system` and `sampling` are this
   * seat's own, or null for those of all; `label` is how it was last called.
   */
  constructor({ model = "base", strength = 1, endpoint = "", base = "", reference = "", label = "", system = null, sampling = null } = {}) {
    Object.assign(this, { model, strength, endpoint, base, reference, label, system, sampling });
  }

  /** A seat from how it stands in an address: `base`, `RUN@0.5`, `=folder:/merged`, `http://127.0.0.1:8000/v1|MODEL|REFERENCE`. */
  static parse(text) {
    if (text.startsWith("=")) return new Seat({ base: text.slice(1) });
    const [endpoint, named, reference] = text.split("|");
    if (named) return new Seat({ endpoint, model: named, reference });
    const [model, strength] = text.split("@");
    return new Seat({ model, strength: strength === undefined ? 1 : Number(strength) });
  }

  /** The model id that is asked. */
  get id() {
    return this.adapter && this.strength !== 1 ? `${this.model}@${this.strength}` : this.model;
  }

  /** Whether it is an adapter over the chosen base model. */
  get adapter() {
    return !this.endpoint && !this.base && this.model !== "base";
  }

  /** Who answers, as it stands in an address. */
  get speaker() {
    if (this.base) return `=${this.base}`;
    return this.endpoint ? `${this.endpoint}|${this.model}` : this.id;
  }

  toString() {
    return this.reference ? `${this.speaker}|${this.reference}` : this.speaker;
  }
}

/**
 * Tells of `seats` (one came or went), `seat` (one changed), `base`, `choices`, `settings`, of `replaced` for all at once,
 * and of `opened`: somebody is about to choose who answers.
 */
export class Lineup extends EventTarget {
  /** @param {object[]} cards base models  @param {object[]} choices who can answer  @param {object} fields of sampling */
  constructor(cards, choices, fields) {
    super();
    Object.assign(this, { cards, choices, fields, seats: [], baseModel: "", system: "" });
    this.sampling = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.default]));
  }

  tell(kind, seat = null) {
    this.dispatchEvent(Object.assign(new Event(kind), { seat }));
  }

  /** The adapters over the chosen base model. */
  get adapters() {
    return this.choices.filter((choice) => choice.id !== "base" && !choice.endpoint && choice.base_model === this.baseModel);
  }

  /** Whole models and models of other servers, which sit beside any base model. */
  get others() {
    return this.choices.filter((choice) => choice.endpoint || choice.kind === "merged");
  }

  /** The choice that `seat` was made from; undefined when it is not there any more. */
  choiceOf(seat) {
    if (seat.endpoint) return this.others.find((choice) => choice.endpoint === seat.endpoint && choice.id === seat.model);
    if (seat.base) return this.others.find((choice) => choice.kind === "merged" && choice.base_model === seat.base);
    return seat.model === "base" ? { id: "base", label: "Base model" } : this.adapters.find((choice) => choice.id === seat.model);
  }

  /** The models of the same server beside the one that sits there, and the one it was measured against if that is gone. */
  beside(seat) {
    const found = this.others.filter((choice) => seat.endpoint && choice.endpoint === seat.endpoint && choice.id !== seat.model);
    return [...new Set([...found.map((choice) => choice.id), seat.reference])].filter(Boolean);
  }

  /** The id of what `seat` is measured against: the base, or another model of its server; empty for a base. */
  referenceOf(seat) {
    return seat.adapter ? "base" : seat.reference || this.beside(seat)[0] || "";
  }

  /** Whether whoever sits there is still to be had; another server is asked when it is its turn. */
  knows(seat) {
    return Boolean(seat.endpoint || this.choiceOf(seat));
  }

  /** How `seat` is called, with its strength where that is not the usual one. */
  nameOf(seat) {
    const name = this.plainNameOf(seat);
    return seat.adapter && seat.strength !== 1 ? `${name} at ${seat.strength}` : name;
  }

  plainNameOf(seat) {
    return this.choiceOf(seat)?.label ?? (seat.label || (seat.endpoint ? `${seat.model} (${seat.endpoint})` : seat.model));
  }

  systemOf(seat) {
    return (seat.system ?? this.system).trim();
  }

  samplingOf(seat) {
    return seat.sampling ?? this.sampling;
  }

  /** What POST /api/chat is asked so that `seat` goes on with `turns` of `{ role, content }`. */
  requestFor(seat, turns) {
    const system = this.systemOf(seat);
    return {
      model: seat.id,
      base_model: seat.base || this.baseModel,
      ...(seat.endpoint ? { endpoint: seat.endpoint } : {}),
      messages: [...(system ? [{ role: "system", content: system }] : []), ...turns],
      sampling: this.samplingOf(seat),
    };
  }

  /** The base models that can be chosen, as `[reference, name]`. */
  bases() {
    const used = this.choices.filter((choice) => !choice.endpoint && choice.kind !== "merged").map((choice) => choice.base_model);
    const ready = this.cards.filter((card) => card.ready || used.includes(card.reference));
    const cards = ready.length ? ready : this.cards.slice(0, 1);
    const named = cards.map((card) => [card.reference, card.name]);
    const others = [...new Set([...used, this.baseModel])].filter((base) => base && !named.some(([reference]) => reference === base));
    return [...named, ...others.map((base) => [base, base])];
  }

  /** The base model that fits `seats`, or the one of the newest adapter. */
  baseFor(seats) {
    const found = this.choices.find((choice) => choice.id !== "base" && choice.base_model && (!seats || seats.some((seat) => seat.model === choice.id)));
    return found?.base_model ?? this.bases()[0][0];
  }

  /** Base and the newest adapter of the base model. */
  usual() {
    return ["base", this.adapters[0]?.id].filter(Boolean).map((model) => new Seat({ model }));
  }

  setBase(baseModel) {
    this.baseModel = baseModel;
    this.seats = this.usual();
    this.tell("base");
  }

  setChoices(choices) {
    if (JSON.stringify(choices) === JSON.stringify(this.choices)) return;
    this.choices = choices;
    this.tell("choices");
  }

  add(seat = this.next()) {
    if (this.seats.length >= MOST_SEATS) return;
    this.seats.push(seat);
    this.tell("seats", seat);
  }

  /** One who does not sit here yet, else the base. */
  next() {
    const free = ["base", ...this.adapters.map((choice) => choice.id)].find((id) => !this.seats.some((seat) => !seat.endpoint && !seat.base && seat.model === id));
    return new Seat({ model: free ?? "base" });
  }

  /** Let `seat` go; the last one stays. */
  remove(seat) {
    if (this.seats.length === 1) return;
    this.seats = this.seats.filter((other) => other !== seat);
    this.tell("seats", seat);
  }

  /** Change who sits at `seat`, or how it is asked. */
  change(seat, changes) {
    Object.assign(seat, changes);
    this.tell("seat", seat);
  }

  /** Everything anew, as a conversation that was opened has it. */
  replace(changes) {
    Object.assign(this, changes);
    this.tell("replaced");
  }

  set(changes) {
    Object.assign(this, changes);
    this.tell("settings");
  }
}
