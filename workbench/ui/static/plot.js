// What every plot shares: plotly, fetched from this server when the first one is drawn, and the look of the theme.

const NEARLY_IN_VIEW = "200px";

let plotly = null;

/** Plotly, loaded once. */
export function loadPlotly() {
  plotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "ui/plotly.min.js";
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error("plotly could not be loaded"));
    document.head.append(script);
  });
  return plotly;
}

export const CONFIG = {
  responsive: true,
  displaylogo: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
};

/** The value of a style variable where the pages have theirs. */
export const styled = (name) =>
  getComputedStyle(document.querySelector(".gradio-container") ?? document.body).getPropertyValue(name).trim();

export const isDark = () => document.body.classList.contains("dark") || document.documentElement.classList.contains("dark");

/** Text for plotly, which takes a few tags for markup. */
export const escaped = (text) => String(text).replace(/[<>&]/g, (mark) => ({ "<": "&lt;", ">": "&gt;", "&": "&amp;" })[mark]);

/** A layout in the theme's colours; `x` and `y` are added to its axes. */
export function themed({ x = {}, y = {}, ...more } = {}) {
  const text = styled("--body-text-color-subdued");
  const hair = styled("--border-color-primary");
  const axis = { gridcolor: hair, linecolor: hair, zeroline: false, tickfont: { color: text }, automargin: true };
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: styled("--font") || "sans-serif", size: 13, color: text },
    margin: { l: 56, r: 12, t: 28, b: 44 },
    hoverlabel: { bgcolor: styled("--background-fill-primary"), bordercolor: hair, font: { color: styled("--body-text-color") } },
    modebar: { color: text, activecolor: styled("--lw-curve"), bgcolor: "rgba(0,0,0,0)" },
    xaxis: { ...axis, ...x },
    yaxis: { ...axis, ...y },
    ...more,
  };
}

/** One plot for its whole life: drawn again when its data or the colour scheme changes, in one node. */
export class Plot {
  /**
   * @param {HTMLElement} element  @param {() => {traces: object[], layout: object} | null} describe
   * @param patient  whether it is drawn only when it has come into view
   */
  constructor(element, describe, { patient = false } = {}) {
    this.element = element;
    this.describe = describe;
    this.hovered = null;
    this.seen = !patient;
    if (patient) this.waitToBeSeen();
    this.scheme = new MutationObserver(() => this.draw());
    for (const root of [document.body, document.documentElement]) {
      this.scheme.observe(root, { attributes: true, attributeFilter: ["class"] });
    }
  }

  waitToBeSeen() {
    this.sight = new IntersectionObserver((entries) => {
      if (!entries.at(-1).isIntersecting) return;
      this.seen = true;
      this.sight.disconnect();
      this.draw();
    }, { rootMargin: NEARLY_IN_VIEW });
    this.sight.observe(this.element);
  }

  async draw() {
    if (!this.seen) return;
    const Plotly = await loadPlotly();
    if (this.closed || !this.element.isConnected) return;
    const wanted = this.describe();
    if (!wanted) return;
    const pointedAt = this.hovered;
    await Plotly.react(this.element, wanted.traces, wanted.layout, CONFIG);
    this.listen();
    if (pointedAt !== null) this.pointAgain(Plotly, pointedAt);
  }

  listen() {
    if (this.listening) return;
    this.listening = true;
    this.element.on("plotly_hover", (event) => {
      this.hovered = event.xvals?.[0] ?? null;
    });
    this.element.addEventListener("mouseleave", () => {
      this.hovered = null;
    });
  }

  /** What stood under the pointer goes on to be told after the plot was drawn anew. */
  pointAgain(Plotly, xval) {
    if (!this.closed && this.element.matches(":hover")) Plotly.Fx.hover(this.element, { xval }, "xy");
  }

  close() {
    this.closed = true;
    this.scheme.disconnect();
    this.sight?.disconnect();
    if (window.Plotly) window.Plotly.purge(this.element);
  }
}
