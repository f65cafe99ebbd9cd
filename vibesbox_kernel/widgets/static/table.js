// The process table. Rows are keyed by session id and patched in place: a node that stays is never
// moved or made anew, so the focus, a pressed button and a selection of text survive every update.
const COLUMNS = [
  ["state", "State"],
  ["name", "Name"],
  ["pid", "PID", true],
  ["elapsed", "Elapsed", true],
  ["cpu", "CPU", true, "CPU time of the whole process tree"],
  ["memory", "Memory", true, "Resident memory of the whole process tree"],
  ["output", "Output", true, "Size of the output so far"],
  ["exit", "Exit", false, "Exit status of the first process"],
  ["command", "Command"],
];
const WORDED = ["name", "pid", "cpu", "memory", "output", "exit"];
const CHANGES = ["change:rows", "change:caption", "change:notice"];
const ALIVE_MS = 30000; // the kernel stops measuring CPU and memory some time after the last view fell silent

const setText = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};

const element = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
};

// As the text table words it: "3 s", "3m 05s", "2h 07m", "4d 11h".
const duration = (seconds) => {
  const total = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  if (total < 60) return `${total} s`;
  if (total < 3600) return `${Math.floor(total / 60)}m ${two(total % 60)}s`;
  if (total < 86400) return `${Math.floor(total / 3600)}h ${two(Math.floor(total / 60) % 60)}m`;
  return `${Math.floor(total / 86400)}d ${two(Math.floor(total / 3600) % 24)}h`;
};

const makeHead = (table) => {
  const row = table.createTHead().insertRow();
  for (const [key, title, number, hint] of [...COLUMNS, ["action", "Action"]]) {
    const cell = element("th", `vb-${key}${number ? " vb-number" : ""}`, title);
    cell.scope = "col";
    if (hint) cell.title = hint;
    row.append(cell);
  }
};

const makeRow = (id, kill) => {
  const tr = element("tr");
  const cells = {};
  for (const [key, , number] of COLUMNS) {
    const cell = element(key === "name" ? "th" : "td", `vb-${key}${number ? " vb-number" : ""}`);
    if (key === "name") cell.scope = "row";
    tr.append(cell);
    cells[key] = cell;
  }
  const dot = element("span", "vb-dot");
  dot.ariaHidden = "true";
  const word = element("span");
  cells.state.append(dot, word);
  const command = element("div", "vb-text");
  const error = element("div", "vb-error"); // below the command, where there is room for it
  cells.command.append(command, error);
  const action = element("td", "vb-action");
  const button = element("button", "vb-kill");
  button.type = "button";
  button.onclick = () => kill(id);
  action.append(button);
  tr.append(action);
  return { tr, cells, word, command, button, error, live: null, state: null };
};

function render({ model, el }) {
  const rows = new Map(); // session id → what makeRow returned
  const clicks = new Map(); // session id → how many attempts were over when it was clicked
  let clockSkew = 0; // the kernel's clock minus ours, in seconds
  let heard = false; // a word came from a kernel: until then this may be a picture of long ago

  const root = element("div", "vb-table");
  root.tabIndex = -1;
  root.dataset.lmSuppressShortcuts = "true"; // Enter presses the button and does not edit the cell
  const style = element("style"); // a live table hides its static twin
  style.textContent = `.vb-static-${model.get("twin")}{display:none}`;
  const table = element("table");
  const caption = table.createCaption();
  makeHead(table);
  const body = table.createTBody();
  const notice = element("p", "vb-notice");
  root.append(table, notice);
  el.append(style, root);

  const kill = (id) => {
    const row = model.get("rows").find((one) => one.id === id);
    if (!row || row.refusal || isEnding(row)) return;
    clicks.set(id, row.tries);
    model.send({ op: "kill", id });
    draw();
  };
  const isEnding = (row) => row.ending || clicks.get(row.id) === row.tries;

  const elapsed = (row) => {
    if (row.elapsed !== null) return row.elapsed;
    return heard ? duration(Date.now() / 1000 + clockSkew - row.started) : "";
  };

  const drawButton = (view, row, live) => {
    const ending = live && isEnding(row);
    if (view.live !== live) {
      if (!live && view.button === document.activeElement) root.focus({ preventScroll: true });
      view.button.hidden = !live;
      view.live = live;
    }
    setText(view.button, ending ? "ending…" : "Kill");
    const why = row.refusal && `: ${row.refusal}`; // it can be focused, so that everybody learns why it does nothing
    const label = `Kill ${row.name || row.id.slice(0, 8)} (pid ${row.pid || "none yet"})${why}`;
    if (view.button.ariaLabel !== label) view.button.ariaLabel = label;
    if (view.button.title !== row.refusal) view.button.title = row.refusal;
    view.button.ariaDisabled = String(ending || row.refusal !== "");
    view.button.ariaBusy = String(ending);
    if (view.error.textContent !== row.error) {
      if (row.error) view.error.setAttribute("role", "alert");
      else view.error.removeAttribute("role");
      view.error.textContent = row.error;
    }
  };

  const drawRow = (view, row) => {
    if (view.state !== row.state) view.tr.dataset.state = view.state = row.state;
    setText(view.word, row.word);
    for (const key of WORDED) setText(view.cells[key], row[key]);
    setText(view.cells.elapsed, elapsed(row));
    setText(view.command, row.command);
    if (view.command.title !== row.title) view.command.title = row.title;
    drawButton(view, row, row.alive);
  };

  const draw = () => {
    const list = model.get("rows");
    const wanted = new Set(list.map((row) => row.id));
    // Rows that go must go first: then those that stay are in order and insertBefore moves none of them.
    for (const [id, view] of rows) {
      if (wanted.has(id)) continue;
      if (view.tr.contains(document.activeElement)) root.focus({ preventScroll: true });
      view.tr.remove();
      rows.delete(id);
      clicks.delete(id);
    }
    let previous = null;
    for (const row of list) {
      if (!rows.has(row.id)) rows.set(row.id, makeRow(row.id, kill));
      const view = rows.get(row.id);
      const place = previous ? previous.nextSibling : body.firstChild;
      if (place !== view.tr) body.insertBefore(view.tr, place);
      drawRow(view, row);
      previous = view.tr;
    }
    setText(caption, model.get("caption"));
    setText(notice, model.get("notice"));
  };

  const tick = () => {
    for (const row of model.get("rows")) {
      const view = rows.get(row.id);
      if (view && row.elapsed === null) setText(view.cells.elapsed, elapsed(row));
    }
  };
  const onChange = () => {
    heard = true;
    draw();
  };
  const onMessage = (message) => {
    if (message?.op !== "hello") return;
    clockSkew = message.now - Date.now() / 1000;
    onChange();
  };

  for (const event of CHANGES) model.on(event, onChange);
  model.on("msg:custom", onMessage);
  const second = setInterval(tick, 1000);
  const alive = setInterval(() => model.send({ op: "alive" }), ALIVE_MS);
  draw();
  model.send({ op: "hello" });
  return () => {
    clearInterval(second);
    clearInterval(alive);
    for (const event of CHANGES) model.off(event, onChange);
    model.off("msg:custom", onMessage);
  };
}

export default { render };
