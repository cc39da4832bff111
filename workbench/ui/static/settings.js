// Settings in words: `training.learning_rate` as “Learning rate”, and values as they are read.

/** The last part of a dotted path as words. */
export function wordsOf(path) {
  const words = path.split(".").at(-1).replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
}

/** A value of a setting, short. */
export function valueText(value) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "number") return String(Number(value.toPrecision(6)));
  if (Array.isArray(value)) return value.join(", ") || "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
