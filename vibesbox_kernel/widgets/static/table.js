// The process table. Rows are keyed by session id and patched in place: what stays is never made anew, so the focus,
// a pressed button and a selection of text survive every update. What sessions say is shown as text, never as HTML.

const PAGE_ROWS = 50;
const SPARK_POINTS = 60;
const ALIVE_MS = 30000; // the kernel stops measuring CPU and memory some time after the last view fell silent
const GONE = "The kernel of this table has ended: it shows how things were. %ps -w shows a new one.";
const PENDING_MS = 400; // a kernel that has not said by then that it has a click can not: Python is blocked
const NOTE_MS = 8000;
const SVG = "http://www.w3.org/2000/svg";

const COLUMNS = [
  { key: "state", title: "State" },
  { key: "name", title: "Name" },
  { key: "pid", title: "PID", number: true },
  { key: "elapsed", title: "Elapsed", number: true },
  { key: "cpu", title: "CPU", number: true, hint: "CPU time of the whole process tree; the line is its use in the last minute" },
  { key: "memory", title: "Memory", number: true, hint: "Resident memory of the whole process tree; the line is the last minute" },
  { key: "output", title: "Output", number: true, hint: "Size of the output so far" },
  { key: "exit", title: "Exit", hint: "Exit status of the first process" },
  { key: "where", title: "From", hint: "The program that it was started in" },
  { key: "command", title: "Command" },
];
const STATES = [
  ["", "all states"],
  ["alive", "not ended"],
  ["running", "running"],
  ["waiting", "waiting"],
  ["queued", "queued"],
  ["succeeded", "succeeded"],
  ["failed", "failed"],
  ["ended", "killed or lost"],
];
// What a button says while the kernel is at it.
const AT_IT = { terminate: "ending…", kill: "ending…", terminate_all: "ending…", save: "saving…" };
// The keys of a focused row: what they do, and what the help line calls it.
const ROW_KEYS = {
  i: ["interrupt", "I interrupt"],
  k: ["terminate", "K kill"],
  K: ["kill", "Shift+K kill at once"],
  b: ["shell", "B to the background or back"],
  s: ["input", "S send input"],
  l: ["log", "L log"],
  t: ["terminal", "T terminal"],
  r: ["rerun", "R run again"],
  c: ["command", "C copy command"],
  d: ["save", "D save log"],
  n: ["rename", "N rename"],
  p: ["durable", "P durable or not"],
};

const setText = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};
const setAttribute = (node, name, value) => {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
};
const setHidden = (node, hidden) => {
  if (node.hidden !== hidden) node.hidden = hidden;
};

const element = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
};
const button = (text, onclick, className = "vb-button") => {
  const node = element("button", className, text);
  node.type = "button";
  node.onclick = onclick;
  return node;
};
const shape = (tag, attributes) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};

// Figures in words, as the kernel's text tables have them.
const duration = (seconds) => {
  const total = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  if (total < 60) return `${total} s`;
  if (total < 3600) return `${Math.floor(total / 60)}m ${two(total % 60)}s`;
  if (total < 86400) return `${Math.floor(total / 3600)}h ${two(Math.floor(total / 60) % 60)}m`;
  return `${Math.floor(total / 86400)}d ${two(Math.floor(total / 3600) % 24)}h`;
};
const bytes = (count) => {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (count >= 999.5 && step + 1 < units.length) [count, step] = [count / 1000, step + 1];
  return `${step && count < 9.95 ? count.toFixed(1) : Math.round(count)} ${units[step]}`;
};
// … and back, to sort by them.
const secondsOf = (words) => {
  const unit = { s: 1, m: 60, h: 3600, d: 86400 };
  return [...words.matchAll(/([\d.]+) ?([smhd])/g)].reduce((sum, [, number, name]) => sum + number * unit[name], 0);
};
const bytesOf = (words) => {
  const match = /^([\d.]+) (k|M|G|T)?B$/.exec(words);
  return match ? match[1] * 1000 ** ["", "k", "M", "G", "T"].indexOf(match[2] ?? "") : -1;
};

const READS = ["log", "command", "save", "rerun"]; // can be done to every session, over or another program's

const refOf = (row) => row.name || (row.pid ? `pid ${row.pid}` : row.id.slice(0, 8));

const copyText = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Pages that are not served securely have no clipboard API.
    const box = element("textarea", "vb-hidden");
    box.value = text;
    document.body.append(box);
    box.select();
    const done = document.execCommand("copy");
    box.remove();
    if (!done) throw new Error("the browser does not let this page copy");
  }
};

const saveFile = (parts, name) => {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob(parts, { type: "text/plain" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
};
const fileName = (row) => `${(row.name || row.command.split(/\s/)[0] || "session").replace(/[^\w.-]+/g, "-").slice(0, 60)}-${row.pid || row.id.slice(0, 8)}.log`;

// A line over the last minute.
const makeSpark = () => {
  const svg = shape("svg", { class: "vb-spark", viewBox: "0 0 60 16", preserveAspectRatio: "none", "aria-hidden": "true" });
  const line = shape("polyline", { points: "", "vector-effect": "non-scaling-stroke" });
  svg.append(line);
  return { svg, line };
};
const drawSpark = (spark, values, most) => {
  const highest = Math.max(most, ...values);
  const first = SPARK_POINTS - values.length;
  const points = values.map((value, index) => `${first + index},${(15 - (14 * value) / highest).toFixed(1)}`);
  setAttribute(spark.line, "points", points.join(" "));
};

// One plot of a session's life.
const makePlot = (title, words) => {
  const figure = element("figure", "vb-plot");
  const caption = element("figcaption");
  const svg = shape("svg", { viewBox: "0 0 240 60", preserveAspectRatio: "none", role: "img" });
  const area = shape("polygon", { points: "" });
  const line = shape("polyline", { points: "", "vector-effect": "non-scaling-stroke" });
  svg.append(area, line);
  figure.append(caption, svg);
  const draw = (at, values) => {
    const highest = Math.max(1e-9, ...values);
    const now = values.length ? values[values.length - 1] : 0;
    const end = at.length ? at[at.length - 1] : 1;
    const said = `${title}: ${words(now)}, at most ${words(values.length ? highest : 0)}, over ${duration(end)}`;
    setText(caption, said);
    setAttribute(svg, "aria-label", said);
    const points = values.map((value, index) => `${((240 * at[index]) / end).toFixed(1)},${(59 - (56 * value) / highest).toFixed(1)}`);
    setAttribute(line, "points", points.join(" "));
    setAttribute(area, "points", points.length ? `${(240 * at[0]) / end},60 ${points.join(" ")} 240,60` : "");
  };
  return { figure, draw };
};

const baseUrl = () => {
  try {
    return JSON.parse(document.getElementById("jupyter-config-data").textContent).baseUrl ?? "/";
  } catch {
    return "/";
  }
};

function render({ model, el }) {
  const me = Math.random().toString(36).slice(2, 8);
  const can = new Set(model.get("actions"));
  const only = model.get("only");
  const rows = new Map(); // session id → the row as the kernel has it
  const views = new Map(); // session id → its nodes, of those on this page of the table
  const sparks = new Map(); // session id → { cpu: […], memory: […] }
  const details = new Map(); // session id → nodes of its details, while they are open
  const calls = new Map(); // call → what is to be done when the kernel answers
  const notes = new Map(); // session id → what the last action came to
  let calledSoFar = 0;
  let number = null; // of the last message with rows; null until there was one with all of them
  let clockSkew = 0; // the kernel's clock minus ours, in seconds
  let order = []; // ids, as they are sorted now
  let page = 0;
  let sort = { key: "began", down: false };
  let watched = "";
  let gone = false; // the kernel, or this table in it
  let focusId = null; // the row that the tab key leads to

  // The frame

  const root = element("div", "vb-table");
  root.tabIndex = -1;
  root.hidden = true; // until the kernel was heard: this may be a picture of long ago, and the static one is there
  // Keys are for what has the focus here, and not for the notebook, whose shortcuts match the focused element itself.
  root.addEventListener("focusin", (event) => (event.target.dataset.lmSuppressShortcuts = "true"));
  const style = element("style"); // a live table hides its static twin
  const bar = element("div", "vb-bar");
  bar.setAttribute("role", "search");
  const text = element("input");
  text.type = "search";
  text.placeholder = "Filter";
  text.ariaLabel = "Filter the table by text";
  const stateBox = element("select");
  stateBox.ariaLabel = "Filter the table by state";
  for (const [value, title] of STATES) stateBox.append(new Option(title, value));
  const hideEnded = element("label", "vb-check");
  const hideBox = element("input");
  hideBox.type = "checkbox";
  hideEnded.append(hideBox, " Hide ended");
  const killAll = button("Kill all shown…", () => askToKillAll());
  const question = element("span", "vb-question");
  question.setAttribute("role", "group");
  question.hidden = true;
  bar.append(text, stateBox, hideEnded, killAll, question);
  bar.hidden = Boolean(only);

  const scroller = element("div", "vb-scroll");
  const table = element("table");
  const caption = table.createCaption();
  const head = table.createTHead().insertRow();
  const heads = {};
  const more = element("th", "vb-more");
  more.scope = "col";
  more.append(element("span", "vb-hidden", "Details"));
  head.append(more);
  for (const { key, title, number: isNumber, hint } of COLUMNS) {
    const cell = element("th", `vb-${key}${isNumber ? " vb-number" : ""}`);
    cell.scope = "col";
    cell.append(button(title, () => sortBy(key), "vb-sort"));
    if (hint) cell.title = hint;
    heads[key] = cell;
    head.append(cell);
  }
  const actionHead = element("th", "vb-action", "Action");
  actionHead.scope = "col";
  head.append(actionHead);
  const width = COLUMNS.length + 2;
  const body = table.createTBody();
  const nothing = element("p", "vb-notice", "No session is shown.");
  scroller.append(table, nothing);
  const pager = element("div", "vb-pager");
  const earlier = button("Previous", () => turn(-1));
  const later = button("Next", () => turn(1));
  const where = element("span");
  pager.append(earlier, where, later);
  const notice = element("p", "vb-notice");
  const status = element("p", "vb-hidden");
  status.setAttribute("role", "status");
  const keys = Object.values(ROW_KEYS).filter(([name]) => can.has(name === "shell" ? "background" : name));
  const help = element("p", "vb-help");
  help.textContent = ["Keys in a row: ↑ ↓ Home End move", "Enter details", ...keys.map(([, words]) => words), "/ filter"].join(" · ");
  root.append(bar, scroller, pager, notice, status, help);
  el.append(style, root);

  // Calls

  const tell = (message) => {
    if (gone) return;
    try {
      model.send(message);
    } catch {
      onEnd(); // the connection is closed for good
    }
  };
  const call = (action, id, more = {}, { then, label } = {}) => {
    const name = `${me}-${++calledSoFar}`;
    calls.set(name, { action, id, then, took: false, sent: Date.now(), label });
    tell({ op: "do", call: name, action, id, ...more });
    setTimeout(drawAll, PENDING_MS + 20);
    drawAll();
    return name;
  };
  const callsOn = (id) => [...calls.values()].filter((one) => one.id === id);
  const note = (id, words, isError = false) => {
    if (!words) return;
    notes.set(id, { words, isError });
    setText(status, `${rows.has(id) ? `${refOf(rows.get(id))}: ` : ""}${words}`);
    setTimeout(() => {
      if (notes.get(id)?.words === words) notes.delete(id);
      drawAll();
    }, NOTE_MS);
    drawAll();
  };
  const onDone = (message) => {
    const one = calls.get(message.call);
    if (!one) return;
    calls.delete(message.call);
    if (message.error && (!one.id || !rows.has(one.id))) note("", message.error, true);
    if (!message.error && one.then) one.then(message.text);
    else if (!message.error) note(one.id, message.text);
    drawAll();
  };

  // What a user does

  const isAlive = (row) => row.alive && !row.refusal;
  const act = (name, id) => {
    const row = rows.get(id);
    if (gone || !row || !isPossible(name, row) || isRefused(name, row) || isAtIt(name, row)) return;
    if (name === "input" || name === "rename") return openForm(name, id);
    if (name === "durable") return call(name, id, { durable: !row.durable });
    if (name === "shell") return call(row.foreground ? "background" : "foreground", id);
    if (name === "command") return call(name, id, {}, { then: (command) => copied(id, command) });
    if (name === "save") return save(row);
    return call(name, id);
  };
  const isPossible = (name, row) => {
    if (name === "shell") return row.alive && can.has(row.foreground ? "background" : "foreground");
    if (!can.has(name)) return false;
    if (name === "terminal") return row.alive && row.terminal;
    return row.alive || READS.includes(name);
  };
  const isRefused = (name, row) => Boolean(row.refusal) && !READS.includes(name);
  const atIt = (name, row) => {
    const actions = name === "shell" ? ["background", "foreground"] : name === "terminate" ? ["terminate", "kill"] : [name];
    return { mine: callsOn(row.id).find((one) => actions.includes(one.action)), busy: actions.includes(row.busy) };
  };
  const isAtIt = (name, row) => {
    const { mine, busy } = atIt(name, row);
    return Boolean(mine) || busy;
  };
  const copied = async (id, command) => {
    try {
      await copyText(command);
      note(id, "its command is on the clipboard");
    } catch (error) {
      note(id, `its command could not be copied: ${error.message}`, true);
    }
  };
  const save = (row) => {
    const parts = [];
    let small = [];
    let size = 0;
    const name = fileName(row);
    const piece = (data) => {
      small.push(data);
      size += data.byteLength;
      if (size >= 1 << 22) {
        parts.push(new Blob(small)); // the browser may put it on its disk
        [small, size] = [[], 0];
      }
    };
    const started = call("save", row.id, {}, {
      then: (words) => {
        saveFile([...parts, ...small], name);
        note(row.id, `${words} to ${name}`);
      },
    });
    calls.get(started).piece = piece;
  };
  const onPiece = (message, buffers) => {
    const one = calls.get(message.call);
    if (!one?.piece) return; // another page's
    if (buffers?.[0]?.byteLength) one.piece(buffers[0].buffer ? buffers[0].buffer.slice(buffers[0].byteOffset, buffers[0].byteOffset + buffers[0].byteLength) : buffers[0]);
    tell({ op: "got", call: message.call, number: message.number });
  };

  const askToKillAll = () => {
    const ids = gone ? [] : order.filter((id) => isAlive(rows.get(id)));
    question.replaceChildren();
    if (!ids.length) {
      note("", "none of the sessions that are shown can be ended");
      return;
    }
    const several = ids.length > 1 ? `${ids.length} sessions` : "1 session";
    const yes = button(`Kill ${several}`, () => {
      hideQuestion();
      call("terminate_all", "", { ids });
    }, "vb-button vb-danger");
    question.append(`End ${several} and all their processes? `, yes, button("Keep them", hideQuestion));
    question.ariaLabel = `Really kill ${several}?`;
    question.hidden = false;
    yes.focus();
  };
  const hideQuestion = () => {
    question.hidden = true;
    killAll.focus();
  };

  // A box beneath a row: for input, or for a name

  const openForm = (name, id) => {
    const row = rows.get(id);
    openDetails(id);
    const detail = details.get(id);
    if (!detail) return;
    detail.form.replaceChildren();
    const box = element("input");
    box.autocomplete = "off";
    box.spellcheck = false;
    const close = () => {
      box.value = "";
      detail.form.replaceChildren();
      focusRow(id);
    };
    if (name === "rename") {
      box.value = row.name;
      box.ariaLabel = `New name of ${refOf(row)}`;
      detail.form.append("Name ", box, button("Rename", () => detail.form.requestSubmit()), button("Cancel", close));
      detail.form.onsubmit = () => {
        call("rename", id, { name: box.value });
        close();
      };
    } else {
      const secret = element("input");
      secret.type = "checkbox";
      secret.checked = row.waits === "password";
      const hide = element("label", "vb-check");
      hide.append(secret, " secret");
      const mask = () => (box.type = secret.checked ? "password" : "text");
      secret.onchange = mask;
      mask();
      const enter = element("input");
      enter.type = "checkbox";
      enter.checked = row.waits !== "key" && row.waits !== "keys";
      const withEnter = element("label", "vb-check");
      withEnter.append(enter, " with Enter");
      box.ariaLabel = `Input for ${refOf(row)}`;
      const send = (more) => {
        call("input", id, { text: box.value, enter: enter.checked, secret: secret.checked, ...more });
        box.value = ""; // it may be a secret
      };
      detail.form.append("Input ", box, button("Send", () => detail.form.requestSubmit()), withEnter, hide);
      detail.form.append(button("End of input", () => send({ eof: true, enter: false })), button("Close", close));
      detail.form.onsubmit = () => send({});
      detail.maskIfAsked = (now) => {
        if (now.waits === "password" && !secret.checked) {
          secret.checked = true;
          mask();
        }
      };
    }
    detail.form.onkeydown = (event) => {
      if (event.key === "Escape") close();
      event.stopPropagation();
    };
    box.focus();
    box.select();
  };

  // Details

  const FULL = [
    ["interrupt", () => "Interrupt", "as Ctrl-C: SIGINT to what it waits for"],
    ["terminate", () => "Kill", "SIGINT, one second, then SIGKILL to the whole tree"],
    ["kill", () => "Kill at once", "SIGKILL to the whole tree"],
    ["shell", (row) => (row.foreground ? "To the background" : "Bring back"), "whether a cell, or this table, waits for it"],
    ["input", () => "Send input…", "types a line, keys or a secret"],
    ["log", () => "Log", "its whole output, live"],
    ["terminal", () => "Terminal", "its terminal, to work in"],
    ["rerun", () => "Run again", "its command once more, in the background"],
    ["command", () => "Copy command", ""],
    ["save", () => "Save log", "its whole output as a file of your browser's"],
    ["rename", () => "Rename…", ""],
    ["durable", (row) => (row.durable ? "Not durable" : "Make durable"), "whether it outlives the kernel"],
  ];

  const openDetails = (id) => {
    if (details.has(id)) return;
    const view = views.get(id);
    if (!view) return;
    const tr = element("tr", "vb-detail");
    const cell = tr.insertCell();
    cell.colSpan = width;
    const tools = element("div", "vb-tools");
    tools.setAttribute("role", "toolbar");
    const buttons = {};
    for (const [name, , hint] of FULL) {
      buttons[name] = button("", () => act(name, id));
      buttons[name].dataset.hint = hint;
      tools.append(buttons[name]);
    }
    const form = element("form", "vb-form");
    form.addEventListener("submit", (event) => event.preventDefault());
    const noted = element("p", "vb-note");
    const columns = element("div", "vb-columns");
    const facts = element("dl", "vb-facts");
    const right = element("div", "vb-right");
    const plots = [
      makePlot("CPU", (value) => `${Math.round(value)} %`),
      makePlot("Memory", bytes),
      makePlot("Output", (value) => `${bytes(value)}/s`),
    ];
    const plotBox = element("div", "vb-plots");
    plotBox.append(...plots.map((one) => one.figure));
    const tree = element("pre", "vb-tree");
    const command = element("pre", "vb-full");
    right.append(plotBox, element("h4", "", "Processes"), tree, element("h4", "", "Command"), command);
    columns.append(facts, right);
    cell.append(tools, noted, form, columns);
    view.tr.after(tr);
    details.set(id, { tr, tools, buttons, form, noted, facts, plots, plotBox, tree, command, maskIfAsked: null });
    setAttribute(view.expand, "aria-expanded", "true");
    setText(view.expand, "▾");
    tell({ op: "open", view: me, id });
    drawDetail(id);
  };
  const shutDetails = (id) => {
    const detail = details.get(id);
    if (!detail) return;
    if (detail.tr.contains(document.activeElement)) focusRow(id);
    detail.tr.remove();
    details.delete(id);
    const view = views.get(id);
    if (view) {
      setAttribute(view.expand, "aria-expanded", "false");
      setText(view.expand, "▸");
    }
    tell({ op: "shut", view: me, id });
  };
  const toggleDetails = (id) => (details.has(id) ? shutDetails(id) : openDetails(id));

  const drawDetail = (id) => {
    const [detail, row] = [details.get(id), rows.get(id)];
    if (!detail || !row) return;
    setAttribute(detail.tools, "aria-label", `Actions on ${refOf(row)}`);
    for (const [name, title] of FULL) drawAction(detail.buttons[name], name, title(row), row);
    const words = notes.get(id);
    setText(detail.noted, words?.words ?? "");
    detail.noted.classList.toggle("vb-error", Boolean(words?.isError));
    if (detail.form.childElementCount && detail.maskIfAsked) detail.maskIfAsked(row);
  };
  const onDetail = (message) => {
    const detail = details.get(message.id);
    if (!detail) return;
    if (message.problem) {
      setText(detail.noted, message.problem);
      return;
    }
    const wanted = message.facts.flatMap(([name, value]) => [["dt", name], ["dd", value]]);
    wanted.forEach(([tag, words], index) => {
      let node = detail.facts.children[index];
      if (!node || node.localName !== tag) {
        const made = element(tag);
        if (node) node.replaceWith(made);
        else detail.facts.append(made);
        node = made;
      }
      setText(node, words);
    });
    while (detail.facts.childElementCount > wanted.length) detail.facts.lastElementChild.remove();
    setText(detail.tree, message.processes.map(([depth, pid, command]) => `${"  ".repeat(depth)}${pid} ${command}`).join("\n") || "none");
    setText(detail.command, message.command);
    setHidden(detail.plotBox, !message.plot?.at.length);
    if (message.plot?.at.length) {
      detail.plots[0].draw(message.plot.at, message.plot.cpu);
      detail.plots[1].draw(message.plot.at, message.plot.rss);
      detail.plots[2].draw(message.plot.at, message.plot.output);
    }
  };

  // Rows

  const makeRow = (id) => {
    const tr = element("tr", "vb-row");
    tr.tabIndex = -1;
    tr.dataset.id = id;
    const expand = button("▸", () => toggleDetails(id), "vb-expand");
    expand.setAttribute("aria-expanded", "false");
    tr.insertCell().append(expand);
    const cells = {};
    for (const { key, number: isNumber } of COLUMNS) {
      const cell = element(key === "name" ? "th" : "td", `vb-${key}${isNumber ? " vb-number" : ""}`);
      if (key === "name") cell.scope = "row";
      tr.append(cell);
      cells[key] = cell;
    }
    const dot = element("span", "vb-dot");
    dot.ariaHidden = "true";
    const word = element("span");
    cells.state.append(dot, word);
    const [cpu, memory] = [makeSpark(), makeSpark()];
    const figures = { cpu: element("div"), memory: element("div") };
    cells.cpu.append(figures.cpu, cpu.svg);
    cells.memory.append(figures.memory, memory.svg);
    const command = element("div", "vb-text");
    const progress = element("div", "vb-progress");
    progress.setAttribute("role", "progressbar");
    progress.setAttribute("aria-valuemin", "0");
    progress.setAttribute("aria-valuemax", "100");
    const filled = element("span", "vb-filled");
    const progressText = element("span", "vb-progress-text");
    progress.append(filled, progressText);
    const ports = element("span", "vb-ports");
    const line = element("span", "vb-line");
    const below = element("div", "vb-below");
    below.append(ports, line);
    const error = element("div", "vb-error");
    cells.command.append(command, progress, below, error);
    const action = element("td", "vb-action");
    const answer = button("Answer…", () => act("input", id));
    const log = button("Log", () => act("log", id));
    const kill = button("Kill", () => act("terminate", id), "vb-button vb-kill");
    const actions = element("div", "vb-actions");
    actions.append(answer, log, kill);
    action.append(actions);
    tr.append(action);
    tr.addEventListener("focusin", () => setFocusRow(id));
    return { tr, expand, cells, word, sparks: { cpu, memory }, figures, command, progress, filled, progressText, ports, line, below, error, answer, log, kill };
  };

  // A button of an action, here or in the details.
  const drawAction = (node, name, title, row, label) => {
    const possible = isPossible(name, row);
    if (!possible && node === document.activeElement) focusRow(row.id);
    setHidden(node, !possible);
    if (!possible) return;
    const { mine, busy } = atIt(name, row);
    const pending = mine && !mine.took && Date.now() - mine.sent >= PENDING_MS;
    setText(node, pending ? "pending" : mine || busy ? (AT_IT[name] ?? title) : title);
    const refused = isRefused(name, row);
    const why = refused ? `: ${row.refusal}` : ""; // it can be focused, so that everybody learns why it does nothing
    setAttribute(node, "aria-label", label ? `${label}${why}` : why ? `${title}${why}` : null);
    const says = refused ? row.refusal : pending ? "The kernel has not taken it yet: Python is busy." : (node.dataset.hint ?? "");
    if (node.title !== says) node.title = says;
    setAttribute(node, "aria-disabled", String(Boolean(gone || mine || busy || refused)));
    setAttribute(node, "aria-busy", String(Boolean(mine || busy)));
  };

  const elapsed = (row) => row.elapsed ?? (gone ? "" : duration(Date.now() / 1000 + clockSkew - row.started));

  const drawRow = (id) => {
    const [view, row] = [views.get(id), rows.get(id)];
    if (!view || !row) return;
    setAttribute(view.tr, "data-state", row.state);
    setText(view.word, row.word);
    for (const key of ["name", "pid", "output", "exit", "where"]) setText(view.cells[key], row[key]);
    setText(view.cells.elapsed, elapsed(row));
    setText(view.figures.cpu, row.cpu);
    setText(view.figures.memory, row.memory);
    setAttribute(view.cells.cpu, "title", row.alive && row.cpu ? `${row.load} % of one core now` : null);
    setText(view.command, row.command);
    setAttribute(view.command, "title", row.title);
    drawProgress(view, row);
    drawPorts(view, row);
    setText(view.line, row.line);
    setHidden(view.below, !row.line && !row.ports.length);
    const words = details.has(id) ? null : notes.get(id);
    const error = row.error || (words?.isError ? words.words : "");
    if (view.error.textContent !== error) {
      setAttribute(view.error, "role", error ? "alert" : null);
      view.error.textContent = error;
    }
    const ref = `${row.name || row.id.slice(0, 8)} (pid ${row.pid || "none yet"})`;
    setAttribute(view.expand, "aria-label", `Details of ${ref}`);
    drawAction(view.kill, "terminate", "Kill", row, `Kill ${ref}`);
    drawAction(view.log, "log", "Log", row, `Log of ${ref}`);
    drawAction(view.answer, "input", "Answer…", row, `Answer ${ref}`);
    if (!row.waits && !view.answer.hidden) {
      if (view.answer === document.activeElement) focusRow(id);
      view.answer.hidden = true;
    }
    drawDetail(id);
  };
  const drawProgress = (view, row) => {
    setHidden(view.progress, !row.progress_state);
    if (!row.progress_state) return;
    setAttribute(view.progress, "data-state", row.progress_state);
    setAttribute(view.progress, "aria-label", `Progress of ${refOf(row)}`);
    setAttribute(view.progress, "aria-valuetext", row.progress || null);
    setAttribute(view.progress, "aria-valuenow", row.fraction === null ? null : String(Math.round(100 * row.fraction)));
    view.filled.style.width = row.fraction === null ? "" : `${100 * row.fraction}%`;
    setText(view.progressText, row.progress);
  };
  const drawPorts = (view, row) => {
    const wanted = row.ports.join(" ");
    if (view.ports.dataset.ports === wanted) return;
    view.ports.dataset.ports = wanted;
    view.ports.replaceChildren(
      ...row.ports.map((port) => {
        const link = element("a", "vb-port", `:${port}`);
        link.href = model.get("proxied") ? `${baseUrl()}proxy/${port}/` : `http://127.0.0.1:${port}/`;
        link.target = "_blank";
        link.rel = "noopener";
        link.ariaLabel = `Port ${port} of ${refOf(row)}`;
        return link;
      }),
    );
  };

  // Which rows, and in which order

  const sortKey = {
    began: (row) => row.began,
    state: (row) => row.word,
    name: (row) => row.name.toLowerCase() || "\uffff",
    pid: (row) => Number(row.pid || Infinity),
    elapsed: (row) => (row.elapsed === null ? Date.now() / 1000 + clockSkew - row.started : secondsOf(row.elapsed)),
    cpu: (row) => secondsOf(row.cpu),
    memory: (row) => bytesOf(row.memory),
    output: (row) => bytesOf(row.output),
    exit: (row) => (row.exit === "" ? "\uffff" : row.exit),
    where: (row) => row.where,
    command: (row) => row.command,
  };
  const sortBy = (key) => {
    if (sort.key !== key) sort = { key, down: false };
    else if (!sort.down) sort = { key, down: true };
    else sort = { key: "began", down: false };
    for (const { key: one } of COLUMNS) {
      setAttribute(heads[one], "aria-sort", sort.key === one ? (sort.down ? "descending" : "ascending") : null);
    }
    page = 0;
    arrange(true);
  };
  const fits = (row) => {
    if (hideBox.checked && !row.alive) return false;
    const state = stateBox.value;
    if (state && (state === "alive" ? !row.alive : row.state !== state)) return false;
    const wanted = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = `${row.name} ${row.pid} ${row.word} ${row.title} ${row.line} ${row.where} ${row.progress} ${row.ports.join(" ")} ${row.id}`.toLowerCase();
    return wanted.every((word) => found.includes(word));
  };
  const isHeld = () => sort.key !== "began" && (body.matches(":hover") || body.contains(document.activeElement));

  // Nothing moves under the pointer of somebody who is about to press a button: then what is new goes to the end.
  const arrange = (now = false) => {
    const shown = [...rows.values()].filter(fits);
    const key = sortKey[sort.key];
    const keys = new Map(shown.map((row) => [row.id, key(row)]));
    const places = new Map(order.map((id, index) => [id, index]));
    const held = !now && isHeld();
    const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    shown.sort((a, b) => {
      if (held) return (places.get(a.id) ?? Infinity) - (places.get(b.id) ?? Infinity) || a.began - b.began;
      return (sort.down ? -1 : 1) * compare(keys.get(a.id), keys.get(b.id)) || a.began - b.began;
    });
    order = shown.map((row) => row.id);
    place();
  };

  const place = () => {
    const pages = Math.max(1, Math.ceil(order.length / PAGE_ROWS));
    page = Math.min(Math.max(0, page), pages - 1);
    const ids = order.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS);
    const wanted = new Set(ids);
    const focused = document.activeElement;
    const had = body.contains(focused) ? focused.closest("tr[data-id]")?.dataset.id ?? focusId : null;
    const before = had === null ? -1 : [...views.keys()].indexOf(had);
    for (const [id, view] of views) {
      if (wanted.has(id)) continue;
      shutDetails(id);
      view.tr.remove();
      views.delete(id);
    }
    let previous = null;
    for (const id of ids) {
      if (!views.has(id)) views.set(id, makeRow(id));
      const view = views.get(id);
      const at = previous ? previous.nextSibling : body.firstChild;
      if (at !== view.tr) body.insertBefore(view.tr, at);
      const detail = details.get(id)?.tr;
      if (detail && view.tr.nextSibling !== detail) view.tr.after(detail);
      previous = detail ?? view.tr;
      drawRow(id);
    }
    // A node that is moved loses the focus; one that went leaves it to the row in its place.
    if (had !== null && document.activeElement !== focused) {
      if (focused.isConnected) focused.focus({ preventScroll: true });
      else if (ids.length) focusRow(ids[Math.min(Math.max(before, 0), ids.length - 1)]);
      else root.focus({ preventScroll: true });
    }
    if (!views.has(focusId)) setFocusRow(ids[0] ?? null);
    setHidden(pager, pages === 1);
    setText(where, `${page * PAGE_ROWS + 1}–${page * PAGE_ROWS + ids.length} of ${order.length}`);
    setAttribute(earlier, "aria-disabled", String(page === 0));
    setAttribute(later, "aria-disabled", String(page === pages - 1));
    setAttribute(table, "aria-rowcount", String(order.length + 1));
    ids.forEach((id, index) => setAttribute(views.get(id).tr, "aria-rowindex", String(page * PAGE_ROWS + index + 2)));
    setHidden(nothing, order.length > 0);
    root.classList.toggle("vb-no-where", ![...rows.values()].some((row) => row.where));
    tellWhatIsSeen(ids);
  };
  const turn = (by) => {
    page += by;
    arrange();
    scroller.scrollTop = 0;
  };
  const tellWhatIsSeen = (ids) => {
    const seen = ids.join();
    if (seen === watched) return;
    watched = seen;
    tell({ op: "view", view: me, ids });
  };

  // The keyboard: one row is reached by the tab key, the others from there by arrows

  const setFocusRow = (id) => {
    if (views.has(focusId)) views.get(focusId).tr.tabIndex = -1;
    focusId = id;
    if (views.has(id)) views.get(id).tr.tabIndex = 0;
  };
  const focusRow = (id) => {
    const view = views.get(id);
    if (!view) return;
    setFocusRow(id);
    view.tr.focus();
  };
  const move = (by) => {
    const ids = [...views.keys()].sort((a, b) => order.indexOf(a) - order.indexOf(b));
    const at = ids.indexOf(focusId);
    focusRow(ids[Math.min(Math.max(at + by, 0), ids.length - 1)]);
  };
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const inBox = event.target.matches("input, select, textarea");
    if (event.key === "Escape" && !question.hidden) hideQuestion();
    else if (event.key === "Escape" && inBox && focusId) focusRow(focusId);
    else if (inBox) {
      event.stopPropagation();
      return;
    } else if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(-1);
    else if (event.key === "Home") move(-Infinity);
    else if (event.key === "End") move(Infinity);
    else if (event.key === "PageDown") turn(1);
    else if (event.key === "PageUp") turn(-1);
    else if (event.key === "/" && !only) text.focus();
    else if (event.key === "Enter" && event.target.matches("tr[data-id]")) toggleDetails(focusId);
    else if (event.key === "Escape" && details.has(focusId)) shutDetails(focusId);
    else if (ROW_KEYS[event.key] && event.target.matches("tr[data-id], tr[data-id] *")) act(ROW_KEYS[event.key][0], focusId);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  root.addEventListener("keydown", onKey);
  for (const [node, event] of [[text, "input"], [stateBox, "change"], [hideBox, "change"]]) {
    node.addEventListener(event, () => {
      page = 0;
      arrange(true);
    });
  }
  body.addEventListener("mouseleave", () => arrange());

  // What the kernel says

  const onRows = (message) => {
    if (message.full) {
      rows.clear();
    } else if (message.number !== (number ?? 0) + 1) {
      if (number !== null) tell({ op: "hello" });
      number = null; // what was missed comes with all rows
      return;
    }
    number = message.number;
    for (const [id, change] of Object.entries(message.put)) rows.set(id, { ...rows.get(id), ...change });
    for (const id of message.gone) {
      rows.delete(id);
      sparks.delete(id);
    }
    if (root.hidden) {
      root.hidden = false;
      style.textContent = `.vb-static-${model.get("twin")}{display:none}`;
    }
    arrange();
    if (only && rows.has(only) && message.full) openDetails(only);
  };
  const onSparks = (message) => {
    for (const [id, [cpu, memory]] of Object.entries(message.put)) sparks.set(id, { cpu, memory });
    drawSparks();
  };
  const drawSparks = () => {
    for (const [id, view] of views) {
      const known = sparks.get(id);
      const alive = rows.get(id)?.alive;
      for (const key of ["cpu", "memory"]) {
        setHidden(view.sparks[key].svg, !known || !alive);
        view.sparks[key].svg.style.display = known && alive ? "" : "none";
        if (known && alive) drawSpark(view.sparks[key], known[key], key === "cpu" ? 100 : 1);
      }
    }
  };
  const tick = () => {
    for (const id of views.keys()) {
      const row = rows.get(id);
      if (!row?.alive) continue;
      if (row.elapsed === null) setText(views.get(id).cells.elapsed, elapsed(row));
      if (!sparks.has(id)) sparks.set(id, { cpu: [], memory: [] });
      const known = sparks.get(id);
      for (const [key, value] of [["cpu", row.cpu ? row.load : -1], ["memory", bytesOf(row.memory)]]) {
        if (value >= 0) known[key] = [...known[key].slice(1 - SPARK_POINTS), value]; // before it was measured there is none
      }
    }
    drawSparks();
  };
  const drawAll = () => {
    for (const id of views.keys()) drawRow(id);
    const words = notes.get("");
    setText(notice, gone ? GONE : [model.get("notice"), words?.words].filter(Boolean).join(" "));
    const ending = [...calls.values()].find((one) => one.action === "terminate_all");
    setText(killAll, ending ? (ending.took || Date.now() - ending.sent < PENDING_MS ? "ending…" : "pending") : "Kill all shown…");
  };
  const drawFrame = () => {
    setText(caption, only ? "" : model.get("caption"));
    drawAll();
  };
  const onMessage = (message, buffers) => {
    switch (message?.op) {
      case "hello":
        clockSkew = message.now - Date.now() / 1000;
        break;
      case "rows":
        onRows(message);
        break;
      case "spark":
        onSparks(message);
        break;
      case "detail":
        onDetail(message);
        break;
      case "took":
        if (calls.has(message.call)) calls.get(message.call).took = true;
        drawAll();
        break;
      case "done":
        onDone(message);
        break;
      case "piece":
        onPiece(message, buffers);
        break;
    }
  };

  // A comm that has ended does not come back: a restarted kernel knows nothing of this table.
  const onEnd = () => {
    if (gone) return;
    gone = true;
    root.classList.add("vb-gone");
    clearInterval(second);
    clearInterval(alive);
    setText(status, GONE);
    drawAll();
  };

  const CHANGES = ["change:caption", "change:notice"];
  const ENDS = ["comm:close", "comm_live_update"];
  for (const event of CHANGES) model.on(event, drawFrame);
  for (const event of ENDS) model.on(event, onEnd);
  model.on("msg:custom", onMessage);
  const second = setInterval(tick, 1000);
  const alive = setInterval(() => tell({ op: number === null ? "hello" : "alive" }), ALIVE_MS);
  drawFrame();
  tell({ op: "hello" });
  return () => {
    clearInterval(second);
    clearInterval(alive);
    for (const id of details.keys()) tell({ op: "shut", view: me, id });
    tell({ op: "view", view: me, ids: [] });
    for (const event of CHANGES) model.off(event, drawFrame);
    for (const event of ENDS) model.off(event, onEnd);
    model.off("msg:custom", onMessage);
  };
}

export default { render };
