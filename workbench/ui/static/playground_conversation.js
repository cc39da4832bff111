// What was asked and what each seat answered. Prompts are the same for all; an answer belongs to one seat and one prompt.

/**
 * An answer: `{ text, tokens, seconds, first_token_seconds, tokens_per_second, finish_reason, facts, edited }`, as the
 * server keeps it, and `problems` where there is none. A seat's answers have no gaps: the third is there only when the
 * second is.
 */
export class Conversation {
  constructor(prompts = []) {
    this.prompts = prompts;
    this.answers = new Map();
  }

  answersOf(seat) {
    if (!this.answers.has(seat)) this.answers.set(seat, []);
    return this.answers.get(seat);
  }

  /** How many prompts `seat` has not answered. */
  open(seat) {
    return this.prompts.length - this.answersOf(seat).length;
  }

  /** The conversation as `seat` sees it, up to and with prompt number `place`; a pair without an answer is left out. */
  turns(seat, place) {
    const answers = this.answersOf(seat);
    const before = this.prompts.slice(0, place).flatMap((prompt, number) =>
      answers[number]?.text ? [{ role: "user", content: prompt }, { role: "assistant", content: answers[number].text }] : []);
    return [...before, { role: "user", content: this.prompts[place] }];
  }

  /** Take away the answers of `seat` from number `place` on. */
  cut(seat, place) {
    this.answersOf(seat).length = Math.min(place, this.answersOf(seat).length);
  }

  forget(seat) {
    this.answers.delete(seat);
  }

  /** The answers of `seat` as they are saved: without what went wrong. */
  kept(seat) {
    return this.answersOf(seat).map(({ problems, tokens_scored, ...answer }) => answer);
  }
}

/** An answer from the last delta of a stream and the text that came with all of them. */
export function answerOf(text, delta, changes = {}) {
  const { tokens = 0, seconds = 0, first_token_seconds = null, tokens_per_second = null, finish_reason = null, facts = null } = delta ?? {};
  return { text, tokens, seconds, first_token_seconds, tokens_per_second, finish_reason, facts, edited: false, ...changes };
}
