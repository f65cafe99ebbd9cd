// A row: its nodes, and how they say what the kernel says of a session.

const makeRow = (id, { actions, act, toggle, focused, proxied }) => {
  const tr = element("tr", "vb-row");
  tr.tabIndex = -1;
  tr.dataset.id = id;
  tr.addEventListener("focusin", focused);
  const expand = button("▸", toggle, "vb-expand");
  expand.setAttribute("aria-expanded", "false");
  tr.insertCell().append(expand);
  const cells = {};
  for (const { key, number } of COLUMNS) {
    cells[key] = element(key === "name" ? "th" : "td", `vb-${key}${number ? " vb-number" : ""}`);
    if (key === "name") cells[key].scope = "row";
    tr.append(cells[key]);
  }
  const dot = element("span", "vb-dot");
  dot.ariaHidden = "true";
  const word = element("span");
  cells.state.append(dot, word);
  const figures = { cpu: element("div"), memory: element("div") };
  const sparks = { cpu: makeSpark(), memory: makeSpark() };
  for (const key of ["cpu", "memory"]) cells[key].append(figures[key], sparks[key].svg);
  const command = element("div", "vb-text");
  const progress = makeProgress();
  const ports = element("span", "vb-ports");
  const line = element("span", "vb-line");
  const below = element("div", "vb-below");
  below.append(ports, line);
  const error = element("div", "vb-error");
  cells.command.append(command, progress.bar, below, error);
  const answer = button("Answer…", () => act("input"));
  const log = button("Log", () => act("log"));
  const kill = button("Kill", () => act("terminate"), "vb-button vb-kill");
  const buttons = element("div", "vb-actions");
  buttons.append(answer, log, kill);
  const action = element("td", "vb-action");
  action.append(buttons);
  tr.append(action);

  const setOpen = (open) => {
    setAttribute(expand, "aria-expanded", String(open));
    setText(expand, open ? "▾" : "▸");
  };
  const draw = (row, { elapsed, note }) => {
    setAttribute(tr, "data-state", row.state);
    setText(word, row.word);
    for (const key of ["name", "pid", "output", "exit", "where"]) setText(cells[key], row[key]);
    drawElapsed(elapsed);
    setText(figures.cpu, row.cpu);
    setText(figures.memory, row.memory);
    setAttribute(cells.cpu, "title", row.alive && row.cpu ? `${row.load} % of one core now` : null);
    setText(command, row.command);
    setAttribute(command, "title", row.title);
    progress.draw(row);
    drawPorts(ports, row, proxied);
    setText(line, row.line);
    setHidden(below, !row.line && !row.ports.length);
    drawError(row.error || (note?.isError ? note.words : ""));
    drawButtons(row);
  };
  const drawElapsed = (words) => setText(cells.elapsed, words);
  const drawError = (words) => {
    if (error.textContent === words) return;
    setAttribute(error, "role", words ? "alert" : null); // first the role, or the words are not read out
    error.textContent = words;
  };
  const drawButtons = (row) => {
    const ref = `${row.name || row.id.slice(0, 8)} (pid ${row.pid || "none yet"})`;
    setAttribute(expand, "aria-label", `Details of ${ref}`);
    actions.draw(kill, "terminate", "Kill", row, `Kill ${ref}`);
    actions.draw(log, "log", "Log", row, `Log of ${ref}`);
    if (row.waits) actions.draw(answer, "input", "Answer…", row, `Answer ${ref}`);
    else if (!answer.hidden) {
      if (answer === document.activeElement) tr.focus();
      answer.hidden = true;
    }
  };
  const drawSparks = (values) => {
    for (const [key, spark] of Object.entries(sparks)) {
      spark.svg.style.display = values ? "" : "none";
      if (values) drawSpark(spark, values[key], key === "cpu" ? 100 : 1);
    }
  };
  drawSparks(null);
  answer.hidden = true;
  return { tr, setOpen, draw, drawElapsed, drawSparks };
};

const makeProgress = () => {
  const bar = element("div", "vb-progress");
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-valuemin", "0");
  bar.setAttribute("aria-valuemax", "100");
  const filled = element("span", "vb-filled");
  const words = element("span", "vb-progress-text");
  bar.append(filled, words);
  const draw = (row) => {
    setHidden(bar, !row.progress_state);
    if (!row.progress_state) return;
    const percent = row.fraction === null ? null : 100 * row.fraction;
    setAttribute(bar, "data-state", row.progress_state);
    setAttribute(bar, "aria-label", `Progress of ${refOf(row)}`);
    setAttribute(bar, "aria-valuetext", row.progress || null);
    setAttribute(bar, "aria-valuenow", percent === null ? null : String(Math.round(percent)));
    filled.style.width = percent === null ? "" : `${percent}%`;
    setText(words, row.progress);
  };
  return { bar, draw };
};

const drawPorts = (box, row, proxied) => {
  const wanted = row.ports.join(" ");
  if ((box.dataset.ports ?? "") === wanted) return;
  box.dataset.ports = wanted;
  const links = row.ports.map((port) => {
    const link = element("a", "vb-port", `:${port}`);
    link.href = proxied ? `${baseUrl()}proxy/${port}/` : `http://127.0.0.1:${port}/`;
    link.target = "_blank";
    link.rel = "noopener";
    link.ariaLabel = `Port ${port} of ${refOf(row)}`;
    return link;
  });
  box.replaceChildren(...links);
};
