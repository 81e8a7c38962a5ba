// One task: its problem, the forest of attempts, and the attempt that is chosen.
const TASK = {
  place: document.getElementById("task"),
  id: null,
  story: null,
  rows: null,

  async show(id, wanted) {
    if (id !== this.id) await this.open(id);
    if (id !== this.id || !this.story?.turns.length) return;
    const given = Number(wanted);
    const last = this.story.turns.length - 1;
    await this.choose(Number.isInteger(given) && wanted !== null ? Math.min(Math.max(given, 0), last) : this.best());
  },

  async open(id) {
    this.id = id;
    this.story = null;
    const entry = TASKS.entries[TASKS.byId.get(id)];
    if (!entry) {
      this.place.replaceChildren(make("p", { class: "notice" }, `This page has no task “${id}”.`), make("a", { href: "#view=tasks" }, "All tasks"));
      return;
    }
    const told = await story(entry.story);
    if (id !== this.id) return;
    this.story = told;
    this.draw(entry, told);
  },

  draw(entry, told) {
    const forest = make("div", { class: "rows forest", role: "listbox", "aria-label": "Attempts" });
    const tags = entry.tags.map((tag) => make("span", { class: `tag ${tag.replaceAll(" ", "-")}` }, tag));
    const link = (by, words) => {
      const target = TASKS.neighbour(entry.id, by);
      return target && make("a", { href: target }, words);
    };
    this.attempt = make("div", { class: "attempt" });
    this.place.replaceChildren(
      make("nav", { class: "steps" }, make("a", { href: "#view=tasks" }, "All tasks"), link(-1, "← previous"), link(1, "next →")),
      make("header", {}, make("h2", {}, entry.id), tags, make("span", { class: "facts-line" }, entry.facts)),
      make("div", {}, told.note && make("p", { class: "note" }, told.note)),
      make("div", { class: "problem" }, prose(told.problem)),
      make("div", { class: "pair" }, told.turns.length > 1 && forest, this.attempt),
      make("div", {}, drawLessons(told.lessons)),
    );
    if (!told.turns.length) this.attempt.append(make("p", { class: "note" }, "Nothing was tried on this task."));
    this.rows = new Rows(forest, (index) => this.line(index));
    this.rows.show(told.turns.length);
  },

  line(index) {
    const [title, depth, visible, hidden, handedIn, group] = this.story.turns[index];
    const row = make(
      "a",
      { href: address({ task: this.id, attempt: index }) },
      make("span", { class: `dot ${visible || "none"}`, title: `visible checks: ${visible || "not judged"}` }),
      make("span", { class: `dot ${hidden || "none"}`, title: `hidden checks: ${hidden || "not judged"}` }),
      make("span", { class: handedIn ? "label answer" : "label", title: handedIn && "handed in" }, group ? `${group} · ${title}` : title),
    );
    row.style.setProperty("--depth", Math.min(depth, 12));
    return row;
  },

  // What a reader wants to see first: the last answer that passes, else the last one handed in, else the first attempt.
  best() {
    const passes = (line) => line[4] && [line[2], line[3]].every((status) => !status || status === "pass");
    const turns = this.story.turns;
    return Math.max(0, [passes, (line) => line[4]].map((wanted) => turns.findLastIndex(wanted)).find((index) => index >= 0) ?? 0);
  },

  async choose(index) {
    this.index = index;
    this.rows.selected = index;
    this.rows.reveal(index);
    const id = this.id;
    const chosen = await turn(this.story.first + index);
    if (id === this.id && index === this.index) this.attempt.replaceChildren(drawTurn(chosen));
  },

  step(by) {
    const row = this.rows?.select(this.index + by);
    if (row) history.replaceState(null, "", row.getAttribute("href"));
    if (row) this.choose(this.index + by);
  },
};
