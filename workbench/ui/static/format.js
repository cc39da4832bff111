// Numbers, times and sizes as people read them.

// Made once: making one costs as much as a hundred uses of it.
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const MOMENT = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

/** `1234567` as `1,234,567`. */
export const whole = (number) => (number === null || number === undefined ? "–" : WHOLE.format(number));

/** A loss with four digits. */
export const loss = (number) => (number === null || number === undefined ? "–" : number.toFixed(4));

/** Seconds as `42 s`, `3 min 05 s`, `2 h 10 min`. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const all = Math.max(0, Math.round(seconds));
  const two = (number) => String(number).padStart(2, "0");
  if (all < 60) return `${all} s`;
  if (all < 3600) return `${Math.floor(all / 60)} min ${two(all % 60)} s`;
  return `${Math.floor(all / 3600)} h ${two(Math.floor((all % 3600) / 60))} min`;
}

/** How long ago a unix time was. */
export const ago = (time) => (time ? `${duration(Date.now() / 1000 - time)} ago` : "never");

/** A unix time as date and time of day. */
export const moment = (time) => MOMENT.format(new Date(time * 1000));

/** Bytes with a decimal unit. */
export function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let scaled = bytes;
  let unit = 0;
  while (scaled >= 1000 && unit < units.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  return `${scaled >= 10 || unit === 0 ? Math.round(scaled) : scaled.toFixed(1)} ${units[unit]}`;
}
