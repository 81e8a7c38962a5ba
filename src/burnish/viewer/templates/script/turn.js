// One attempt: what it was told, what it wrote with findings at their lines, what the judge said, what each part earned.
const SIGNS = { "+": " +", "-": " −", "": "  " };

function drawTurn(turn) {
  return make(
    "section",
    { class: "turn" },
    make("header", {}, make("h3", {}, turn.title), verdicts(turn), make("span", { class: "facts-line" }, (turn.facts ?? []).join(" · "))),
    turn.feedback && [what("The model was told"), make("blockquote", { class: "told" }, turn.feedback)],
    turn.explanation && [what("It explained"), make("blockquote", {}, prose(turn.explanation))],
    what(!turn.lines.length ? "No program was found in the reply." : turn.repairs ? "It repaired" : "It wrote"),
    turn.general.map(drawMark),
    turn.lines.length > 0 && drawListing(turn),
    turn.checks && make("ul", { class: "checks" }, turn.checks.map(drawCheck)),
    turn.spans && drawSpans(turn.spans),
    turn.tokens && drawTokens(turn.tokens),
    turn.prompt && folded("Prompt as sent", turn.prompt),
    turn.text && folded("Whole reply", turn.text),
  );
}

function verdicts(turn) {
  const parts = ["visible", "hidden"].filter((part) => turn[part]);
  return parts.map((part) => make("span", { class: `verdict ${turn[part]}` }, `${part}: ${turn[part]}`));
}

function what(text) {
  return make("p", { class: "what" }, text);
}

function folded(title, text, kind = "") {
  return make("details", { class: "raw" }, make("summary", {}, title), make("pre", { class: `text ${kind}` }, text));
}

function drawMark([severity, text]) {
  return make("span", { class: `mark ${severity}` }, text);
}

function drawListing(turn) {
  const toggle = make("input", { type: "checkbox", checked: true });
  const code = make("pre", { tabindex: "0" });
  for (const [number, sign, pieces, marks] of turn.lines) {
    const kind = ["l", sign === "+" && "add", sign === "-" && "del", marks.length && "hit"].filter(Boolean).join(" ");
    const parts = pieces.map(([text, colour, changed]) =>
      colour || changed ? make("i", { class: changed ? `${colour} changed` : colour }, text) : text,
    );
    code.append(make("span", { class: kind, "data-n": number ?? "", "data-s": turn.is_diff ? SIGNS[sign] : "" }, parts, "\n"));
    code.append(...marks.map(drawMark));
  }
  return make("div", { class: "listing" }, turn.is_diff && make("label", { class: "toggle" }, toggle, " show what changed"), code);
}

function drawCheck(check) {
  return make(
    "li",
    { class: check.outcome },
    make("span", { class: "outcome" }, check.outcome),
    check.hidden && make("span", { class: "tag" }, "hidden"),
    " ",
    make("code", {}, check.asked || check.name),
    check.actual && make("span", { class: "got" }, "returned ", make("code", {}, check.actual)),
    check.message && make("span", { class: "got" }, check.message),
  );
}

function drawSpans(spans) {
  const columns = [["reward", "Reward"], ["advantage", "Mean advantage"], ["logprob", "Mean log-prob"]];
  const shown = columns.filter(([name]) => spans.some((span) => (span[name] ?? null) !== null));
  if (!shown.length) return null;
  const cell = (span, name) => ((span[name] ?? null) === null ? "—" : signed(span[name]));
  const head = make("tr", {}, make("th", {}, "Part"), make("th", { class: "number" }, "Tokens"), shown.map(([, title]) => make("th", { class: "number" }, title)));
  const rows = spans.map((span) =>
    make(
      "tr",
      {},
      make("th", {}, span.kind, " ", make("span", { class: "quote" }, span.text)),
      make("td", { class: "number" }, String(span.tokens || "—")),
      shown.map(([name]) => make("td", { class: "number" }, cell(span, name))),
    ),
  );
  return [what("What each part earned"), make("div", { class: "scroll" }, make("table", { class: "spans" }, make("thead", {}, head), make("tbody", {}, rows)))];
}

function drawLessons(lessons) {
  if (!lessons.length) return null;
  const each = lessons.map((lesson) =>
    make(
      "details",
      {},
      make("summary", {}, lesson.kind),
      what("Prompt"),
      make("pre", { class: "text" }, lesson.prompt),
      what("Learned: the loss is on this turn only"),
      make("pre", { class: "text learned" }, lesson.target),
    ),
  );
  return make("div", { class: "lessons" }, make("h3", {}, "What was trained from this"), each);
}

// Stories that stand in the overview: all their turns, one below the other.
async function fillStory(place) {
  const told = await story(Number(place.dataset.story));
  const turns = await Promise.all(told.turns.map((_, index) => turn(told.first + index)));
  place.replaceChildren(...[
    told.note && make("p", { class: "note" }, told.note),
    make("div", { class: "problem" }, prose(told.problem)),
    ...turns.map((one, index) => {
      const drawn = drawTurn(one);
      const depth = told.turns[index][1];
      if (depth) drawn.style.setProperty("--depth", Math.min(depth, 6));
      return drawn;
    }),
    drawLessons(told.lessons),
  ].filter(Boolean));
}
