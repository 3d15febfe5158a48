// Up to this many classes each cell is an element; above, one canvas shows them all.
const MOST_ELEMENTS = 40;
const NO_PLACE = { row: null, column: null };

export default function (component) {
  return run(component, createMatrix);
}

function createMatrix(root, link) {
  root.classList.add("matrix");
  const axes = make("div", { class: "axes" }, "Rows: true class. Columns: predicted class.");
  const unit = make("span", { class: "unit" });
  const gradient = make("canvas", { width: "256", height: "1" });
  const bar = make("div", { class: "bar" }, gradient);
  const scale = make("div", { class: "scale" }, unit, bar);
  const head = make("div", { class: "head" }, axes, scale);
  const board = make("div", { class: "board", tabindex: "0", "aria-describedby": "keys" });
  const readout = make("div", { class: "readout" });
  const spoken = make("div", { class: "unseen", "aria-live": "polite" });
  const keys = make(
    "div",
    { class: "unseen", id: "keys" },
    "Arrow keys move from cell to cell and to the class names, Enter selects, Enter again clears.",
  );
  root.append(head, make("div", { class: "scroller" }, board), readout, spoken, keys);

  const plot = make("div", { class: "plot" });
  const rowBand = make("div", { class: "band" });
  const columnBand = make("div", { class: "band" });
  const chosenBox = make("div", { class: "chosen" });
  const cursor = make("div", { class: "cursor" });
  const rowFloat = make("div", { class: "float" });
  const columnFloat = make("div", { class: "float" });
  const overlays = [plot, rowBand, columnBand, chosenBox, cursor, rowFloat, columnFloat];

  let data = null;
  let model = null; // totals and shares that follow from the data
  let size = null; // geometry of the board
  let chosen = NO_PLACE; // row: true class, column: predicted class
  let at = { row: 0, column: 0 }; // keyboard cursor; -1 stands for the class names
  let over = null; // where the pointer is
  let drawn = ""; // what the cells on screen were made from
  let labels = { row: [], column: [] };

  const box = (row, column) => ({
    x: column < 0 ? 0 : size.left + column * size.width,
    y: row < 0 ? 0 : size.top + row * size.height,
    w: column < 0 ? size.left : size.width,
    h: row < 0 ? size.top : size.height,
  });

  function place(element, { x, y, w, h }) {
    element.style.left = `${x}px`;
    element.style.top = `${y}px`;
    element.style.width = `${w}px`;
    element.style.height = `${h}px`;
  }

  function draw() {
    const ground = background(root);
    size = measure(root, data);
    const { classes, counts, normalise, hide_diagonal } = data;
    const key = JSON.stringify([classes, counts, normalise, hide_diagonal, ground, size]);
    if (key === drawn) return;
    drawn = key;
    const asElements = classes.length <= MOST_ELEMENTS;
    // Small cells need all their colour to be seen; large ones would shout.
    const least = size.width < 10 ? 0.75 : 0.4;
    const colour = (share) => (share > 0 ? ramp(Math.sqrt(share), ground, least) : null);
    board.classList.toggle("elements", asElements);
    board.style.width = `${size.left + size.across}px`;
    board.style.height = `${size.top + size.down}px`;
    board.classList.toggle("cramped", size.height < 16);
    board.setAttribute("role", asElements ? "grid" : "application");
    board.setAttribute("aria-label", data.label);
    board.dataset.left = size.left;
    board.dataset.top = size.top;
    board.dataset.cell = size.width;
    place(plot, { x: size.left, y: size.top, w: size.across, h: size.down });
    const made = drawLabels(data, size, place, box);
    labels = made.labels;
    const cells = asElements
      ? drawElements(made, data, model, colour, place, box)
      : [made.layer, drawCanvas(data, model, size, colour, root)];
    board.replaceChildren(...cells, ...overlays);
    drawScale({ gradient, bar, unit }, data, model, colour);
    head.style.maxWidth = `${Math.max(360, size.left + size.across)}px`;
  }

  function mark() {
    const { row, column } = chosen;
    chosenBox.hidden = row === null && column === null;
    if (!chosenBox.hidden) {
      const x = column === null ? 0 : box(0, column).x;
      const y = row === null ? 0 : box(row, 0).y;
      const w = column === null ? size.left + size.across : size.width;
      const h = row === null ? size.top + size.down : size.height;
      const room = Math.max(0, 8 - Math.min(w, h)) / 2; // a frame that shows around a tiny cell
      place(chosenBox, { x: x - room, y: y - room, w: w + 2 * room, h: h + 2 * room });
    }
    for (const cell of board.querySelectorAll("[role=gridcell]")) {
      const same = Number(cell.dataset.true) === row && Number(cell.dataset.predicted) === column;
      cell.setAttribute("aria-selected", String(same));
    }
  }

  function point(speak) {
    const keyboard = board.matches(":focus-visible");
    const here = over ?? (keyboard ? at : null);
    cursor.hidden = !keyboard;
    if (keyboard) place(cursor, box(at.row, at.column));
    for (const [axis, names] of Object.entries(labels)) {
      for (const [index, label] of names) label.classList.toggle("near", here?.[axis] === index);
    }
    const onRow = here && here.row >= 0;
    const onColumn = here && here.column >= 0;
    rowBand.hidden = !onRow;
    columnBand.hidden = !onColumn;
    if (onRow) place(rowBand, { x: 0, y: box(here.row, 0).y, w: size.left, h: size.height });
    if (onColumn) place(columnBand, { x: box(0, here.column).x, y: 0, w: size.width, h: size.top });
    rowFloat.hidden = !onRow || !size.thinRows;
    columnFloat.hidden = !onColumn || !size.thinColumns;
    if (!rowFloat.hidden) {
      rowFloat.textContent = data.classes[here.row];
      rowFloat.style.right = `${size.across + 4}px`;
      rowFloat.style.top = `${clamp(box(here.row, 0).y - 7, 0, size.top + size.down - 16)}px`;
    }
    if (!columnFloat.hidden) {
      columnFloat.textContent = data.classes[here.column];
      const width = columnFloat.offsetWidth;
      const middle = box(0, here.column).x + size.width / 2 - width / 2;
      columnFloat.style.left = `${clamp(middle, 0, size.left + size.across - width)}px`;
      columnFloat.style.top = `${size.top - 20}px`;
    }
    const shown = here ?? (chosenBox.hidden ? null : chosen);
    readout.textContent = shown ? sentence(shown, data, model) : data.hint;
    readout.classList.toggle("idle", !shown);
    if (speak) spoken.textContent = sentence(at, data, model);
  }

  function pick(where) {
    const row = where.row >= 0 ? where.row : null;
    const column = where.column >= 0 ? where.column : null;
    if (row === null && column === null) return;
    const again = row === chosen.row && column === chosen.column;
    chosen = again ? NO_PLACE : { row, column };
    mark();
    link.send({ true: chosen.row, predicted: chosen.column });
  }

  function under(event) {
    const frame = board.getBoundingClientRect();
    const x = event.clientX - frame.left - size.left;
    const y = event.clientY - frame.top - size.top;
    const last = data.classes.length - 1;
    return {
      row: y < 0 ? -1 : Math.min(last, Math.floor(y / size.height)),
      column: x < 0 ? -1 : Math.min(last, Math.floor(x / size.width)),
    };
  }

  board.onpointermove = (event) => {
    over = under(event);
    board.style.cursor = over.row < 0 && over.column < 0 ? "default" : "pointer";
    point();
  };
  board.onpointerleave = () => {
    over = null;
    point();
  };
  board.onclick = (event) => {
    const where = under(event);
    if (where.row < 0 && where.column < 0) return;
    at = where;
    pick(where);
    point();
  };
  board.onfocus = () => {
    over = null;
    point(board.matches(":focus-visible"));
  };
  board.onblur = () => point();
  board.onkeydown = (event) => {
    if (event.altKey || event.metaKey) return;
    const last = data.classes.length - 1;
    const moves = {
      ArrowLeft: { row: at.row, column: at.column - 1 },
      ArrowRight: { row: at.row, column: at.column + 1 },
      ArrowUp: { row: at.row - 1, column: at.column },
      ArrowDown: { row: at.row + 1, column: at.column },
      PageUp: { row: Math.max(at.row - 10, 0), column: at.column },
      PageDown: { row: at.row + 10, column: at.column },
      Home: { row: event.ctrlKey ? 0 : at.row, column: 0 },
      End: { row: event.ctrlKey ? last : at.row, column: last },
    };
    if (event.key in moves) {
      const row = clamp(moves[event.key].row, -1, last);
      const column = clamp(moves[event.key].column, -1, last);
      // The corner where the names of rows and columns meet stands for nothing.
      if (row >= 0 || column >= 0) at = { row, column };
      over = null;
      point(true);
    } else if ((event.key === "Enter" || event.key === " ") && !event.repeat) pick(at);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const watcher = new ResizeObserver(() => {
    if (!data) return;
    draw();
    mark();
    point();
  });
  watcher.observe(root);

  return {
    update(next) {
      data = next;
      model = summarise(next);
      const last = next.classes.length - 1;
      at = { row: Math.min(at.row, last), column: Math.min(at.column, last) };
      if (!link.waiting()) chosen = { row: next.true, column: next.predicted };
      draw();
      mark();
      point();
    },
    destroy() {
      watcher.disconnect();
    },
  };
}
