// The words for where a run stands, each with its colour; colour never stands alone.

const ACTIVE = new Set(["starting", "running", "stopping"]);
const OVER = new Set(["finished", "stopped", "failed", "interrupted"]);
export const STATUSES = ["queued", ...ACTIVE, ...OVER];

export const isActive = (status) => ACTIVE.has(status);
export const isOver = (status) => OVER.has(status);

/** The status as an element. */
export function statusMark(status) {
  const mark = document.createElement("span");
  mark.className = `lw-status lw-status-${status}`;
  mark.textContent = status;
  return mark;
}
