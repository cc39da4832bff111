// <lw-data>: the library of datasets, with ?arrival=ID a file on its way into it, with ?dataset=ID one of them.

import { ArrivalView } from "./data_arrival.js";
import { DatasetView } from "./data_dataset.js";
import { LibraryView } from "./data_library.js";
import { LinkedPage } from "./linked_page.js";

class DataPage extends LinkedPage {
  name = "Data";

  viewFor(query, go) {
    if (query.get("arrival")) return new ArrivalView(query.get("arrival"), go);
    if (query.get("dataset")) return new DatasetView(query, go);
    return new LibraryView(go);
  }
}

customElements.define("lw-data", DataPage);
