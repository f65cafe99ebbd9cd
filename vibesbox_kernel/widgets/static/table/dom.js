// Small helpers: nodes are made once, and touched again only where they differ.

const SVG = "http://www.w3.org/2000/svg";

const setAttribute = (node, name, value) => {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
};
const setHidden = (node, hidden) => {
  if (node.hidden !== hidden) node.hidden = hidden;
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

const baseUrl = () => {
  try {
    return JSON.parse(document.getElementById("jupyter-config-data").textContent).baseUrl ?? "/";
  } catch {
    return "/";
  }
};
