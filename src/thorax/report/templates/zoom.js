// Enlarges a radiograph: closer and farther, its heat map on and off, the arrow keys to its neighbors.
"use strict";

(() => {
  const PICTURES = ".film img:not(.evidence), .wall img";
  const CLOSEST = 8;
  const make = (tag, text = "") => Object.assign(document.createElement(tag), { textContent: text });
  const dialog = make("dialog");
  const [view, frame, tools, words] = ["div", "div", "div", "p"].map((tag) => make(tag));
  const [large, heat] = [make("img"), make("img")];
  const [toggle, label] = [make("input"), make("label")];
  const [farther, closer, close] = ["−", "+", "Close"].map((text) => make("button", text));
  dialog.className = "zoom";
  view.className = "view";
  view.tabIndex = 0;
  tools.className = "tools";
  toggle.type = "checkbox";
  heat.alt = "";
  farther.setAttribute("aria-label", "Farther");
  closer.setAttribute("aria-label", "Closer");
  view.append(frame);
  label.append(toggle, " Heat map");
  tools.append(label, farther, closer, close);
  dialog.append(view, tools, words);
  document.body.append(dialog);

  let shown;
  let scale = 1;
  const evidenceOf = (figure) => figure.dataset.evidence ?? figure.querySelector(".evidence")?.src;

  const zoom = (factor) => {
    const middle = [view.scrollLeft + view.clientWidth / 2, view.scrollTop + view.clientHeight / 2];
    const before = scale;
    scale = Math.min(Math.max(scale * factor, 1), CLOSEST);
    frame.style.width = `${100 * scale}%`;
    view.scrollLeft = (middle[0] * scale) / before - view.clientWidth / 2;
    view.scrollTop = (middle[1] * scale) / before - view.clientHeight / 2;
  };
  const enlarge = (image) => {
    shown = image;
    const figure = image.closest("figure");
    const evidence = evidenceOf(figure);
    [large.src, large.alt, words.textContent] = [image.src, image.alt, image.alt];
    label.hidden = !evidence;
    if (evidence) heat.src = evidence;
    frame.replaceChildren(large, ...(evidence ? [heat] : []));
    toggle.checked = Boolean(evidence && (figure.dataset.evidence || figure.querySelector(":checked")));
    heat.hidden = !toggle.checked;
    if (!dialog.open) dialog.showModal();
    zoom(0);
  };

  toggle.addEventListener("change", () => { heat.hidden = !toggle.checked; });
  farther.addEventListener("click", () => zoom(0.5));
  closer.addEventListener("click", () => zoom(2));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => shown.focus());
  dialog.addEventListener("click", ({ target }) => { if (target === dialog) dialog.close(); });
  large.addEventListener("click", () => zoom(scale === CLOSEST ? 0 : 2));
  heat.addEventListener("click", () => large.click());
  dialog.addEventListener("keydown", (event) => {
    const { key } = event;
    if (key === "+" || key === "-") zoom(key === "+" ? 2 : 0.5);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (!step || scale > 1) return; // the arrows move what is seen of a closer image
    const all = [...shown.closest(".film, .wall").querySelectorAll(PICTURES)];
    const next = all[all.indexOf(shown) + step];
    if (next) enlarge(next);
  });

  for (const image of document.querySelectorAll(PICTURES)) {
    image.classList.add("zoomable");
    image.tabIndex = 0;
    image.setAttribute("role", "button");
  }
  document.addEventListener("click", ({ target }) => {
    if (target.matches(PICTURES)) enlarge(target);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches(PICTURES)) return;
    event.preventDefault(); // the same key would press the button that gets the focus
    enlarge(event.target);
  });
})();
