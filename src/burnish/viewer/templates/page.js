// Opens, filters and searches a task list. A page without one needs no script.
"use strict";
const list = document.getElementById("tasks");
if (list) {
  const search = document.getElementById("search");
  const entries = [...list.querySelectorAll(".entry")];
  const byId = new Map(entries.map((entry) => [entry.dataset.id, entry]));
  const texts = entries.map((entry) => entry.firstElementChild.textContent.toLowerCase());
  const buttons = [...list.querySelectorAll("button[data-filter]")];
  const { per_chunk: perChunk, chunks } = JSON.parse(document.getElementById("stories").textContent);
  const unpacked = new Map();
  let filter = "";

  // A chunk is base64 of gzip of a JSON list of stories, rendered and escaped when the page was written.
  function stories(chunk) {
    if (!unpacked.has(chunk)) {
      const bytes = Uint8Array.from(atob(chunks[chunk]), (character) => character.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      unpacked.set(chunk, new Response(stream).json());
    }
    return unpacked.get(chunk);
  }

  async function fill(entry) {
    const body = entry.querySelector(".body");
    if (body.firstChild) return;
    const index = Number(entry.dataset.index);
    const html = (await stories(Math.floor(index / perChunk)))[index % perChunk];
    if (!body.firstChild) body.innerHTML = html;
  }

  function visible() {
    return entries.filter((entry) => !entry.hidden);
  }

  function apply() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    entries.forEach((entry, index) => {
      const tagged = !filter || entry.dataset.tags.split("|").includes(filter);
      entry.hidden = !tagged || !words.every((word) => texts[index].includes(word));
    });
    const count = visible().length;
    document.getElementById("shown").textContent = count < entries.length ? `${count} shown` : "";
    list.querySelector(".none").hidden = count > 0;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.filter === filter));
  }

  function focusOn(entry) {
    entry.firstElementChild.focus({ preventScroll: true });
    entry.firstElementChild.scrollIntoView({ block: "nearest" });
  }

  function step(by) {
    const shown = visible();
    const at = shown.indexOf(document.activeElement?.closest?.(".entry"));
    const next = shown[at < 0 ? (by > 0 ? 0 : shown.length - 1) : at + by];
    if (next) focusOn(next);
  }

  async function openFromAddress() {
    let id = location.hash.slice(1);
    try { id = decodeURIComponent(id); } catch { return; }
    const entry = byId.get(id);
    if (!entry) return;
    await fill(entry);
    entry.open = true;
    entry.firstElementChild.focus({ preventScroll: true });
    entry.scrollIntoView({ block: "start" });
  }

  list.addEventListener("toggle", (event) => {
    const entry = event.target;
    if (!entry.matches?.(".entry") || !entry.open) return;
    fill(entry);
    history.replaceState(null, "", "#" + encodeURIComponent(entry.dataset.id));
  }, true);
  list.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[data-filter]");
    if (!button) return;
    filter = button.dataset.filter;
    apply();
  });
  search.addEventListener("input", apply);
  window.addEventListener("hashchange", openFromAddress);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && document.activeElement === search) {
      search.value = "";
      search.blur();
      apply();
      return;
    }
    if (document.activeElement?.matches?.("input, textarea, select") && document.activeElement.type !== "checkbox") return;
    if (event.key === "/") { event.preventDefault(); search.focus(); search.select(); }
    if (event.key === "j") step(1);
    if (event.key === "k") step(-1);
  });
  openFromAddress();
}
