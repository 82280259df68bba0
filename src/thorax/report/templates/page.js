// Improves a page that is complete without it: a class picker, and values under the pointer.
"use strict";

(() => {
  const bar = document.querySelector(".bar");
  const marked = [...document.querySelectorAll("[data-class]")];
  const names = [...new Set(marked.map((element) => element.dataset.class))];
  if (names.length > 1) {
    const label = document.createElement("label");
    const select = document.createElement("select");
    label.className = "picker";
    const word = document.createElement("span");
    word.textContent = "Class";
    label.append(word, select);
    select.append(new Option("all classes", ""), ...names.map((name, i) => new Option(name, i + 1)));
    select.addEventListener("change", () => {
      const name = names[select.value - 1];
      for (const element of marked) {
        element.hidden = name !== undefined && element.dataset.class !== name;
      }
    });
    bar.append(label);
  }

  const parts = { train: "training", val: "validation", test: "test", lr: "value" };

  // Value of every curve at the vertex that is nearest to the pointer, from the drawing itself.
  function valuesAt(svg, event) {
    const [x0, x1] = svg.dataset.xs.split(" ").map(Number);
    const [y0, y1] = svg.dataset.ys.split(" ").map(Number);
    const [width, height] = svg.dataset.plot.split(" ").map(Number);
    let where;
    const values = [];
    for (const path of svg.querySelectorAll(".mark-line path")) {
      const part = /--(\w+)\)/.exec(path.getAttribute("stroke"))?.[1];
      if (!(part in parts)) continue;
      const at = new DOMPoint(event.clientX, event.clientY);
      const pointer = at.matrixTransform(path.getScreenCTM().inverse());
      const numbers = path.getAttribute("d").match(/-?\d+(\.\d+)?/g).map(Number);
      let best = 0;
      for (let i = 0; i < numbers.length; i += 2) {
        const distance = Math.hypot(numbers[i] - pointer.x, (numbers[i + 1] - pointer.y) / 4);
        const least = Math.hypot(numbers[best] - pointer.x, (numbers[best + 1] - pointer.y) / 4);
        if (distance < least) best = i;
      }
      const x = x0 + (numbers[best] / width) * (x1 - x0);
      const y = y0 + (1 - numbers[best + 1] / height) * (y1 - y0);
      where ??= x;
      values.push(`${parts[part]} ${short(y)}${x === where ? "" : ` at ${short(x)}`}`);
    }
    return values.length ? `${svg.dataset.x} ${short(where)}: ${svg.dataset.y} ${values.join(", ")}` : "";
  }

  function short(number) {
    if (Math.abs(number - Math.round(number)) < 1e-6) return String(Math.round(number));
    return Math.abs(number) < 0.01 ? number.toPrecision(2) : number.toFixed(3);
  }

  for (const svg of document.querySelectorAll(".chart")) {
    const line = document.createElement("p");
    line.className = "readout";
    svg.after(line);
    svg.addEventListener("pointermove", (event) => {
      const mark = event.target.closest("[aria-label]");
      line.textContent = svg.dataset.xs
        ? valuesAt(svg, event)
        : mark && mark !== svg ? mark.getAttribute("aria-label") : "";
    });
    svg.addEventListener("pointerleave", () => { line.textContent = ""; });
  }
})();
