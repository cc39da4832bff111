// <lw-runs>: the table of runs; with ?run=ID in the address one of them, with ?compare=ID,ID several beside each other.

import { ComparisonView } from "./comparison.js";
import { LinkedPage } from "./linked_page.js";
import { RunTable } from "./run_table.js";
import { RunView } from "./run_view.js";

class RunsPage extends LinkedPage {
  name = "Runs";

  viewFor(query, go) {
    if (query.get("run")) return new RunView(query.get("run"), go);
    const compared = (query.get("compare") ?? "").split(",").filter(Boolean);
    return compared.length ? new ComparisonView(compared, go) : new RunTable();
  }
}

customElements.define("lw-runs", RunsPage);
