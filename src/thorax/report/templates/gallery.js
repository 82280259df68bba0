// The gallery: figures are made for the images that a filter leaves, a page at a time.
"use strict";

(() => {
  const gallery = document.querySelector(".gallery");
  if (!gallery) return;
  const PAGE = 36; // figures at once, so that no browser decodes a thousand pictures
  const data = JSON.parse(document.getElementById("gallery-data").textContent);
  const [filters, wall, status, more] = [".filters", ".wall", "[role=status]", "button"]
    .map((what) => gallery.querySelector(what));
  const names = [...filters.elements.class.options].map((option) => option.text);
  const words = { TP: "true positive", FP: "false positive", FN: "false negative", TN: "true negative" };
  let found = [];

  const kindOf = ({ y, called }, i) =>
    y[i] === null ? "?" : (y[i] === called[i] ? "T" : "F") + (called[i] ? "P" : "N");

  const figureOf = (i) => {
    const of = data.classes[filters.elements.class.value];
    const name = names[filters.elements.class.value];
    const kind = kindOf(of, i);
    const [figure, image, caption] = ["figure", "img", "figcaption"].map((tag) => document.createElement(tag));
    const others = names.map((other, c) => [other, data.classes[c].p[i]])
      .filter(([other]) => other !== name).sort(([, a], [, b]) => b - a).slice(0, 3);
    const scores = [[name, of.p[i]], ...others].map(([which, p]) => `${which} ${p.toFixed(3)}`);
    image.src = data.pictures[i];
    image.alt = `Radiograph ${data.ids[i]}. Truth: ${data.truth[i]}. `
      + `${name}: ${words[kind] ?? "unknown"}. Probabilities: ${scores.join(", ")}`;
    image.decoding = "async";
    image.className = "zoomable";
    image.tabIndex = 0;
    image.setAttribute("role", "button");
    if (of.maps[i]) figure.dataset.evidence = of.maps[i];
    caption.className = kind[0] === "T" ? "right" : kind[0] === "F" ? "wrong" : "";
    caption.textContent = `${{ T: "✓", F: "✗" }[kind[0]] ?? "◌"} ${of.p[i].toFixed(3)}`;
    figure.append(image, caption);
    return figure;
  };

  const extend = () => {
    const begun = wall.children.length;
    wall.append(...found.slice(begun, begun + PAGE).map(figureOf));
    more.hidden = wall.children.length === found.length;
    status.textContent = `${wall.children.length} of ${found.length} images shown`
      + (found.length < data.ids.length ? ` (${data.ids.length} without a filter)` : "");
  };

  const filter = () => {
    const of = data.classes[filters.elements.class.value];
    const wanted = filters.elements.kind.value;
    const groups = [...filters.querySelectorAll("[name=group]")].map((select) => select.value);
    found = [...data.ids.keys()].filter((i) => {
      const kind = kindOf(of, i);
      return (!wanted || kind === wanted || (wanted === "wrong" && kind[0] === "F"))
        && groups.every((value, g) => !value || data.groups[g][i] === value);
    });
    found.sort((a, b) => filters.elements.sort.value * (of.p[a] - of.p[b]) || a - b);
    wall.replaceChildren();
    extend();
  };

  filters.addEventListener("change", filter);
  more.addEventListener("click", () => {
    const first = wall.children.length;
    extend();
    wall.children[first].querySelector("img").focus();
  });
  gallery.hidden = false;
  filter();
})();
