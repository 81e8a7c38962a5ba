// The list of tasks: filter, search, and rows that are links to their task.
const TASKS = document.getElementById("tasks") && {
  entries: [],
  byId: new Map(),
  shown: [],
  filter: "",
  query: "",
  search: document.getElementById("search"),
  buttons: [...document.querySelectorAll("button[data-filter]")],
  rows: null,

  async load() {
    this.entries = (await chunk("index")).map(([id, summary, tags, facts, number]) => ({ id, summary, tags, facts, story: number }));
    this.entries.forEach((entry, index) => {
      entry.text = `${entry.id} ${entry.summary} ${entry.facts}`.toLowerCase();
      this.byId.set(entry.id, index);
    });
    this.rows = new Rows(document.getElementById("list"), (index) => this.draw(this.entries[this.shown[index]]));
    this.search.addEventListener("input", () => this.ask(this.filter, this.search.value));
    for (const button of this.buttons) button.addEventListener("click", () => this.ask(button.dataset.filter, this.query));
    this.apply("", "");
  },

  draw(entry) {
    const tags = entry.tags.map((tag) => make("span", { class: `tag ${tag.replaceAll(" ", "-")}` }, tag));
    return make(
      "a",
      { href: address({ task: entry.id }) },
      make("span", { class: "id" }, entry.id),
      make("span", { class: "tags" }, tags),
      make("span", { class: "summary" }, prose(entry.summary)),
      make("span", { class: "facts-line" }, entry.facts),
    );
  },

  // Filters and writes the address of what is shown, so that it can be kept and sent.
  ask(filter, query) {
    this.apply(filter, query);
    history.replaceState(null, "", this.address());
  },

  address() {
    return address({ view: "tasks", ...(this.filter && { filter: this.filter }), ...(this.query && { search: this.query }) });
  },

  apply(filter, query) {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (entry) => (!filter || entry.tags.includes(filter)) && words.every((word) => entry.text.includes(word));
    this.filter = filter;
    this.query = query;
    if (this.search.value !== query) this.search.value = query;
    this.shown = this.entries.flatMap((entry, index) => (fits(entry) ? [index] : []));
    this.rows.scroller.scrollTop = 0;
    this.rows.show(this.shown.length);
    const all = this.shown.length === this.entries.length;
    document.getElementById("shown").textContent = all ? "" : `${this.shown.length} shown`;
    document.querySelector("#tasks .none").hidden = this.shown.length > 0;
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(button.dataset.filter === filter));
  },

  // The address of the task `by` places after the one called `id`, in the list as it is filtered.
  neighbour(id, by) {
    const place = this.shown.indexOf(this.byId.get(id));
    const next = this.entries[this.shown[place + by]];
    return place >= 0 && next ? address({ task: next.id }) : null;
  },
};
