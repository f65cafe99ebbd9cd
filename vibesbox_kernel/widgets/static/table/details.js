// What stands beneath a row when it is opened.

const makeDetail = (width, actions, act) => {
  const tr = element("tr", "vb-detail");
  const cell = tr.insertCell();
  cell.colSpan = width;
  const tools = element("div", "vb-tools");
  tools.setAttribute("role", "toolbar");
  const buttons = {};
  for (const [name, , hint] of ACTIONS) {
    buttons[name] = button("", () => act(name));
    buttons[name].dataset.hint = hint;
    tools.append(buttons[name]);
  }
  const noted = element("p", "vb-note");
  const form = element("form", "vb-form");
  form.addEventListener("submit", (event) => event.preventDefault());
  const facts = element("dl", "vb-facts");
  const plots = {
    cpu: makePlot("CPU", (value) => `${Math.round(value)} %`),
    rss: makePlot("Memory", bytes),
    output: makePlot("Output", (value) => `${bytes(value)}/s`),
  };
  const plotBox = element("div", "vb-plots");
  plotBox.hidden = true;
  plotBox.append(...Object.values(plots).map((one) => one.figure));
  const tree = element("pre", "vb-tree");
  const command = element("pre", "vb-full");
  const right = element("div", "vb-right");
  right.append(plotBox, element("h4", "", "Processes"), tree, element("h4", "", "Command"), command);
  const columns = element("div", "vb-columns");
  columns.append(facts, right);
  cell.append(tools, noted, form, columns);
  let watch = () => {};

  const ask = (name, row, how) => (watch = openForm(form, name, row, how));
  const draw = (row, note) => {
    setAttribute(tools, "aria-label", `Actions on ${refOf(row)}`);
    for (const [name, title] of ACTIONS) actions.draw(buttons[name], name, title(row), row);
    setText(noted, note?.words ?? "");
    noted.classList.toggle("vb-error", Boolean(note?.isError));
    if (form.childElementCount) watch(row);
  };
  // What the kernel says of it, once a second.
  const show = (message) => {
    if (message.problem) {
      setText(noted, message.problem);
      return;
    }
    drawFacts(facts, message.facts);
    const processes = message.processes.map(([depth, pid, words]) => `${"  ".repeat(depth)}${pid} ${words}`);
    setText(tree, processes.join("\n") || "none");
    setText(command, message.command);
    setHidden(plotBox, !message.plot?.at.length);
    if (message.plot?.at.length) {
      for (const [name, plot] of Object.entries(plots)) plot.draw(message.plot.at, message.plot[name]);
    }
  };
  return { tr, ask, draw, show };
};

const drawFacts = (list, facts) => {
  while (list.childElementCount < 2 * facts.length) list.append(element("dt"), element("dd"));
  while (list.childElementCount > 2 * facts.length) list.lastElementChild.remove();
  facts.flat().forEach((words, index) => setText(list.children[index], words));
};
