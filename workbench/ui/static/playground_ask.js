// One answer of one seat, as it comes.

import { Refusal, stream } from "./api.js";

/**
 * Let `seat` answer `turns` of `{ role, content }`; `ondelta` hears each piece. Resolves to the last one, the account.
 * Throws a `Refusal` when it was refused or broke off, and an `AbortError` after `signal`.
 */
export async function ask(lineup, seat, turns, signal, ondelta) {
  let last = null;
  await stream("chat", lineup.requestFor(seat, turns), signal, (name, data) => {
    if (name === "problem") throw new Refusal(data);
    ondelta(data);
    last = data;
  });
  return last;
}
