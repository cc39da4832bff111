// The modes of the playground. Each is a module that exports `mode(lineup)`, which returns
// `{ element, show(), hide(), close() }`: what stands on the page, told when it is chosen, when another one is, and
// when the page is left. Who answers and how is the lineup's; a mode that has `panes: true` shows the seats itself.

export const MODES = [
  { id: "chat", title: "Chat", panes: true, load: () => import("./playground_chat.js") },
  { id: "blind", title: "Blind", panes: false, load: () => import("./playground_votes.js") },
  { id: "batch", title: "Batch", panes: false, load: () => import("./playground_batch.js") },
];
