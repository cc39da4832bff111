// What the server refuses, told where it was asked for.

import { Refusal } from "./api.js";
import { problemBox, setChildren } from "./dom.js";

/** Tell in `place` what was refused and why; any other error is thrown on. */
export function tellRefusal(place, heading, error) {
  if (!(error instanceof Refusal)) throw error;
  setChildren(place, problemBox(heading, error.problems));
}

/** Do what the user asked for. A refusal is told in `place`, which comes into sight. Resolves to whether it was done. */
export async function attempt(place, heading, act) {
  try {
    await act();
    return true;
  } catch (error) {
    tellRefusal(place, heading, error);
    place.scrollIntoView({ block: "nearest" });
    return false;
  }
}
