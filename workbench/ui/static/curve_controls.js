// The line above a curve that says what it shows and how.

import { AXES, MEASURES } from "./curve.js";
import { h, select } from "./dom.js";

/** Controls for `curve`; `changed` is told of its settings after every change. */
export function curveControls(curve, changed = () => {}) {
  const set = (settings) => {
    curve.set(settings);
    changed(curve.settings);
  };
  const { measure, axis, smoothing, log } = curve.settings;
  const slider = h("input", { type: "range", min: "0", max: "0.98", step: "0.02", value: String(smoothing) });
  slider.addEventListener("input", () => set({ smoothing: Number(slider.value) }));
  const tick = h("input", { type: "checkbox", checked: log, onchange: (event) => set({ log: event.target.checked }) });
  return h("div", { class: "lw-controls" },
    select("Show", MEASURES, measure, (value) => set({ measure: value })),
    select("By", AXES, axis, (value) => set({ axis: value })),
    h("label", { class: "lw-field" }, h("span", {}, "Smoothing"), slider),
    h("label", { class: "lw-check" }, tick, "Log axis"));
}
