// Everything that was measured in one run so far, by columns, as the server tells it piece by piece.

const MOST_STEPS = 12_000;

export class History {
  constructor() {
    this.clear();
  }

  clear() {
    this.cursor = 0;
    this.steps = {};
    this.evaluations = {};
    this.answers = [];
    this.ranks = [];
  }

  /** Take in what is new; returns whether anything was. */
  add(delta) {
    if (delta.reset) this.clear();
    const answers = delta.answers ?? [];
    const ranks = delta.ranks ?? [];
    const changed = delta.reset || delta.steps.step.length > 0 || delta.evaluations.step.length > 0 || answers.length > 0 || ranks.length > 0;
    extend(this.steps, delta.steps);
    extend(this.evaluations, delta.evaluations);
    this.answers.push(...answers);
    this.ranks.push(...ranks);
    this.cursor = delta.cursor;
    return changed;
  }

  get length() {
    return this.steps.step?.length ?? 0;
  }

  /** A page that stays open for days asks for the whole anew, which the server hands out reduced. */
  get tooLong() {
    return this.length > MOST_STEPS;
  }
}

function extend(columns, more) {
  for (const [name, values] of Object.entries(more)) {
    columns[name] ??= [];
    for (const value of values) columns[name].push(value);
  }
}
