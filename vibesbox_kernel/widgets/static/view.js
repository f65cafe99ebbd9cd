// What the pages of several views need; it stands before them in their modules.

const element = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
};

// What is the same already is not touched: that would cost a layout, and a selection of it.
const setText = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};

// Have something done when the view's kernel has ended: a comm that has ended does not come back. Returns what undoes that.
const whenGone = (model, work) => {
  const events = ["comm:close", "comm_live_update"];
  for (const event of events) model.on(event, work);
  return () => {
    for (const event of events) model.off(event, work);
  };
};
