// The page: a file comes in, the film is shown, the model judges it.

import { fromBase64, sha256, unpack } from "./bytes.js";
import { Film } from "./film.js";
import { openModel } from "./model.js";
import { read, seen } from "./picture.js";
import { describe, failure, judged } from "./results.js";
import { warnings } from "./warnings.js";

const { about, parts } = globalThis.thorax;
const find = (id) => document.getElementById(id);
const film = new Film(find("film"), overlay);
const model = open();
model.catch((error) => show(failure("The model of this page does not run.", error.message)));

async function part(name) {
  const bytes = await unpack(fromBase64(parts[name]), "gzip");
  delete parts[name];
  return bytes;
}

// Raises an error where the model is not the one that thresholds and figures belong to.
async function open() {
  if (!crypto.subtle) {
    throw new Error("The browser cannot check it: open this page from disk or by https, not by http.");
  }
  const bytes = await part("model");
  if ((await sha256(bytes)) !== about.model) {
    throw new Error("Its file is not the one that this page was made with, so no threshold and no "
      + "figure here would hold. Export again and keep all files of the folder together.");
  }
  return openModel(bytes, await part("onnxruntime"));
}

async function load(files) {
  const [file] = files;
  if (!file) return;
  document.body.dataset.state = "busy";
  find("name").textContent = file.name;
  try {
    const picture = await read(new Uint8Array(await file.arrayBuffer()));
    film.show(picture);
    document.body.classList.add("filled");
    find("film").setAttribute("aria-label", `Radiograph ${file.name}, ${describe(picture)}`);
    find("facing").hidden = !picture.facing;
    const image = seen(picture);
    const decided = await (await model)(image);
    show(judged(about, decided, warnings(about, picture, image, decided)));
    document.body.dataset.state = "judged";
  } catch (error) {
    show(failure(`${file.name} was not judged.`, `It ${error.message}.`));
    document.body.dataset.state = "failed";
  }
  if (files.length > 1) find("name").textContent += ` (the first of ${files.length}; one at a time)`;
}

function show(...nodes) {
  find("results").replaceChildren(...nodes.flat());
}

function overlay({ picture, scale, window, windowed, inverted }) {
  const ratio = globalThis.devicePixelRatio || 1;
  find("what").textContent = describe(picture);
  find("window").textContent = `W ${Math.round(window.width)}  L ${Math.round(window.center)}`
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
  if (parts.notices) target.querySelector("pre").textContent = new TextDecoder().decode(await part("notices"));
}, { once: true });
choose("window");
document.body.dataset.state = "ready";
