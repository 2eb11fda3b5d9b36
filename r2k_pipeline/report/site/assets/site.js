// What a page does beyond showing itself: draws its figures, sorts its tables, opens what a link points into.
"use strict";
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const FIRST_GUESS_OF_AXES = 110; // pixels beside the panels, until a first drawing has shown how many
  const axes = new Map(); // by figure and shape: pixels beside its panels
  const views = new Map();

  const LETTER = 7; // pixels of a letter of a title, on the wide side
  const NARROW = 560; // pixels; below, panels beside each other go under each other

  // Data comes as columns, texts that repeat once with the place of each; a chart wants rows.
  function unpacked(packed) {
    const columns = Object.entries(packed).map(([name, column]) => [
      name,
      column.texts ? column.places.map((place) => column.texts[place]) : column,
    ]);
    const length = columns.length ? columns[0][1].length : 0;
    return Array.from({ length }, (_, i) => Object.fromEntries(columns.map(([name, values]) => [name, values[i]])));
  }

  function withRows(spec) {
    const datasets = Object.entries(spec.datasets ?? {}).map(([name, columns]) => [name, unpacked(columns)]);
    return { ...spec, datasets: Object.fromEntries(datasets) };
  }

  // Panel widths are fixed in a spec: scaled together, so that the whole is as wide as its container.
  function panelWidth(view) {
    if (view.vconcat) return Math.max(...view.vconcat.map(panelWidth));
    if (view.hconcat) return view.hconcat.map(panelWidth).reduce((sum, width) => sum + width, 0);
    return typeof view.width === "number" ? view.width : 0;
  }

  // Titles do not wrap by themselves, and a long one would take the width from the panels.
  function wrapped(text, room) {
    const lines = [""];
    for (const word of [text].flat().join(" ").split(" ")) {
      const line = `${lines.at(-1)} ${word}`.trim();
      if (line.length * LETTER > room) lines.push(word);
      else lines[lines.length - 1] = line;
    }
    return lines;
  }

  function wrappedTitle(title, room) {
    if (typeof title === "string" || Array.isArray(title)) return wrapped(title, room);
    const copy = { ...title };
    for (const part of ["text", "subtitle"]) if (copy[part]) copy[part] = wrapped(copy[part], room);
    return copy;
  }

  function inTwoColumns([channel, encoding]) {
    return [channel, encoding.legend ? { ...encoding, legend: { ...encoding.legend, columns: 2 } } : encoding];
  }

  // For a narrow page: everything in one column, every panel of the same width, titles and legends in lines.
  function stacked(view, width, room) {
    const { hconcat, ...copy } = view;
    const parts = hconcat ?? view.vconcat;
    if (parts) copy.vconcat = parts.map((part) => stacked(part, width, room));
    else if ("width" in view) copy.width = width;
    if (view.layer) copy.layer = view.layer.map((part) => stacked(part, width, room));
    if (view.encoding) copy.encoding = Object.fromEntries(Object.entries(view.encoding).map(inTwoColumns));
    if (view.title) copy.title = wrappedTitle(view.title, room);
    return copy;
  }

  function scaled(view, factor) {
    const copy = { ...view };
    for (const parts of ["vconcat", "hconcat", "layer"]) {
      if (copy[parts]) copy[parts] = copy[parts].map((part) => scaled(part, factor));
    }
    if (typeof copy.width === "number") copy.width = Math.max(40, Math.floor(copy.width * factor));
    return copy;
  }

  function embed(stage, spec, factor) {
    return vegaEmbed(stage, structuredClone(scaled(spec, factor)), {
      mode: "vega-lite",
      ast: true, // expressions are interpreted, so that the page needs no 'unsafe-eval'
      actions: false,
      logLevel: 1, // errors: what Vega-Lite merely remarks on is for whoever makes the figure
      renderer: "canvas",
      defaultStyle: false,
      tooltip: { disableDefaultStyle: true },
      config: window.r2kThemes[dark.matches ? "dark" : "light"],
    });
  }

  async function draw(figure) {
    const packed = window.r2kFigures?.[figure.dataset.figure];
    if (!packed || !window.vegaEmbed) return;
    const stage = figure.querySelector(".stage");
    const room = figure.clientWidth;
    const isNarrow = room < NARROW;
    const whole = withRows(packed);
    const spec = isNarrow ? stacked(whole, panelWidth(whole), room - FIRST_GUESS_OF_AXES / 2) : whole;
    const panels = panelWidth(spec);
    const shape = `${figure.dataset.figure} ${isNarrow}`;
    views.get(figure)?.finalize();
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const beside = axes.get(shape) ?? FIRST_GUESS_OF_AXES;
      const factor = panels > 0 ? (room - beside) / panels : 1;
      views.set(figure, await embed(stage, spec, factor));
      figure.classList.add("is-live");
      const drawn = stage.querySelector("canvas").getBoundingClientRect().width;
      if (Math.abs(drawn - room) < 3) return;
      axes.set(shape, beside + drawn - room);
    }
  }

  function drawAll() {
    for (const figure of document.querySelectorAll("figure.chart")) {
      draw(figure).catch((error) => {
        figure.classList.remove("is-live"); // the picture stays
        console.error(error);
      });
    }
  }

  // Sorting: numbers by size, other text by the alphabet; what is not known stays last.
  function valueOf(cell) {
    const text = cell.dataset.value ?? cell.textContent.trim();
    const number = Number(text.replaceAll(",", ""));
    return Number.isNaN(number) ? text : number;
  }

  function sort(table, index, direction) {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => {
      const cell = row.cells[index];
      return { row, unknown: cell.querySelector("abbr") !== null, value: valueOf(cell) };
    });
    const order = (a, b) =>
      typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    rows.sort((a, b) => a.unknown - b.unknown || direction * order(a.value, b.value));
    body.append(...rows.map(({ row }) => row));
  }

  function makeSortable(table) {
    const headers = [...table.tHead.rows[0].cells];
    headers.forEach((header, index) => {
      const label = header.querySelector(".label");
      const button = document.createElement("button");
      button.type = "button";
      button.append(...label.childNodes);
      label.append(button);
      header.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const down = header.getAttribute("aria-sort") === "ascending";
        headers.forEach((other) => other.setAttribute("aria-sort", "none"));
        header.setAttribute("aria-sort", down ? "descending" : "ascending");
        sort(table, index, down ? -1 : 1);
      });
    });
  }

  // A table whose column says so gets a choice of that column's values.
  function makeFilterable(table) {
    const headers = [...table.tHead.rows[0].cells];
    const index = headers.findIndex((header) => "filter" in header.dataset);
    if (index < 0) return;
    const rows = [...table.tBodies[0].rows];
    const values = [...new Set(rows.map((row) => row.cells[index].textContent.trim()))].sort();
    const label = document.createElement("label");
    const choice = document.createElement("select");
    choice.append(new Option("all", ""), ...values.map((value) => new Option(value)));
    label.className = "filter";
    label.append(`${headers[index].querySelector(".label").textContent}: `, choice);
    table.parentElement.before(label);
    choice.addEventListener("change", () => {
      for (const row of rows) row.hidden = choice.value !== "" && row.cells[index].textContent.trim() !== choice.value;
    });
  }

  // Not every browser opens the <details> that a link points into.
  function reveal() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let outer = target; outer; outer = outer.parentElement) {
      if (outer instanceof HTMLDetailsElement) outer.open = true;
    }
    target?.scrollIntoView();
  }

  document.querySelectorAll("table.data").forEach(makeFilterable);
  document.querySelectorAll("table.data").forEach(makeSortable);
  if (location.hash) reveal();
  addEventListener("hashchange", reveal);
  drawAll();
  dark.addEventListener("change", drawAll);
  let waiting;
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return; // a phone's address bar changes the height alone
    width = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 150);
  });
})();
