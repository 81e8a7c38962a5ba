// Which view is shown follows the address: #, #view=tasks&filter=…&search=…, #task=…&attempt=…
const VIEWS = document.querySelectorAll(".view");

function reveal(view) {
  for (const section of VIEWS) section.hidden = section.id !== view;
  for (const link of document.querySelectorAll("nav.views a")) {
    if (link.dataset.view === (view === "task" ? "tasks" : view)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

async function route() {
  const values = new URLSearchParams(location.hash.slice(1));
  if (values.has("task")) {
    const other = values.get("task") !== TASK.id;
    reveal("task");
    await TASK.show(values.get("task"), values.get("attempt"));
    if (other) window.scrollTo(0, 0);
  } else if (values.get("view") === "tasks") {
    reveal("tasks");
    const known = TASKS.buttons.some((button) => button.dataset.filter === values.get("filter"));
    const asked = values.has("filter") || values.has("search");
    if (asked) TASKS.apply(known ? values.get("filter") : "", values.get("search") ?? "");
    else TASKS.ask(TASKS.filter, TASKS.query);
    const place = TASKS.shown.indexOf(TASKS.byId.get(TASK.id));
    if (place >= 0) TASKS.rows.select(place);
  } else {
    reveal("overview");
  }
}

const KEYS = {
  o: () => (location.hash = ""),
  t: () => (location.hash = "view=tasks"),
  "/": () => {
    history.pushState(null, "", TASKS.address());
    reveal("tasks");
    TASKS.search.focus();
    TASKS.search.select();
  },
  j: () => move(1),
  k: () => move(-1),
  n: () => go(TASKS.neighbour(TASK.id, 1)),
  p: () => go(TASKS.neighbour(TASK.id, -1)),
  Escape: () => (location.hash = TASK.place.hidden ? "" : "view=tasks"),
};

function go(target) {
  if (target && !TASK.place.hidden) location.hash = target;
}

function move(by) {
  if (!TASK.place.hidden) TASK.step(by);
  else if (!document.getElementById("tasks").hidden) TASKS.rows.select(Math.max(0, TASKS.rows.selected + by));
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = document.activeElement === TASKS.search;
  if (typing && event.key === "Escape") {
    TASKS.ask(TASKS.filter, "");
    TASKS.search.blur();
  } else if (typing && event.key === "Enter") {
    TASKS.rows.select(0);
    event.preventDefault();
  } else if (!typing && Object.hasOwn(KEYS, event.key)) {
    KEYS[event.key]();
    event.preventDefault();
  }
}

document.querySelectorAll("[data-story]").forEach(fillStory);
if (TASKS) {
  TASKS.load().then(() => {
    window.addEventListener("hashchange", route);
    document.addEventListener("keydown", pressed);
    route();
    ready();
  });
} else {
  ready();
}

// Says that the page answers keys and addresses from now on.
function ready() {
  document.documentElement.dataset.ready = "";
}
