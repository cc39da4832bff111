// The colour of a run: always the same while a page is open, and mostly the same everywhere, as it follows from the id.

import { isDark } from "./plot.js";

const LIGHT = ["#117a71", "#b4540a", "#3f74b8", "#8a5aa8", "#b3415c", "#5f7d1f", "#7a5a3c", "#1f86a8", "#5c6672", "#a2369b"];
const DARK = ["#42b3a6", "#f0a35b", "#7fb0ee", "#c49be0", "#f08ca3", "#a9c75f", "#c9a47c", "#63c3e2", "#a9b4c0", "#e58ade"];
const DASHES = ["solid", "dash", "dot", "dashdot"];

const places = new Map();

/** Give each of `ids` a place; those that had one keep it, older runs choose before newer ones. */
export function assign(ids) {
  const taken = new Set(ids.filter((id) => places.has(id)).map((id) => places.get(id)));
  for (const id of [...ids].sort()) {
    if (places.has(id)) continue;
    let place = hash(id) % LIGHT.length;
    while (taken.has(place)) place = next(place, taken);
    taken.add(place);
    places.set(id, place);
  }
}

/** The next free place: the other colours first, then the same ones dashed. */
function next(place, taken) {
  const row = Math.floor(place / LIGHT.length) * LIGHT.length;
  for (let step = 1; step < LIGHT.length; step += 1) {
    const other = row + ((place - row + step) % LIGHT.length);
    if (!taken.has(other)) return other;
  }
  return place + LIGHT.length;
}

function hash(text) {
  let value = 2166136261;
  for (const letter of text) value = Math.imul(value ^ letter.codePointAt(0), 16777619) >>> 0;
  return value;
}

export const colourOf = (id) => (isDark() ? DARK : LIGHT)[(places.get(id) ?? 0) % LIGHT.length];

export const dashOf = (id) => DASHES[Math.floor((places.get(id) ?? 0) / LIGHT.length) % DASHES.length];
