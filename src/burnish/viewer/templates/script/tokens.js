// Sampled tokens, coloured by one of the figures that the run has about them.
const FIGURES = [
  ["advantage", "Advantage", 3, "What each token was trained with: green is pushed up, red down."],
  ["difference", "Log-prob difference", 2, "Trainer minus sampler, at the weights that wrote it: 0 where they agree."],
  ["logprob", "Log-prob", 1, "Under the sampler: the redder, the less expected."],
];

function drawTokens(tokens) {
  const known = FIGURES.filter(([, , place]) => tokens.some((token) => token[place] !== null));
  if (!known.length) return null;
  const panel = make("section", { class: "tokens" });
  const text = make("pre", { class: "text", tabindex: "0" });
  const legend = make("p", { class: "note" });
  const picked = make("output", { class: "facts-line" });
  const buttons = known.map((figure) => make("button", { type: "button", "data-figure": figure[0] }, figure[1]));
  const spans = tokens.map((token, index) => make("span", { "data-token": String(index) }, token[0] || "◦"));
  const colour = (figure) => {
    const [, , place, words] = figure;
    const values = tokens.map((token) => token[place]);
    const largest = Math.max(...values.map((value) => Math.abs(value ?? 0)), 1e-9);
    spans.forEach((span, index) => (span.className = shade(values[index], largest)));
    legend.textContent = `${words} Full colour: ${largest < 0.01 ? largest.toExponential(1) : largest.toFixed(2)}.`;
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.figure === figure[0])));
  };
  buttons.forEach((button, index) => button.addEventListener("click", () => colour(known[index])));
  const tell = (event) => {
    const token = tokens[event.target.dataset?.token];
    if (token) picked.textContent = figures(token);
  };
  text.addEventListener("click", tell);
  text.addEventListener("pointerover", tell);
  text.append(...spans);
  colour(known[0]);
  panel.append(make("p", { class: "what" }, `Its ${tokens.length} sampled tokens`), make("p", { class: "choice" }, buttons), text, picked, legend);
  return panel;
}

function figures(token) {
  const known = FIGURES.filter(([, , place]) => token[place] !== null);
  const small = (value) => (value !== 0 && Math.abs(value) < 0.01 ? value.toExponential(1) : signed(value));
  return [JSON.stringify(token[0]), ...known.map(([, name, place]) => `${name.toLowerCase()} ${small(token[place])}`)].join(" · ");
}

function shade(value, largest) {
  const strength = Math.ceil((4 * Math.abs(value ?? 0)) / largest - 1e-6);
  return strength ? `${value > 0 ? "up" : "down"}-${strength}` : "";
}
