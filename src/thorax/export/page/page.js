// The page: a file comes in, the film is shown, the model judges it.

import { sha256, unpacked } from "./bytes.js";
import { Film } from "./film.js";
import { openModel } from "./model.js";
import { read, seen } from "./picture.js";
import { describe, failure, judged } from "./results.js";
import { warnings } from "./warnings.js";

const { about } = globalThis.thorax;
const find = (id) => document.getElementById(id);
const film = new Film(find("film"), overlay);
const model = open();
model.catch((error) => show(failure("The model does not run", error.message)));

// Raises an error where the model is not the one that thresholds and figures belong to.
async function open() {
  if (!crypto.subtle) {
    throw new Error("The browser cannot check the model: open this page from disk or by https, not by http.");
  }
  const bytes = await unpacked("model");
  if ((await sha256(bytes)) !== about.model) {
    throw new Error("The model is not the one that this page was made with, so no threshold and no "
      + "figure of it would hold. Export again and keep all files of the folder together.");
  }
  return openModel(bytes, await unpacked("onnxruntime"));
}

let latest; // of the files that were asked for, lest a slow one overwrites a later one

async function load(files) {
  const [file] = files;
  if (!file) return;
  latest = file;
  document.body.dataset.state = "busy";
  find("name").textContent = file.name
    + (files.length > 1 ? ` (the first of ${files.length}; one at a time)` : "");
  const [state, ...nodes] = await judge(file);
  if (file !== latest) return;
  show(...nodes);
  document.body.dataset.state = state;
}

// State of the page, and what to show.
async function judge(file) {
  let picture;
  try {
    picture = await read(new Uint8Array(await file.arrayBuffer()));
  } catch (error) {
    if (file === latest) display(null);
    return ["failed", failure("No result", `${file.name} ${error.message}.`)];
  }
  if (file !== latest) return [];
  display(picture, file.name);
  await new Promise((done) => setTimeout(done, 20)); // for the film to appear
  try {
    const image = seen(picture);
    const decided = await (await model)(image);
    return ["judged", ...judged(about, decided, warnings(about, picture, image, decided))];
  } catch (error) {
    return ["failed", failure("No result", error.message)];
  }
}

function display(picture, name) {
  film.show(picture);
  document.body.classList.toggle("filled", picture !== null);
  find("facing").hidden = !picture?.facing;
  find("invert").setAttribute("aria-pressed", false);
  find("film").setAttribute("aria-label",
    picture ? `Radiograph ${name}, ${describe(picture)}` : "No radiograph");
}

function show(...nodes) {
  find("results").replaceChildren(...nodes.flat());
}

function overlay({ picture, scale, window, windowed, inverted }) {
  const ratio = globalThis.devicePixelRatio || 1;
  find("what").textContent = describe(picture);
  find("window").textContent = `W ${Math.round(window.width)} L ${Math.round(window.center)}`
    + (windowed ? "" : picture.kind === "DICOM" ? ", as stored" : "") + (inverted ? ", inverted" : "");
  find("zoom").textContent = `${Math.round((100 * scale) / ratio)}%`;
}

function choose(tool) {
  film.tool = tool;
  for (const button of document.querySelectorAll("[data-tool]")) {
    button.setAttribute("aria-pressed", button.dataset.tool === tool);
  }
  find("film").dataset.tool = tool;
}

const ACTIONS = {
  open: () => find("file").click(),
  invert: () => {
    film.invert();
    find("invert").setAttribute("aria-pressed", film.inverted);
  },
  fit: () => film.fit(),
  actual: () => film.actual(),
  closer: () => film.zoom(1.25),
  farther: () => film.zoom(0.8),
  reset: () => {
    film.reset();
    find("invert").setAttribute("aria-pressed", false);
  },
  card: () => find("card").showModal(),
  keys: () => find("keys").showModal(),
  print: () => globalThis.print(),
};
const WITHOUT_FILM = ["open", "card", "keys", "print"];
const KEYS = { o: "open", i: "invert", f: "fit", 1: "actual", "+": "closer", "=": "closer",
  "-": "farther", r: "reset", c: "card", "?": "keys" };
const TOOLS = { w: "window", m: "pan", z: "zoom" };

function act(name) {
  if (WITHOUT_FILM.includes(name) || film.picture) ACTIONS[name]();
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (button?.dataset.tool) choose(button.dataset.tool);
  if (button?.dataset.act) act(button.dataset.act);
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (KEYS[key]) act(KEYS[key]);
  else if (TOOLS[key]) choose(TOOLS[key]);
  else if (key.startsWith("Arrow") && event.target === film.canvas && film.picture) film.arrow(key);
  else return;
  event.preventDefault();
});

find("file").addEventListener("change", async ({ target }) => {
  await load([...target.files]);
  target.value = ""; // so that the same file can be chosen again
});
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.toggle("over", kind === "dragenter" || kind === "dragover");
    if (kind === "drop") load([...event.dataTransfer.files]);
  });
}
find("notices").addEventListener("toggle", async ({ target }) => {
  target.querySelector("pre").textContent = new TextDecoder().decode(await unpacked("notices"));
}, { once: true });
choose("window");
document.body.dataset.state = "ready";
