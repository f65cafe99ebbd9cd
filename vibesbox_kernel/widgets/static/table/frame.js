// What stands around the rows: filters, headings, pages, and what is said below them.

const makeFrame = ({ only, can, sortBy, killShown, turn }) => {
  const root = element("div", "vb-table");
  root.tabIndex = -1;
  root.hidden = true; // until the kernel was heard: this may be a picture of long ago, and the static one is there
  // Keys are for what has the focus here, and not for the notebook, whose shortcuts match the focused element itself.
  root.addEventListener("focusin", (event) => (event.target.dataset.lmSuppressShortcuts = "true"));
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
  const killAll = button("Kill all shown…", () => killShown());
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
  const words = ["Keys in a row: ↑ ↓ Home End move", "Enter details", ...keys.map(([, one]) => one), "/ filter"];
  help.textContent = words.join(" · ");
  root.append(bar, scroller, pager, notice, status, help);
  const filters = { text, stateBox, hideBox, killAll, question };
  const pages = { pager, earlier, later, where };
  return { root, scroller, table, caption, heads, body, width, nothing, notice, status, ...filters, ...pages };
};
