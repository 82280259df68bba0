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
    select.autocomplete = "off"; // a reload shows all classes again
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

  // Marks the section that is being read in the navigation.
  const links = [...bar.querySelectorAll("a")];
  const list = bar.querySelector("ul");
  let current;
  const mark = () => {
    const read = links.findLast(({ hash }) =>
      document.getElementById(hash.slice(1)).getBoundingClientRect().top < innerHeight / 3);
    if (read === current) return;
    current?.removeAttribute("aria-current");
    current = read;
    current?.setAttribute("aria-current", "true");
    if (current) list.scrollLeft = current.offsetLeft - list.offsetLeft - 32;
  };
  addEventListener("scroll", mark, { passive: true });
  addEventListener("resize", mark);
  mark();

  // Tables as CSV, charts as SVG in the colors that are shown.
  const offer = (beside, kind, name, text) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "save";
    button.textContent = kind;
    button.setAttribute("aria-label", `Save ${name} as ${kind}`);
    button.addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text()]));
      link.download = `${name.replace(/[^\p{L}\p{N}]+/gu, "_").slice(0, 60)}.${kind.toLowerCase()}`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    beside.append(button);
  };
  const quoted = (cell) => `"${cell.textContent.trim().replace(/\s+/g, " ").replaceAll('"', '""')}"`;
  for (const table of document.querySelectorAll(".scroll > table")) {
    offer(table.parentElement, "CSV", table.caption.textContent,
      () => [...table.rows].map((row) => `${[...row.cells].map(quoted)}\n`).join(""));
  }
  for (const svg of document.querySelectorAll(".panel .chart")) {
    offer(svg.parentElement, "SVG", svg.getAttribute("aria-label"), () => {
      const style = getComputedStyle(svg);
      const copy = svg.cloneNode(true);
      copy.setAttribute("color", style.color);
      copy.setAttribute("font-family", "sans-serif");
      return new XMLSerializer().serializeToString(copy)
        .replace(/var\((--[\w-]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
    });
  }

  const subsets = { train: "training", val: "validation", test: "test", lr: "value" };

  // Value of every curve at the vertex that is nearest to the pointer, from the drawing itself.
  function valuesAt(svg, event) {
    const [x0, x1] = svg.dataset.xs.split(" ").map(Number);
    const [y0, y1] = svg.dataset.ys.split(" ").map(Number);
    const [width, height] = svg.dataset.plot.split(" ").map(Number);
    const readings = [];
    for (const path of svg.querySelectorAll(".mark-line path")) {
      const subset = /--(\w+)\)/.exec(path.getAttribute("stroke"))?.[1];
      if (!(subset in subsets)) continue;
      const at = new DOMPoint(event.clientX, event.clientY);
      const pointer = at.matrixTransform(path.getScreenCTM().inverse());
      const [x, y] = nearest(path, pointer);
      if (x === undefined) continue;
      readings.push({
        subset: subsets[subset],
        x: short(x0 + (x / width) * (x1 - x0)),
        y: short(y0 + (1 - y / height) * (y1 - y0)),
      });
    }
    if (!readings.length) return "";
    const same = readings.every(({ x }) => x === readings[0].x);
    const { x: across, y: up } = svg.dataset;
    return same
      ? `${across} ${readings[0].x}: ${readings.map(({ subset, y }) => `${subset} ${y}`).join(", ")}`
      : readings.map(({ subset, x, y }) => `${subset}: ${up} ${y} at ${across} ${x}`).join("; ");
  }

  // Vertex of a path that is nearest to a point; what lies beside counts more than what lies above.
  function nearest(path, point) {
    const numbers = (path.getAttribute("d") ?? "").match(/-?\d+(\.\d+)?/g)?.map(Number) ?? [];
    let best = [];
    let least = Infinity;
    for (let i = 0; i < numbers.length; i += 2) {
      const distance = Math.hypot(numbers[i] - point.x, (numbers[i + 1] - point.y) / 4);
      if (distance < least) [best, least] = [[numbers[i], numbers[i + 1]], distance];
    }
    return best;
  }

  const short = (number) => String(Number(number.toPrecision(3)));

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

  // The threshold explorer: the page holds counts at every stop, the script only looks them up.
  const explorer = document.querySelector(".explorer");
  if (explorer) {
    const stops = JSON.parse(document.getElementById("explorer-data").textContent);
    const [select, range, output] = ["select", "input", "output"].map((tag) => explorer.querySelector(tag));
    const rate = (part, whole) => (whole ? (part / whole).toFixed(3) : "undefined");

    const show = () => {
      const stop = stops[select.value];
      const [tp, fn, fp, tn] = ["tp", "fn", "fp", "tn"].map((key) => stop[key][range.value]);
      const values = {
        tp, fn, fp, tn,
        sensitivity: rate(tp, tp + fn), specificity: rate(tn, tn + fp),
        precision: rate(tp, tp + fp), npv: rate(tn, tn + fn),
      };
      for (const cell of explorer.querySelectorAll("[data-value]")) {
        cell.textContent = values[cell.dataset.value];
      }
      output.textContent = stop.threshold[range.value];
      range.setAttribute("aria-valuetext", output.textContent);
    };
    const reset = () => {
      const stop = stops[select.value];
      range.max = stop.threshold.length - 1;
      range.value = stop.frozen;
      show();
    };
    range.addEventListener("input", show);
    select.addEventListener("change", reset);
    explorer.querySelector("button").addEventListener("click", reset);
    explorer.hidden = false;
    reset();
  }
})();
