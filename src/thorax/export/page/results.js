// What stands beside the film: probabilities, thresholds, and what these meant on the test set.

const FIGURES = ["sensitivity", "specificity"];
const VIEWS = { PA: "PA view", AP: "AP view", LATERAL: "lateral view" };

// An element; children are elements or texts.
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const describe = ({ kind, width, height, view }) =>
  [kind, `${width} × ${height} px`, VIEWS[view]].filter(Boolean).join(", ");

export const failure = (title, text) =>
  make("section", { class: "warning stop", role: "alert" }, make("h2", {}, title), make("p", {}, text));

// about: of the page; decided: by the model; warned: as `warnings` returns them.
export function judged(about, decided, warned) {
  const { exported } = about;
  const doubtful = warned.some(({ grave }) => grave) ? " doubtful" : "";
  return [
    ...warned.map(({ grave, title, text }) =>
      make("section", { class: grave ? "warning stop" : "warning" }, make("h2", {}, title), make("p", {}, text))),
    make("h2", {}, "Probabilities", make("small", {}, ", and each threshold on the test set")),
    make("ol", { class: `classes${doubtful}` }, ...exported.outputs.map((name, i) => row(exported, name, i, decided))),
    ...cautions(exported),
    make("p", { class: "small" }, meaning(exported)),
  ];
}

function row(exported, name, i, { probability, predicted, spread }) {
  const threshold = exported.thresholds[name];
  const p = probability[i];
  const positive = predicted[i] === 1;
  const bar = make("div", { class: "bar", "aria-hidden": "true" }, make("i", { class: "fill" }));
  bar.firstChild.style.width = `${100 * p}%`;
  if (threshold !== undefined) {
    const tick = make("i", { class: "tick" });
    tick.style.left = `${100 * threshold}%`;
    bar.append(tick);
  }
  const decimals = threshold === undefined ? 2 : enough(p, threshold);
  const limit = threshold === undefined
    ? positive ? "most likely class" : ""
    : `${positive ? "positive: at or above" : "negative: below"} the threshold of ${threshold.toFixed(decimals)}`;
  const models = exported.models > 1 ? `, ± ${spread[i].toFixed(2)} between ${exported.models} models` : "";
  return make("li", { class: positive ? "positive" : "negative", "data-class": name, "data-probability": p },
    make("div", { class: "head" }, make("span", { class: "name" }, name),
      make("span", { class: "number" }, short(p, decimals))),
    bar,
    make("p", { class: "decision" }, limit + (limit ? models : models.slice(2))),
    ...performance(exported.performance[name]));
}

// Never 0 or 1, which nothing is certain enough for.
function short(p, decimals) {
  const least = 10 ** -decimals;
  if (p < least / 2) return `< ${least.toFixed(decimals)}`;
  return p > 1 - least / 2 ? `> ${(1 - least).toFixed(decimals)}` : p.toFixed(decimals);
}

// Decimals that tell a probability from its threshold.
function enough(p, threshold) {
  let decimals = 2;
  while (decimals < 6 && p.toFixed(decimals) === threshold.toFixed(decimals)) decimals += 1;
  return decimals;
}

function performance(at) {
  if (!at) return [make("p", { class: "figures" }, "Not measured on a test set")];
  return [make("dl", { class: "figures" }, ...FIGURES.map((key) =>
    make("div", {}, make("dt", {}, key), make("dd", {}, ...estimate(at[key])))))];
}

function estimate({ value, low, high, reason, caution }) {
  if (value === null) return [`undefined: ${reason}`];
  const interval = low === null ? "no interval" : `${low.toFixed(2)}–${high.toFixed(2)}`;
  return [make("b", {}, value.toFixed(2)), ` (${interval})${caution ? "*" : ""}`];
}

// Why intervals marked by a star may miss the truth, by class.
function cautions({ outputs, performance: measured }) {
  const lines = outputs.flatMap((name) => {
    const why = FIGURES.map((key) => measured[name]?.[key].caution).filter(Boolean);
    return why.length ? [`${name}: ${why.join("; ")}.`] : [];
  });
  if (!lines.length) return [];
  return [make("p", { class: "small" }, `* Interval uncertain. ${lines.join(" ")}`)];
}

function meaning({ thresholds, test_set: testSet, title }) {
  const where = `the test set (${title}: ${testSet})`;
  const rule = Object.keys(thresholds).length
    ? "The mark on a bar is its threshold. Sensitivity is the proportion of images with the finding "
      + "that were at or above it, specificity of images without the finding that were below"
    : "Sensitivity is the proportion of images of the class for which it was the most likely one, "
      + "specificity of the others for which it was not";
  return `${rule}, with 95% intervals, on ${where}. Where a finding is more or less `
    + "common than in the data set, its probabilities are off.";
}
