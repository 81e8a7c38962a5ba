// A list of any length: only the rows in sight exist. `draw(index)` makes a row, whose height is the style's --row.
class Rows {
  constructor(scroller, draw) {
    this.scroller = scroller;
    this.draw = draw;
    this.count = 0;
    this.selected = -1;
    this.drawn = new Map();
    this.space = make("div", { class: "space", role: "presentation" });
    scroller.replaceChildren(this.space);
    scroller.addEventListener("scroll", () => this.paint());
    new ResizeObserver(() => this.paint()).observe(scroller);
  }

  get height() {
    return parseFloat(getComputedStyle(this.scroller).getPropertyValue("--row"));
  }

  // Shows `count` rows anew.
  show(count) {
    this.count = count;
    this.selected = -1;
    this.clear();
    this.paint();
  }

  clear() {
    for (const row of this.drawn.values()) row.remove();
    this.drawn.clear();
    this.painted = this.height;
    this.space.style.height = `${this.count * this.painted}px`;
  }

  paint() {
    const height = this.height;
    if (height !== this.painted) this.clear(); // another width of the window, another style
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / height) - 4);
    const last = Math.min(this.count - 1, Math.ceil((this.scroller.scrollTop + this.scroller.clientHeight) / height) + 4);
    for (const [index, row] of this.drawn) {
      if ((index < first || index > last) && row !== document.activeElement) {
        row.remove();
        this.drawn.delete(index);
      }
    }
    for (let index = first; index <= last; index += 1) {
      if (!this.drawn.has(index)) this.add(index, height);
      this.drawn.get(index).setAttribute("aria-selected", String(index === this.selected));
    }
  }

  add(index, height) {
    const row = this.draw(index);
    row.classList.add("row");
    row.setAttribute("role", "option");
    row.style.top = `${index * height}px`;
    this.drawn.set(index, row);
    this.space.append(row);
  }

  reveal(index) {
    const top = index * this.height;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    if (top + this.height > scrollTop + clientHeight) this.scroller.scrollTop = top + this.height - clientHeight;
    this.paint();
  }

  // Moves the selection and the focus; returns the row, or nothing at the ends.
  select(index) {
    if (index < 0 || index >= this.count) return null;
    this.selected = index;
    this.reveal(index);
    const row = this.drawn.get(index);
    row.focus({ preventScroll: true });
    this.paint();
    return row;
  }
}
